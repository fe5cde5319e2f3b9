package web

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/golden"
	"vllm_prober/internal/live"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// body is a page that is answered with a status.
func (s *site) body(t *testing.T, path string, status int) string {
	t.Helper()
	w := s.get(path)
	if w.Code != status || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%s: status %d, %s", path, w.Code, w.Header().Get("Content-Type"))
	}
	return w.Body.String()
}

// section is what a page has under a heading, up to the next section.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, after, found := strings.Cut(page, heading+"</h2>")
	if !found {
		t.Fatalf("no section %q in\n%s", heading, page)
	}
	inside, _, _ := strings.Cut(after, "</section>")
	return strings.TrimSpace(inside) + "\n"
}

// The parts of the pages as they are written.
func TestSections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, true)
		time.Sleep(time.Until(noon.Add(-time.Hour)))
		result := s.makes(t, noon.Add(-2*time.Hour))
		s.skips()
		s.ladder.NextRun(noon)
		for name, c := range map[string]struct{ path, heading string }{
			"schedule.html": {"/", "Schedule"},
			"verdicts.html": {"/", "Verdicts of the latest runs"},
			"arms.html":     {"/runs/" + result.ID, "Verdicts"},
			"history.html":  {"/probes/ladder", "History"},
		} {
			golden.Check(t, "html/"+name, section(t, s.body(t, c.path, http.StatusOK), c.heading))
		}
	})
}

// A run's page holds its report with its sentences, curves and tables, its probe's page a
// part of it.
func TestReport(t *testing.T) {
	for _, kept := range []bool{true, false} {
		s := newSite(t, kept)
		result := s.makes(t, noon)
		for _, path := range []string{"/runs/" + result.ID, "/probes/ladder"} {
			page := s.body(t, path, http.StatusOK)
			wanted := []string{"<h2>Throughput</h2>", "<h2>Latency</h2>", "<h2>Arms side by side</h2>", `class="chart"`, "SLO 500 ms"}
			if strings.HasPrefix(path, "/runs") {
				wanted = append(wanted, "<h2>Summary</h2>", "bs16 kept up with 10 requests a second, but not with 20.")
			}
			for _, want := range wanted {
				if !strings.Contains(page, want) {
					t.Errorf("%s, with records %t: no %s in\n%s", path, kept, want, page)
				}
			}
		}
	}
}

// What goes on is on the overview, on the probe's and on the run's page, and alone
// for the script, each with links that hold where it is.
func TestNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, true)
		run := prober.Run{ID: "20000101T000000Z-beef", Probe: "ladder", Steps: 4, StartedAt: time.Now()}
		recorder, err := s.store.Recorder(s.cfg, s.cfg.Probes[0])
		if err != nil {
			t.Fatal(err)
		}
		observers := prober.Observers{recorder, s.ladder}
		s.ladder.Enter(live.Running)
		observers.RunStarted(run)
		observers.StepEnded(aStep(run, 1, small, 10))
		step := aStep(run, 2, large, 20).Step
		step.StartedAt = time.Now()
		observers.StepStarted(step)
		for i := range 5 {
			observers.RequestSent(step)
			if i > 2 {
				observers.RequestEnded(step, &prober.Observation{Outcome: prober.HTTP503})
			}
		}
		observers.RequestEnded(step, &prober.Observation{Outcome: prober.OK, FirstToken: time.Second / 8, LastToken: time.Second, OutputTokens: 15})
		s.beat.Enter(live.Waiting)
		time.Sleep(10 * time.Second) // of 40
		for path, root := range map[string]string{
			"/": "./", "/now": "./", "/probes/ladder": "../", "/now?depth=1&probe=ladder": "../", "/runs/" + run.ID: "../",
		} {
			page := s.body(t, path, http.StatusOK)
			for _, want := range []string{
				fmt.Sprintf(`<a href="%sprobes/ladder">ladder</a> <span class="badge running">running</span>`, root),
				fmt.Sprintf(`Run <a href="%sruns/%s">%s</a>: 1 of 4 steps have ended`, root, run.ID, run.ID),
				`<progress id="run-ladder" max="100" value="25">`,
				`Step 2: 20 req/s to bs32, 4 GPUs, batch 32; window, 10 of 40 s`,
				`<progress id="step-ladder" max="100" value="25">`,
				`<dt>sent</dt><dd>5</dd>`, `<dt>in flight</dt><dd>2</dd>`, `<div class="bad"><dt>failed</dt><dd>2</dd>`,
				`now 125 ms, from 125 ms to 125 ms`, `now 62.5 ms, from 62.5 ms to 62.5 ms`,
			} {
				if !strings.Contains(page, want) {
					t.Errorf("%s: no %s in\n%s", path, want, page)
				}
			}
			if anew := strings.Contains(page, `<noscript><meta http-equiv="refresh"`); anew == strings.HasPrefix(path, "/now") {
				t.Errorf("%s: without scripts it loads itself anew: %t", path, anew)
			}
			if others := strings.Contains(page, `probes/beat">beat</a> <span`); others != (path == "/" || path == "/now") {
				t.Errorf("%s: the other probe is there: %t", path, others)
			}
		}
		if page := s.body(t, "/now", http.StatusOK); !strings.Contains(page, "Waits for its turn at the replicas.") {
			t.Errorf("a probe that waits does not say so:\n%s", page)
		}
		time.Sleep(50 * time.Second)
		if page := s.body(t, "/now", http.StatusOK); !strings.Contains(page, "drain, since 20 s") {
			t.Errorf("how long the drain takes is not said:\n%s", page)
		}
		s.ladder.Enter(live.Idle)
		s.beat.Enter(live.Idle)
		if page := s.body(t, "/now", http.StatusOK); !strings.Contains(page, "Nothing is under way.") || strings.Contains(page, "<article") {
			t.Errorf("of idle probes there is\n%s", page)
		}
		if w := s.get("/now?probe=q"); w.Code != http.StatusNotFound {
			t.Errorf("of no probe: status %d", w.Code)
		}
	})
}

