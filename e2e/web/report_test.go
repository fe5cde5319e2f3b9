package web

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// load opens the report of a run as a reader does who has saved it: as a file.
func (b *browser) load(t *testing.T, s *site, run string) {
	t.Helper()
	answer, err := http.Get(s.url + "/runs/" + run + "/report.html")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status, err)
	}
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	b.file = "file://" + path
	b.mu.Unlock()
	b.do(t, chromedp.Navigate(b.file))
}

// readable holds the report of a run against all looks, and keeps its pictures if told.
func (b *browser) readable(t *testing.T, s *site, run string, pictures bool) {
	t.Helper()
	b.load(t, s, run)
	for _, l := range looks {
		b.as(t, l)
		b.legible(t, "report of "+run, l)
		if pictures && l.name != "narrow-dark" {
			picture(t, b, l, "web-report-"+l.name+".png")
		}
	}
}

// In the report as a file a foreign text is text alone, and can be read as others can.
func TestHostileTextsInTheReport(t *testing.T) {
	s := newSiteOf(t, traits{hostile: true})
	b := open(t, s)
	b.readable(t, s, s.bad, false)
	if !eval[bool](t, b, `document.body.textContent.includes('<script>alert("x")</script>')`) {
		t.Error("the hostile text is not shown")
	}
	if n := eval[int](t, b, `document.querySelectorAll("script").length`); n != 1 {
		t.Errorf("%d scripts, of which one is the report's", n)
	}
	if n := eval[int](t, b, `document.querySelectorAll("img, link, iframe, [src]").length`); n != 0 {
		t.Errorf("%d elements that would load something", n)
	}
}

// The report as a file can be read in both schemes and on a phone, its tables sort, and
// the keyboard reaches them. It asks nobody.
func TestReport(t *testing.T) {
	s := newSite(t)
	b := open(t, s)
	b.readable(t, s, s.run, *update)

	b.load(t, s, s.run)
	b.as(t, looks[0])
	const table = `[...document.querySelectorAll("table")].find((t) => t.tHead.rows[0].cells.length > 12)` // all figures
	const column = `[...` + table + `.tBodies[0].rows].map((row) => parseFloat(row.cells[10].textContent))`
	sorted := func(sign string) bool {
		return eval[bool](t, b, `(() => { const c = `+column+`; return c.length === 6 && c.every((x, i) => i === 0 || `+sign+` * (x - c[i - 1]) >= 0); })()`)
	}
	b.do(t, chromedp.Evaluate[chromedp.Void](`window.heading = `+table+`.tHead.rows[0].cells[10]; heading.querySelector("button").focus(); undefined`), chromedp.KeyEvent(kb.Enter))
	if !sorted("1") {
		t.Errorf("Enter on a heading does not sort: %v", eval[[]float64](t, b, column))
	}
	b.do(t, chromedp.KeyEvent(" "))
	if !sorted("-1") || eval[string](t, b, `heading.getAttribute("aria-sort")`) != "descending" {
		t.Errorf("the space bar does not sort the other way: %v", eval[[]float64](t, b, column))
	}
	const arms = `[...` + table + `.tBodies[0].rows].map((row) => row.cells[0].textContent)`
	for _, order := range []string{"batch-16 batch-32", "batch-32 batch-16"} { // a column of texts, both ways
		b.do(t, chromedp.Evaluate[chromedp.Void](table+`.tHead.rows[0].cells[0].querySelector("button").click(); undefined`))
		if got := slices.Compact(eval[[]string](t, b, arms)); strings.Join(got, " ") != order {
			t.Errorf("by arms the rows are %q, want %s", got, order)
		}
	}
	b.load(t, s, s.run)
	b.do(t, chromedp.Evaluate[chromedp.Void](`window.visited = new Set(); undefined`))
	b.walk(t, "report", 30)
	if got := eval[int](t, b, `visited.size`); got < 29 {
		t.Errorf("30 Tabs led to %d places", got)
	}
}
