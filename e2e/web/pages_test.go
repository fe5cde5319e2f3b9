package web

import (
	"context"
	_ "embed" // what looks at contrast
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
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
	b.do(t, chromedp.Evaluate[chromedp.Void](`mark = document.querySelector("#now-canary h3 a"); mark.focus(); undefined`))
	b.until(t, "the verdicts are those of the run that has ended", `
		document.querySelector("#h-verdicts + div tbody a").textContent === "ladder" &&
		/success/.test(document.querySelector("#h-schedule + div tbody tr").innerText) &&
		!/`+s.run+`/.test(document.querySelector("#h-verdicts + div tbody td a").href)`)
	b.until(t, "the card of the run has gone", `document.getElementById("now-ladder") === null`)
	if !eval[bool](t, b, `document.activeElement === mark && mark.isConnected`) {
		t.Error("the focus was lost when the card before it went")
	}
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
	const column = `[...document.querySelectorAll("tbody tr")].map((row) => parseFloat(row.cells[4].dataset.value)).filter((x) => !isNaN(x))`
	const sorted = `(() => { const c = ` + column + `; return c.length > 30 && c.every((x, i) => i === 0 || %s * (x - c[i - 1]) >= 0); })()`
	is := func(order string) {
		t.Helper()
		sign := map[string]string{"ascending": "1", "descending": "-1"}[order]
		if got := eval[string](t, b, `document.querySelectorAll("th")[4].getAttribute("aria-sort")`); got != order {
			t.Errorf("aria-sort is %q, want %s", got, order)
		}
		if !eval[bool](t, b, fmt.Sprintf(sorted, sign)) {
			t.Errorf("the column is not %s: %v", order, eval[[]float64](t, b, column))
		}
	}
	b.do(t, chromedp.Click(chromedp.CSS(`thead th:nth-child(5) button`)))
	is("ascending")
	b.do(t, chromedp.Click(chromedp.CSS(`thead th:nth-child(5) button`)))
	is("descending")
	b.do(t, chromedp.Focus(chromedp.CSS(`thead th:nth-child(5) button`)), chromedp.KeyEvent(kb.Enter))
	is("ascending")
	b.do(t, chromedp.Focus(chromedp.CSS(`thead th:nth-child(7) button`)), chromedp.KeyEvent(" "))
	if got := eval[int](t, b, `document.querySelectorAll("th[aria-sort]").length`); got != 1 {
		t.Errorf("%d columns say that they are sorted by", got)
	}
}

// A column of times is sorted by them, and not by the figures of how long ago they were.
func TestSortingOfTimes(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/"))
	for _, order := range []string{"batch-16 batch-32", "batch-32 batch-16"} { // the oldest first, and last
		if got := eval[string](t, b, `(() => {
			const table = document.querySelector("#h-verdicts + div table");
			for (const row of table.tBodies[0].rows) { // as of two runs, before the page is looked at again
				const old = row.cells[2].textContent === "batch-16", began = row.cells[1].querySelector("time");
				began.dateTime = old ? "2025-12-31T23:00:00Z" : "2026-01-01T01:59:58Z";
				began.textContent = old ? "3 h ago" : "2 s ago";
			}
			table.tHead.rows[0].cells[1].querySelector("button").click();
			return [...table.tBodies[0].rows].map((row) => row.cells[2].textContent).join(" ");
		})()`); got != order {
			t.Errorf("by when they began the runs are of %s, want %s", got, order)
		}
	}
}