// A page holds what somebody else wrote as text, and nothing that would run.
func TestHostileTexts(t *testing.T) {
	s := newSite(t, true)
	before, result := s.makes(t, noon.Add(-time.Hour)), s.makes(t, noon)
	s.skips()
	s.cfg.Targets[0].Labels = map[string]string{"team": hostile}
	attributes := regexp.MustCompile(`(?i)<[^>]*\s(style|on\w+)\s*=`)
	for _, path := range []string{
		"/", "/now", "/probes/ladder", "/probes/beat", "/runs", "/runs?probe=" + `%3Cscript%3Ealert("x")%3C/script%3E`, "/configuration", "/runs/" + result.ID,
		"/compare?base=" + before.ID + "&other=" + result.ID,
	} {
		page := s.body(t, path, http.StatusOK)
		if strings.Contains(page, "<script>") || strings.Contains(page, `alert("x")`) {
			t.Errorf("%s: a foreign text is HTML in\n%s", path, page)
		}
		if m := attributes.FindString(page); m != "" {
			t.Errorf("%s: the policy forbids %s", path, m)
		}
	}
	for _, path := range []string{"/probes/%3Cscript%3E", "/runs/%3Cscript%3E", "/runs?before=%3Cscript%3E"} {
		if w := s.get(path); w.Code < 400 || strings.Contains(w.Body.String(), "<script>") {
			t.Errorf("%s: status %d:\n%s", path, w.Code, w.Body)
		}
	}
	if page := s.body(t, "/runs/"+result.ID, http.StatusOK); strings.Count(page, "&lt;script&gt;") < 2 { // model, failure
		t.Errorf("the texts are not shown in\n%s", page)
	}
}

// Each page is protected, and asks for nothing that this server does not give.
func TestPolicy(t *testing.T) {
	s := newSite(t, true)
	result, other := s.makes(t, noon), s.makes(t, noon.Add(time.Hour))
	address := regexp.MustCompile(`(?:href|src|data-live)="([^"]*)"`)
	for _, path := range []string{
		"/", "/now", "/probes/ladder", "/probes/beat", "/runs", "/runs/" + result.ID, "/compare", "/compare?base=" + result.ID + "&other=" + other.ID,
		"/configuration", "/runs/x", "/static/x", "/static/style.css",
	} {
		w := s.get(path)
		h := w.Header()
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; style-src 'self';") ||
			h.Get("X-Content-Type-Options") != "nosniff" || strings.Contains(h.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: headers %v", path, h)
		}
		for _, m := range address.FindAllStringSubmatch(w.Body.String(), -1) {
			if strings.Contains(m[1], ":") || strings.HasPrefix(m[1], "/") {
				t.Errorf("%s: the address %s is not relative", path, m[1])
			}
		}
	}
}

