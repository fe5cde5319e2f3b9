package web

import (
	"context"
	_ "embed" // what looks at contrast
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var update = flag.Bool("update", false, "make the pictures of docs/images anew")

//go:embed contrast.js
var contrast string

// The progress of a run moves by itself, the next step shows without a reload, and
// what the reader has the focus on keeps it.
func TestLiveProgress(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/"))
	b.until(t, "a step shows", `document.getElementById("step-ladder") !== null`)
	b.do(t, chromedp.Evaluate[chromedp.Void](`
		window.seen = new Set();
		window.mark = document.querySelector("#now h3 a");
		mark.focus();
		setInterval(() => seen.add(document.getElementById("step-ladder")?.value), 50);
		undefined`))
	b.until(t, "the progress of the step moves", `seen.size >= 4`)
	b.until(t, "the sparklines show", `document.querySelectorAll("#now svg.spark path").length >= 2`)
	b.until(t, "a step has ended", `/: [1-9] of 6 steps have ended/.test(document.getElementById("now").innerText)`)
	if !eval[bool](t, b, `document.activeElement === mark && mark.isConnected`) {
		t.Error("the focus was lost while the page was kept up to date")
	}
	b.until(t, "the verdicts are those of the run that has ended", `
		document.querySelector("#h-verdicts + div tbody a").textContent === "ladder" &&
		/success/.test(document.querySelector("#h-schedule + div tbody tr").innerText) &&
		!/`+s.run+`/.test(document.querySelector("#h-verdicts + div tbody a").href)`)
}

// The page of a run is kept up to date until the run has ended, and then asks no more.
func TestARunThatEnds(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/"))
	b.until(t, "a run is under way", `document.querySelector("#now .bar a") !== null`)
	b.do(t, chromedp.Navigate(eval[string](t, b, `document.querySelector("#now .bar a").href`)))
	b.do(t, chromedp.Evaluate[chromedp.Void](`
		window.asked = 0;
		const before = window.fetch;
		window.fetch = (...what) => { asked++; return before(...what); };
		undefined`))
	b.until(t, "the page asks", `asked >= 3`)
	b.until(t, "the run has ended", `document.getElementById("now") === null`)
	if !eval[bool](t, b, `document.querySelectorAll("h2").length > 3 && /success/.test(document.getElementById("main").innerText)`) {
		t.Error("the page does not show how the run has ended")
	}
	asked := eval[int](t, b, `asked`)
	b.do(t, chromedp.Sleep(4*time.Second))
	if n := eval[int](t, b, `asked`) - asked; n != 0 {
		t.Errorf("after the run's end the page asked %d times within 4 s", n)
	}
}

// A click on a heading sorts by it, another one the other way round, and so does the
// keyboard.
func TestSorting(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/runs"))
	b.until(t, "headings are buttons", `document.querySelectorAll("th button").length === 7`)
	const column = `[...document.querySelectorAll("tbody tr")].map((row) => parseFloat(row.cells[3].dataset.value)).filter((x) => !isNaN(x))`
	const sorted = `(() => { const c = ` + column + `; return c.length > 30 && c.every((x, i) => i === 0 || %s * (x - c[i - 1]) >= 0); })()`
	is := func(order string) {
		t.Helper()
		sign := map[string]string{"ascending": "1", "descending": "-1"}[order]
		if got := eval[string](t, b, `document.querySelectorAll("th")[3].getAttribute("aria-sort")`); got != order {
			t.Errorf("aria-sort is %q, want %s", got, order)
		}
		if !eval[bool](t, b, fmt.Sprintf(sorted, sign)) {
			t.Errorf("the column is not %s: %v", order, eval[[]float64](t, b, column))
		}
	}
	b.do(t, chromedp.Click(chromedp.CSS(`thead th:nth-child(4) button`)))
	is("ascending")
	b.do(t, chromedp.Click(chromedp.CSS(`thead th:nth-child(4) button`)))
	is("descending")
	b.do(t, chromedp.Focus(chromedp.CSS(`thead th:nth-child(4) button`)), chromedp.KeyEvent(kb.Enter))
	is("ascending")
	b.do(t, chromedp.Focus(chromedp.CSS(`thead th:nth-child(7) button`)), chromedp.KeyEvent(" "))
	if got := eval[int](t, b, `document.querySelectorAll("th[aria-sort]").length`); got != 1 {
		t.Errorf("%d columns say that they are sorted by", got)
	}
}

// Everything can be reached and seen by the keyboard alone.
func TestKeyboard(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/probes/ladder"))
	b.do(t, chromedp.KeyEvent(kb.Tab))
	if got := eval[string](t, b, `document.activeElement.textContent`); got != "Skip to the content" {
		t.Fatalf("Tab leads first to %q", got)
	}
	if !eval[bool](t, b, `document.activeElement.getBoundingClientRect().left >= 0`) {
		t.Error("the link to the content is not seen when it has the focus")
	}
	b.do(t, chromedp.KeyEvent(kb.Enter))
	if got := eval[string](t, b, `document.activeElement.id`); got != "main" {
		t.Errorf("it leads to %q", got)
	}
	b.do(t, chromedp.Evaluate[chromedp.Void](`document.activeElement.blur(); window.visited = new Set(); undefined`))
	for range 40 {
		b.do(t, chromedp.KeyEvent(kb.Tab))
		if unseen := eval[string](t, b, `(() => {
			const a = document.activeElement;
			visited.add(a);
			const style = getComputedStyle(a);
			return a !== document.body && style.outlineStyle === "none" ? a.outerHTML.slice(0, 200) : "";
		})()`); unseen != "" {
			t.Errorf("the focus is not seen on %s", unseen)
		}
	}
	if got := eval[int](t, b, `visited.size`); got < 38 {
		t.Errorf("40 Tabs led to %d places", got)
	}
}

// Every page can be read, by colour contrast and on a phone, and asks nobody else.
func TestEveryPage(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/"))
	b.until(t, "there is something to see", `
		/[3-9] of 6 steps have ended/.test(document.getElementById("now").innerText) && document.querySelectorAll("#now svg.spark").length >= 3`)
	b.do(t, chromedp.Navigate(s.url+"/probes/canary"))
	b.until(t, "windows of the heartbeat have ended", `document.querySelectorAll("main figure").length >= 2`)
	for _, l := range looks {
		b.as(t, l)
		for name, path := range s.pages() {
			b.do(t, chromedp.Navigate(s.url+path))
			b.do(t, chromedp.Evaluate[chromedp.Void](`for (const d of document.querySelectorAll("details")) d.open = true; undefined`))
			for _, low := range eval[[]string](t, b, contrast) {
				t.Errorf("%s, %s: contrast of %s", name, l.name, low)
			}
			if wide := eval[int](t, b, `document.documentElement.scrollWidth`); wide > int(l.width) {
				t.Errorf("%s, %s: the page is %d pixels wide, of %d", name, l.name, wide, l.width)
			}
			b.do(t, chromedp.Evaluate[chromedp.Void](`for (const d of document.querySelectorAll("details")) d.open = false; undefined`))
			if *update && l.name != "narrow-dark" {
				picture(t, b, l, fmt.Sprintf("web-%s-%s.png", name, l.name))
			}
		}
	}
}

// picture keeps what the page looks like, at most so much of it as is of use.
func picture(t *testing.T, b *browser, l look, name string) {
	t.Helper()
	const longest = 2600
	height := min(eval[float64](t, b, `document.documentElement.scrollHeight`), longest)
	shot, err := chromedp.Run(b.ctx, func(ctx context.Context, target *chromedp.Target) (page.CaptureScreenshotResult, error) {
		beyond := true
		return cdp.Call(ctx, target, page.CaptureScreenshot, page.CaptureScreenshotParams{
			CaptureBeyondViewport: &beyond, Clip: &page.Viewport{Width: float64(l.width), Height: height, Scale: 1},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "images", name), shot.Data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// What a server said of itself is text: nothing of it runs, or is loaded.
func TestHostileTexts(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	for _, path := range []string{"/runs/" + s.bad, "/runs", "/probes/ladder"} {
		b.do(t, chromedp.Navigate(s.url+path), chromedp.Sleep(200*time.Millisecond))
		if path == "/runs/"+s.bad && !eval[bool](t, b, `document.body.innerText.includes('<script>alert("x")</script>')`) {
			t.Error("the text is not shown")
		}
		if n := eval[int](t, b, `document.querySelectorAll("script:not([src]), img").length`); n != 0 {
			t.Errorf("%s: %d elements of a foreign text", path, n)
		}
	}
}

// What the tests above rely on: the browser notices what a page must not do.
func TestTheBrowserNotices(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/"), chromedp.Evaluate[chromedp.Void](`
		console.error("an error");
		fetch("http://127.0.0.2:9/elsewhere").catch(() => {});
		document.body.append(Object.assign(document.createElement("script"), { textContent: "alert(1)" }));
		document.querySelector("footer").style.color = "#999";
		undefined`), chromedp.Sleep(500*time.Millisecond))
	low := eval[[]string](t, b, contrast)
	b.mu.Lock()
	defer b.mu.Unlock()
	all := strings.Join(append(b.wrong, low...), "\n")
	for _, want := range []string{"an error", "127.0.0.2", "Content Security Policy", "2.85: vllm_prober"} {
		if !strings.Contains(all, want) {
			t.Errorf("it did not notice %q, but\n%s", want, all)
		}
	}
	b.wrong = nil
}

// Without scripts all is there, and a page that shows what goes on loads itself anew.
func TestWithoutScripts(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}), chromedp.Navigate(s.url+"/"))
	text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("main")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ladder", "canary", "Schedule", "Verdicts of the latest runs"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	before := eval[float64](t, b, `performance.timeOrigin`)
	for end := time.Now().Add(30 * time.Second); eval[float64](t, b, `performance.timeOrigin`) == before; time.Sleep(time.Second) {
		if time.Now().After(end) {
			t.Fatal("the page does not load itself anew")
		}
	}
}