// What the reader has chosen stays while the page is kept up to date: how far it is
// scrolled, what is unfolded, how a table is sorted, what has the focus.
func TestWhatTheReaderChoseStays(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/probes/ladder"))
	b.until(t, "a step shows", `document.getElementById("step-ladder") !== null`)
	const table = `document.querySelector("#h-history").parentElement.querySelector(":scope > .scroll table")`
	b.do(t, chromedp.Evaluate[chromedp.Void](`
		window.board = document.getElementById("main").dataset.board;
		window.unfolded = document.querySelectorAll("main details")[1];
		unfolded.open = true;
		window.heading = `+table+`.tHead.rows[0].cells[3];
		heading.querySelector("button").click();
		heading.querySelector("button").focus({ preventScroll: true });
		scrollTo(0, unfolded.getBoundingClientRect().top + scrollY - 300);
		window.top0 = unfolded.getBoundingClientRect().top;
		undefined`))
	b.until(t, "the page has changed twice", `
		document.getElementById("main").dataset.board !== board && (window.changes ??= 0, changes += board !== (board = document.getElementById("main").dataset.board)) >= 2`)
	for what, expression := range map[string]string{
		"what was unfolded":           `unfolded.isConnected && unfolded.open && document.querySelectorAll("main details[open]").length === 1`,
		"the place on the page":       `Math.abs(unfolded.getBoundingClientRect().top - top0) < 120`, // the card above may have lost a line
		"the focus":                   `heading.isConnected && document.activeElement === heading.querySelector("button")`,
		"what the table is sorted by": `heading.getAttribute("aria-sort") === "ascending"`,
		"the order of the table": `(() => {
			const took = [...` + table + `.tBodies[0].rows].map((row) => parseFloat(row.cells[3].dataset.value)).filter((x) => !isNaN(x));
			return took.length > 30 && took.every((x, i) => i === 0 || x >= took[i - 1]);
		})()`,
	} {
		if !eval[bool](t, b, expression) {
			t.Errorf("%s was lost", what)
		}
	}
}

// Times such as "5 min ago" go on where nothing else changes.
func TestTimesGoOn(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/"))
	b.do(t, chromedp.Evaluate[chromedp.Void](`
		window.whole = 0;
		const before = window.fetch;
		window.fetch = async (address, options) => {
			const answer = await before(address, options);
			if (address === location.href) { whole++; return answer; }
			const board = document.getElementById("main").dataset.board; // as if nothing had changed
			return new Response((await answer.text()).replace(/data-board="\d+"/, 'data-board="' + board + '"'));
		};
		document.querySelector("#h-schedule + div time").textContent = "long ago";
		undefined`))
	b.do(t, chromedp.Sleep(5*time.Second))
	if n := eval[int](t, b, `whole`); n > 1 {
		t.Errorf("the whole page was asked for %d times within 5 s", n)
	}
	b.until(t, "the page tells how long ago", `/^\d+ (s|min|h) .*ago$/.test(document.querySelector("#h-schedule + div time").textContent)`)
}

// A tab that nobody sees asks for nothing, and looks at once when it is seen again.
func TestAHiddenTab(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/"))
	b.do(t, chromedp.Evaluate[chromedp.Void](`
		window.asked = 0;
		const before = window.fetch;
		window.fetch = (...what) => { asked++; return before(...what); };
		window.turn = (hidden) => {
			Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
			document.dispatchEvent(new Event("visibilitychange"));
		};
		undefined`))
	b.until(t, "the page asks", `asked >= 2`)
	b.do(t, chromedp.Evaluate[chromedp.Void](`turn(true); undefined`), chromedp.Sleep(2*time.Second))
	asked := eval[int](t, b, `asked`)
	b.do(t, chromedp.Sleep(4*time.Second))
	if n := eval[int](t, b, `asked`) - asked; n != 0 {
		t.Errorf("hidden, the page asked %d times within 4 s", n)
	}
	b.do(t, chromedp.Evaluate[chromedp.Void](`turn(false); undefined`))
	b.until(t, "it asks again", fmt.Sprintf(`asked > %d`, asked))
}