// Every link of every page leads to what there is, from wherever a proxy has put it.
func TestLinks(t *testing.T) {
	s := newSite(t, true)
	for i := range 2 * defaultPage {
		s.makes(t, noon.Add(time.Duration(i)*time.Hour))
	}
	elsewhere := map[string]bool{"/metrics": true, "/config": true} // the daemon's
	mux := http.NewServeMux()
	mux.Handle("/prefix/", http.StripPrefix("/prefix", s.handler))
	prefixed := &site{handler: mux}
	seen := map[string]bool{}
	link := regexp.MustCompile(`(?:href|src|data-live)="([^"]*)"`)
	for queue := []string{"/prefix/"}; len(queue) > 0; queue = queue[1:] {
		path := queue[0]
		if seen[path] || elsewhere[strings.TrimPrefix(path, "/prefix")] {
			continue
		}
		seen[path] = true
		w := prefixed.get(path)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: status %d", path, w.Code)
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || strings.HasPrefix(path, "/prefix/now") {
			continue // the links of a live part hold in the page that shows it
		}
		base, err := http.NewRequest(http.MethodGet, "http://x"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(w.Body.String(), -1) {
			to, err := base.URL.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
			if err != nil {
				t.Fatal(err)
			}
			to.Fragment = ""
			queue = append(queue, strings.TrimPrefix(to.String(), "http://x"))
		}
	}
	for _, want := range []string{"/prefix/runs?before=", "/prefix/probes/beat", "/prefix/static/live.js", "/prefix/api/v1/probes"} {
		found := false
		for path := range seen {
			found = found || strings.HasPrefix(path, want)
		}
		if !found {
			t.Errorf("no link to %s", want)
		}
	}
	if len(seen) < 2*defaultPage {
		t.Errorf("%d pages are linked to one another, which cannot be all", len(seen))
	}
}

func TestDownloads(t *testing.T) {
	s := newSite(t, true)
	result := s.makes(t, noon)
	path := "/runs/" + result.ID + "/result."
	for suffix, kind := range map[string]string{"json": "application/json", "csv": "text/csv; charset=utf-8", "md": "text/markdown; charset=utf-8"} {
		w := s.get(path + suffix)
		if h := w.Header(); w.Code != http.StatusOK || h.Get("Content-Type") != kind ||
			h.Get("Content-Disposition") != `attachment; filename="ladder-`+result.ID+"."+suffix+`"` {
			t.Errorf("%s: status %d, %v", suffix, w.Code, h)
		}
		switch suffix {
		case "json":
			var got struct {
				Steps []struct {
					Throughput float64 `json:"throughput"`
				} `json:"steps"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Steps) != 4 || got.Steps[2].Throughput != 15 {
				t.Errorf("%v: %+v", err, got)
			}
		case "csv":
			if rows, err := csv.NewReader(w.Body).ReadAll(); err != nil || len(rows) != 5 {
				t.Errorf("%v: %d rows", err, len(rows))
			}
		case "md":
			if !strings.HasPrefix(w.Body.String(), "| target | GPUs |") {
				t.Errorf("%s", w.Body)
			}
		}
	}
	for _, wrong := range []string{path + "exe", "/runs/x/result.json", "/runs/x/report.md?lang=ko"} {
		s.body(t, wrong, http.StatusNotFound)
	}
}

// The report of a run can be had in each form and language, and the page has links to it.
func TestReports(t *testing.T) {
	s := newSite(t, true)
	result := s.makes(t, noon)
	path := "/runs/" + result.ID
	page := s.body(t, path, http.StatusOK)
	for file, want := range map[string]struct{ kind, saved, begins, holds string }{
		"report.html":         {"text/html; charset=utf-8", "report-en.html", "<!DOCTYPE html>\n<html lang=\"en\">", "Can it be believed?"},
		"report.html?lang=ko": {"text/html; charset=utf-8", "report-ko.html", "<!DOCTYPE html>\n<html lang=\"ko\">", "측정의 신뢰성"},
		"report.md":           {"text/markdown; charset=utf-8", "report-en.md", "# vLLM performance: probe ladder", "Can it be believed?"},
		"report.md?lang=ko":   {"text/markdown; charset=utf-8", "report-ko.md", "# vLLM 성능 보고서: 프로브 ladder", "측정의 신뢰성"},
	} {
		w := s.get(path + "/" + file)
		h, text := w.Header(), w.Body.String()
		if w.Code != http.StatusOK || h.Get("Content-Type") != want.kind ||
			h.Get("Content-Disposition") != `attachment; filename="ladder-`+result.ID+"-"+want.saved+`"` {
			t.Errorf("%s: status %d, %v", file, w.Code, h)
		}
		if !strings.HasPrefix(text, want.begins) || !strings.Contains(text, want.holds) {
			t.Errorf("%s begins with %.60q or lacks %s", file, text, want.holds)
		}
		if !strings.Contains(page, `href="`+result.ID+"/"+file+`"`) {
			t.Errorf("the page has no link to %s", file)
		}
	}
	if en, also := s.get(path+"/report.md").Body.String(), s.get(path+"/report.md?lang=en").Body.String(); en != also {
		t.Error("English is not the language where none is asked for")
	}
	for wrong, why := range map[string]string{
		"report.html?lang=kr": "parameter &#34;lang&#34;: &#34;kr&#34;; allowed: en, ko",
		"report.md?lang=":     "parameter &#34;lang&#34;: &#34;&#34;; allowed: en, ko",
		"result.csv?lang=ko":  "parameter &#34;lang&#34;: result.csv has no language: leave it out",
	} {
		if page := s.body(t, path+"/"+wrong, http.StatusBadRequest); !strings.Contains(page, why) {
			t.Errorf("%s does not say %s:\n%s", wrong, why, page)
		}
	}
}

// A file's address changes with it, so that it may be kept for ever; under another
// address it is asked for again.
func TestFiles(t *testing.T) {
	s := newSite(t, false)
	m := regexp.MustCompile(`href="\./(static/style\.css\?v=\w+)"`).FindStringSubmatch(s.body(t, "/", http.StatusOK))
	if m == nil {
		t.Fatal("no style sheet")
	}
	for path, kept := range map[string]bool{"/" + m[1]: true, "/static/style.css": false, "/static/style.css?v=old": false} {
		w := s.get(path)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") ||
			strings.Contains(w.Header().Get("Cache-Control"), "immutable") != kept {
			t.Errorf("%s: status %d, %v", path, w.Code, w.Header())
		}
	}
}

// Without records the pages say what they cannot show.
func TestPagesWithoutRecords(t *testing.T) {
	s := newSite(t, false)
	if page := s.body(t, "/", http.StatusOK); !strings.Contains(page, "No records of runs are kept") || !strings.Contains(page, "No run of this configuration") {
		t.Errorf("got\n%s", page)
	}
	result := s.makes(t, noon)
	for _, path := range []string{"/runs/" + result.ID, "/probes/ladder", "/runs"} {
		if page := s.body(t, path, http.StatusOK); !strings.Contains(page, result.ID) {
			t.Errorf("%s: got\n%s", path, page)
		}
	}
	s.cfg.Probes = nil
	s.board.Set(nil)
	if page := s.body(t, "/", http.StatusOK); !strings.Contains(page, "The configuration has no probe") {
		t.Errorf("got\n%s", page)
	}
	s.body(t, "/probes/ladder", http.StatusNotFound)
}

func TestInShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		400 * time.Millisecond: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 90 * time.Second: "1 min 30 s", 10*time.Minute + time.Second: "10 min",
		time.Hour: "1 h", 90 * time.Minute: "1 h 30 min", 47*time.Hour + 59*time.Minute: "47 h 59 min", 72 * time.Hour: "3 days",
	} {
		if got := inShort(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			at       time.Duration
			as, want string
		}{
			{90 * time.Second, "in", "in 1 min 30 s"}, {-time.Second, "in", "now"}, {-time.Hour, "ago", "1 h ago"}, {time.Hour, "", "2000-01-01 01:00:00 UTC"},
		} {
			got := string(timeOf(time.Now().Add(c.at), c.as))
			if !strings.Contains(got, ">"+c.want+"</time>") {
				t.Errorf("%s as %q is %s, want %s", c.at, c.as, got, c.want)
			}
		}
		if got := timeOf(time.Time{}, "ago"); got != "–" {
			t.Errorf("no time is %s", got)
		}
	})
}

// What changes while a page is made is not yet what it shows: its version is the one
// from before, so that the script looks again.
func TestAPageIsOfTheVersionFromBefore(t *testing.T) {
	s := newSite(t, true)
	s.makes(t, noon)
	before := s.board.Version()
	changing := Options{Board: s.board, Records: &s.store.Reader, Config: func() *config.Config {
		s.ladder.NextRun(noon.Add(time.Hour)) // while the page is made
		return s.cfg
	}}
	s.handler = http.NewServeMux()
	Register(s.handler, changing)
	for _, path := range []string{"/", "/probes/ladder"} {
		want := fmt.Sprintf(`<main id="main" tabindex="-1" data-board="%d">`, before)
		if page := s.body(t, path, http.StatusOK); !strings.Contains(page, want) {
			t.Errorf("%s: no %s in\n%.1500s", path, want, page)
		}
		before = s.board.Version()
	}
}

// The latest run of a probe has its pages although the records lack it: they could not
// be written, or retention has removed it.
func TestTheLatestRunWithoutItsRecord(t *testing.T) {
	s := newSite(t, true)
	s.makes(t, noon)
	store := s.store
	s.store = nil // so that this one is not recorded
	latest := s.makes(t, noon.Add(time.Hour))
	s.store = store
	for _, path := range []string{"/probes/ladder", "/runs/" + latest.ID} {
		if page := s.body(t, path, http.StatusOK); !strings.Contains(page, latest.ID) || !strings.Contains(page, "<h2>Throughput</h2>") {
			t.Errorf("%s: got\n%s", path, page)
		}
	}
	for _, path := range []string{"/runs/" + latest.ID + "/result.json", apiRoot + "runs/" + latest.ID, apiRoot + "runs/" + latest.ID + "/steps"} {
		if w := s.get(path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"request_rate"`) {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
		}
	}
	s.body(t, "/runs/"+latest.ID+"x", http.StatusNotFound)
}

// A run that could not begin a step is the latest, and says why it failed; what was
// found is of the run before.
func TestARunThatFailed(t *testing.T) {
	for _, kept := range []bool{true, false} {
		s := newSite(t, kept)
		made := s.makes(t, noon)
		run := prober.Run{ID: "20261124T130000Z-dead", Probe: "ladder", Steps: 4, StartedAt: noon.Add(time.Hour)}
		s.ladder.RunStarted(run)
		s.ladder.RunEnded(&prober.RunResult{Run: run, EndedAt: run.StartedAt, Outcome: prober.RunFailed, Err: "connection refused " + hostile})
		page := s.body(t, "/", http.StatusOK)
		for heading, want := range map[string][]string{
			"Schedule":                    {`runs/` + run.ID + `"`, `outcome failed`, "connection refused &lt;script&gt;"},
			"Verdicts of the latest runs": {`runs/` + made.ID + `"`},
		} {
			for _, text := range want {
				if part := section(t, page, heading); !strings.Contains(part, text) {
					t.Errorf("%s: no %s in\n%s", heading, text, part)
				}
			}
		}
		if page := s.body(t, "/runs/"+run.ID, http.StatusOK); !strings.Contains(page, "connection refused &lt;script&gt;") {
			t.Errorf("the run's page does not say why it failed:\n%s", page)
		}
	}
}

// Runs can be had of one probe alone; a heartbeat has none.
func TestTheListOfRuns(t *testing.T) {
	s := newSite(t, true)
	s.makes(t, noon)
	for path, chosen := range map[string]string{"/runs": "all probes", "/runs?probe=ladder": "ladder"} {
		page := s.body(t, path, http.StatusOK)
		list := page[strings.Index(page, `aria-label="Runs of"`):strings.Index(page, `aria-label="Runs"`)]
		if n := strings.Count(list, "<a "); n != 2 || !strings.Contains(list, `aria-current="page">`+chosen+`</a>`) {
			t.Errorf("%s: %d links, want those of all probes and of ladder, with %q as the one shown:\n%s", path, n, chosen, list)
		}
	}
}

// A run is held against another one that the reader chooses: first the one before it,
// and never itself or one without a valid step. What was chosen is among the choices,
// however old it is.
func TestComparison(t *testing.T) {
	s := newSite(t, true)
	var ids []string // the newest first
	for i := range defaultPage + 2 {
		ids = slices.Insert(ids, 0, s.makes(t, noon.Add(time.Duration(i)*time.Hour)).ID)
	}
	chosen := regexp.MustCompile(`<option value="([^"]*)"( selected)?>`)
	newest, oldest := ids[0], ids[defaultPage+1]
	page := ids[:defaultPage]
	compare := func(base, other string) string { return "/compare?base=" + base + "&other=" + other }
	for path, want := range map[string]struct {
		options  []string
		selected string
	}{
		"/runs/" + newest:                 {page[1:], ids[1]},
		"/runs/" + ids[1]:                 {slices.Concat(page[:1], page[2:]), ids[2]},
		"/runs/" + ids[defaultPage-1]:     {ids[defaultPage:], ids[defaultPage]}, // the oldest of the page
		"/runs/" + ids[defaultPage]:       {ids[defaultPage+1:], oldest},
		"/runs/" + oldest:                 {page, ""}, // none is before it
		compare(newest, ids[1]):           {slices.Concat(page[:1], page[2:]), newest},
		compare(oldest, newest):           {append(slices.Clone(page[1:]), oldest), oldest},
		compare(newest, ids[defaultPage]): {[]string{newest, oldest}, newest},
		compare(newest, oldest):           {page, newest},
	} {
		var options, selected []string
		for _, m := range chosen.FindAllStringSubmatch(s.body(t, path, http.StatusOK), -1) {
			options = append(options, m[1])
			if m[2] != "" {
				selected = append(selected, m[1])
			}
		}
		if got := strings.Join(selected, " "); !slices.Equal(options, want.options) || got != want.selected {
			t.Errorf("%s offers %q and has chosen %q, want %q and %q", path, options, got, want.options, want.selected)
		}
	}
	first, second, third := oldest, ids[defaultPage], ids[defaultPage-1]
	text := s.body(t, compare(third, second), http.StatusOK)
	for _, want := range []string{"<h2>bs16</h2>", "<h2>bs32</h2>", "<caption>11‑24 13:00 against 11‑24 14:00</caption>", "runs/" + third, `class="open"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for query, status := range map[string]int{
		"": http.StatusBadRequest, "?base=" + first + "&other=" + first: http.StatusBadRequest, "?base=x&other=" + first: http.StatusNotFound,
	} {
		s.body(t, "/compare"+query, status)
	}
}

// The history of a figure shows the run at which its level changed, by a link to it,
// and says from what to what.
func TestHistoryCharts(t *testing.T) {
	records := make([]*results.Record, 40)
	for i := range records {
		run := prober.Run{ID: fmt.Sprintf("r%02d", i), Probe: "ladder", StartedAt: noon.Add(time.Duration(i) * time.Hour)}
		step := aStep(run, 1, large, 10)
		step.Latencies.TTFT.P50 = 0.100 + float64(i%3)/1000 // 100, 101, 102 ms
		if i >= 25 {
			step.Latencies.TTFT.P50 += 0.05
		}
		if i == 7 {
			step.Latencies, step.Broken = nil, []prober.Broken{{Promise: prober.PromiseCPU}}
		}
		records[len(records)-1-i] = results.RecordOf(&prober.RunResult{Run: run, Outcome: prober.RunSuccess, Results: []prober.StepResult{*step}})
	}
	charts := historyCharts(records)
	if len(charts) != 2 || charts[0].Caption != "TTFT p50 at 10 req/s: bs32, 4 GPUs, batch 32" || charts[1].Caption != "mean TPOT at 10 req/s: bs32, 4 GPUs, batch 32" {
		t.Fatalf("got %+v", charts)
	}
	want := "The level changed at 2026-11-25 13:00: from 101 ms to 151 ms, +49.5%."
	if got := charts[0].Changes; len(got) != 1 || got[0] != want || charts[1].Changes != nil {
		t.Errorf("got %q and %q, want %q alone", got, charts[1].Changes, want)
	}
	if n := strings.Count(string(charts[0].SVG), `href="../runs/r`); n != 39 { // one has no figure
		t.Errorf("%d runs are linked", n)
	}
	for name, few := range map[string][]*results.Record{"no run": nil, "one run": records[:1]} {
		if got := historyCharts(few); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A heartbeat has no records: its page follows its newest windows.
func TestHeartbeatPage(t *testing.T) {
	s := newSite(t, true)
	for i := range 5 {
		step := aStep(prober.Run{ID: "w", Probe: "beat"}, i+1, prober.Arm{Target: "bs16", Replicas: 1, GPUs: 1, BatchSize: 16}, 1)
		step.EndedAt = noon.Add(time.Duration(i) * time.Minute)
		s.beat.StepEnded(step)
	}
	page := s.body(t, "/probes/beat", http.StatusOK)
	for _, want := range []string{"TTFT p50 of each window: bs16, 1 GPU, batch 16", "mean TPOT of each window", `class="chart"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}