// When the daemon has gone the page says so, also to who has scrolled, and when it is
// back the page goes on.
func TestTheDaemonGoes(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/probes/ladder"))
	b.until(t, "a step shows", `document.getElementById("step-ladder") !== null`)
	b.do(t, chromedp.Evaluate[chromedp.Void](`scrollTo(0, 1500); undefined`))
	address := s.server.Listener.Addr().String()
	s.server.CloseClientConnections()
	s.server.Close()
	b.until(t, "the page says that nobody answers", `/No answer/.test(document.querySelector("[role=status]").innerText)`)
	if !eval[bool](t, b, `(() => {
		const place = document.querySelector("[role=status]").getBoundingClientRect();
		return place.height > 0 && place.top >= 0 && place.bottom <= innerHeight + 1;
	})()`) {
		t.Error("what it says is not on the screen")
	}
	for _, low := range eval[[]string](t, b, contrast) {
		t.Errorf("contrast of %s", low)
	}
	s.serve(t, address)
	b.until(t, "the page goes on", `document.querySelector("[role=status]").innerText === ""`)
	b.forgive("ERR_")
}

// So it does of a daemon that takes connections and does not answer.
func TestTheDaemonHangs(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/probes/ladder"))
	b.until(t, "a step shows", `document.getElementById("step-ladder") !== null`)
	address := s.server.Listener.Addr().String()
	s.server.CloseClientConnections()
	s.server.Close()
	hanging, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	b.until(t, "the page says that nobody answers", `/No answer/.test(document.querySelector("[role=status]").innerText)`)
	hanging.Close()
	s.serve(t, address)
	b.until(t, "the page goes on", `document.querySelector("[role=status]").innerText === ""`)
	b.forgive("ERR_")
}

// Where a reload removes a probe in the middle of a run, the run's page goes on to what
// there is of the run.
func TestAReloadRemovesTheProbe(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/"))
	b.until(t, "a run is under way", `document.querySelector("#now .bar a") !== null`)
	b.do(t, chromedp.Navigate(eval[string](t, b, `document.querySelector("#now .bar a").href`)))
	if !eval[bool](t, b, `document.getElementById("now") !== null`) {
		t.Fatal("the run's page does not show it")
	}
	without := *s.cfg
	without.Probes = s.cfg.Probes[1:]
	if err := s.daemon.Apply(&without); err != nil {
		t.Fatal(err)
	}
	b.until(t, "the page shows that nothing is under way", `document.getElementById("now") === null`)

	// The probe's own page becomes that which says that there is none.
	if err := s.daemon.Apply(s.cfg); err != nil {
		t.Fatal(err)
	}
	b.do(t, chromedp.Navigate(s.url+"/probes/ladder"))
	b.until(t, "the page follows the probe", `document.getElementById("now") !== null`)
	if err := s.daemon.Apply(&without); err != nil {
		t.Fatal(err)
	}
	b.until(t, "the page says that there is none", `document.getElementById("now") === null && document.querySelector("main").textContent.includes("no probe")`)
	if says := eval[string](t, b, `document.getElementById("connection").textContent`); says != "" {
		t.Errorf("of a daemon that answers, the page says %q", says)
	}
	b.forgive("status of 404")
}

// Everything can be reached and seen by the keyboard alone, on every page.
func TestKeyboard(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	for _, v := range s.pages() {
		b.do(t, chromedp.Navigate(s.url+v.path))
		b.do(t, chromedp.Evaluate[chromedp.Void](`window.visited = new Set(); undefined`))
		b.walk(t, v.name, 25)
	}
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
	b.walk(t, "probe", 40)
	if got := eval[int](t, b, `visited.size`); got < 38 {
		t.Errorf("40 Tabs led to %d places", got)
	}
}

// walk presses Tab again and again, and looks whether the focus is seen.
func (b *browser) walk(t *testing.T, name string, times int) {
	t.Helper()
	for range times {
		b.do(t, chromedp.KeyEvent(kb.Tab))
		if unseen := eval[string](t, b, `(() => {
			const a = document.activeElement;
			visited.add(a);
			const style = getComputedStyle(a);
			return a !== document.body && style.outlineStyle === "none" ? a.outerHTML.slice(0, 200) : "";
		})()`); unseen != "" {
			t.Errorf("%s: the focus is not seen on %s", name, unseen)
		}
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
	views := append(s.pages(), view{"refused", "/runs/" + s.refused})
	for _, l := range looks {
		b.as(t, l)
		for _, v := range views {
			b.do(t, chromedp.Navigate(s.url+v.path))
			b.legible(t, v.name, l)
			if *update && l.name != "narrow-dark" && v.path != "/runs/"+s.refused {
				picture(t, b, l, fmt.Sprintf("web-%s-%s.png", v.name, l.name))
			}
		}
	}
}

// legible looks at the contrast of the page's texts, with all unfolded, and whether it
// is as wide as the screen.
func (b *browser) legible(t *testing.T, name string, l look) {
	t.Helper()
	fold := func(open bool) {
		b.do(t, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`for (const d of document.querySelectorAll("details")) d.open = %t; undefined`, open)))
	}
	fold(true)
	for _, low := range eval[[]string](t, b, contrast) {
		t.Errorf("%s, %s: contrast of %s", name, l.name, low)
	}
	if wide := eval[int](t, b, `document.documentElement.scrollWidth`); wide > int(l.width) {
		t.Errorf("%s, %s: the page is %d pixels wide, of %d", name, l.name, wide, l.width)
	}
	fold(false)
}

// The pages tell what the history holds: intervals on the curves, differences beyond
// chance, and the run at which the level changed.
func TestWhatTheHistoryHolds(t *testing.T) {
	s := newSiteOf(t, traits{resting: true})
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/runs/"+s.run))
	// Whiskers are the paths of a point beside its marker.
	for _, figure := range []string{"completed per second", "TTFT, mean", "TPOT, mean"} {
		if n := eval[int](t, b, fmt.Sprintf(`[...document.querySelectorAll("figure")].find((f) => f.querySelector("figcaption").textContent === %q)
			.querySelectorAll("svg g > path[stroke-width='1.5'][fill=none][d*=V]").length`, figure)); n < 4 {
			t.Errorf("%q has %d intervals, of 6 points", figure, n)
		}
	}
	// By how the history was made, the arm with the larger batch has another TTFT and TPOT
	// below its capacity, and the same throughput.
	const row = `[...document.querySelectorAll("table")].find((t) => t.caption?.textContent === "batch-32 against batch-16").tBodies[0].rows[1].cells`
	for cell, want := range map[int]struct {
		truth       float64
		word, class string
	}{3: {1, "no difference", "long"}, 6: {sooner, "better", "long good"}, 9: {moreSlowly, "worse", "long bad"}} {
		text := eval[string](t, b, fmt.Sprintf(`%s[%d].textContent`, row, cell))
		if lower, upper, word := said(t, text); want.truth < lower || want.truth > upper || !strings.HasPrefix(word, want.word) {
			t.Errorf("at 24 req/s it says %q, of a factor of %g that is %s", text, want.truth, want.word)
		}
		if class := eval[string](t, b, fmt.Sprintf(`%s[%d].className`, row, cell)); class != want.class {
			t.Errorf("%q has the class %q, want %q", text, class, want.class)
		}
	}
	b.do(t, chromedp.Navigate(s.url+"/probes/ladder"))
	if n := eval[int](t, b, `[...document.querySelectorAll("figure p")].filter((p) => /^The level changed at .* \+1[0-4]\.\d%\.$/.test(p.textContent)).length`); n != 2 {
		t.Errorf("%d charts tell of a rise of about 12%%, want that of TTFT of each arm", n)
	}
	// A reader chooses the run of before, and gets it.
	b.do(t, chromedp.Navigate(s.url+"/runs/"+s.run))
	b.do(t, chromedp.Evaluate[chromedp.Void](`document.getElementById("base").value = "`+s.before+`"; undefined`), chromedp.Click(chromedp.CSS("form.choose button")))
	b.until(t, "the comparison shows", `document.querySelector("h1").textContent === "Comparison"`)
	if got := eval[string](t, b, `location.pathname + location.search`); got != s.comparison() {
		t.Errorf("it leads to %s, want %s", got, s.comparison())
	}
	const change = `document.querySelector("main table").tBodies[0].rows[1].cells[6]`
	if text := eval[string](t, b, change+`.textContent`); !regexp.MustCompile(`^\+1\d\.\d% .*: worse$`).MatchString(text) {
		t.Errorf("TTFT at 24 req/s has changed by %q", text)
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

// said reads a difference with its interval, as factors, and its word.
func said(t *testing.T, text string) (lower, upper float64, word string) {
	t.Helper()
	m := regexp.MustCompile(`^[−+][\d.]+% \(([−+][\d.]+)%, ([−+][\d.]+)%\): (.*)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%q is no difference with an interval", text)
	}
	factor := func(percent string) float64 {
		x, err := strconv.ParseFloat(strings.ReplaceAll(percent, "−", "-"), 64)
		if err != nil {
			t.Fatal(err)
		}
		return 1 + x/100
	}
	return factor(m[1]), factor(m[2]), m[3]
}

// What a server or a configuration said is text on every page: nothing of it runs, or
// is loaded.
func TestHostileTexts(t *testing.T) {
	s := newSiteOf(t, traits{hostile: true})
	b := open(t, s)
	for path, shown := range map[string]bool{
		"/runs/" + s.bad: true, "/configuration": true, "/runs": true, "/runs?before=" + s.before: true, "/": false, "/probes/ladder": true,
		"/compare?base=" + s.bad + "&other=" + s.run: false, "/runs/" + url.PathEscape(hostile): false, "/runs?probe=" + url.QueryEscape(hostile): true,
		"/compare?base=" + url.QueryEscape(hostile) + "&other=" + s.run: true,
	} {
		b.do(t, chromedp.Navigate(s.url+path), chromedp.Sleep(200*time.Millisecond))
		if shown && !eval[bool](t, b, `document.body.textContent.includes('<img src=x onerror=alert(1)>')`) {
			t.Errorf("%s: the text is not shown", path)
		}
		if n := eval[int](t, b, `document.querySelectorAll("script:not([src]), img").length`); n != 0 {
			t.Errorf("%s: %d elements of a foreign text", path, n)
		}
	}
	for _, l := range looks {
		b.as(t, l)
		b.do(t, chromedp.Navigate(s.url+"/runs/"+s.bad))
		b.legible(t, "hostile", l)
	}
	b.forgive("status of 404", "status of 400") // what the browser says of pages that are not there
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

// Without scripts all is there, and a page that shows what goes on loads itself anew:
// that of a run until the run has ended.
func TestWithoutScripts(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.do(t, chromedp.Navigate(s.url+"/"))
	b.until(t, "a run is under way", `document.querySelector("#now .bar a") !== null`)
	run := eval[string](t, b, `document.querySelector("#now .bar a").href`)
	b.do(t, call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	for _, c := range []struct {
		address string
		wanted  []string
	}{
		{run, []string{"ladder", "Now", "steps have ended", "Log"}}, // before it ends
		{s.url + "/", []string{"ladder", "canary", "Schedule", "Verdicts of the latest runs"}},
	} {
		b.do(t, chromedp.Navigate(c.address))
		text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("main")))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.wanted {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", c.address, want, text)
			}
		}
		before := eval[float64](t, b, `performance.timeOrigin`)
		for end := time.Now().Add(30 * time.Second); eval[float64](t, b, `performance.timeOrigin`) == before; time.Sleep(time.Second) {
			if time.Now().After(end) {
				t.Fatalf("%s does not load itself anew", c.address)
			}
		}
	}
	b.do(t, chromedp.Navigate(s.url+"/runs/"+s.run))
	if eval[bool](t, b, `document.querySelector("meta[http-equiv=refresh]") !== null`) {
		t.Error("the page of a run that has ended loads itself anew")
	}
}
