package web

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/golden"
	"vllm_prober/internal/live"
	"vllm_prober/prober"
)

// An answer that cannot be written is an error and says so.
func TestAnAnswerThatCannotBeWritten(t *testing.T) {
	w := httptest.NewRecorder()
	write(w, http.StatusOK, response{Status: "success", Data: map[string]any{"a": 1, "rate": math.NaN()}})
	var said response
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if w.Code != http.StatusInternalServerError || said.Status != "error" || said.ErrorType != internal || said.Data != nil || !strings.Contains(said.Error, "NaN") {
		t.Errorf("status %d: %+v", w.Code, said)
	}
}

// Every answer as it is documented, with the times of a bubble.
func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, true)
		s.makes(t, noon.Add(-time.Hour))
		s.makes(t, noon)
		s.skips()
		s.ladder.NextRun(noon.Add(time.Hour))
		s.ladder.Enter(live.Running)
		run := prober.Run{ID: "20261124T130000Z-beef", Probe: "ladder", Seed: 43, Steps: 4, StartedAt: time.Now().UTC()}
		s.ladder.RunStarted(run)
		step := aStep(run, 1, small, 10).Step
		step.StartedAt = time.Now().UTC()
		s.ladder.StepStarted(step)
		for range 3 {
			s.ladder.RequestSent(step)
		}
		s.ladder.RequestEnded(step, &prober.Observation{Outcome: prober.OK, FirstToken: time.Second / 8, LastToken: time.Second, OutputTokens: 15})
		time.Sleep(12 * time.Second)
		for name, path := range map[string]string{
			"now": "now", "probes": "probes", "probe": "probes/ladder", "verdicts": "verdicts", "runs": "runs",
			"run": "runs/20261124T120000Z-abcd", "steps": "runs/20261124T120000Z-abcd/steps", "log": "runs/20261124T120000Z-abcd/log",
			"config": "status/config", "compare": "compare?base=20261124T110000Z-abcd&other=20261124T120000Z-abcd",
		} {
			w := s.get(apiRoot + path)
			var answer any
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
				t.Fatalf("%s: status %d: %s", path, w.Code, w.Body)
			}
			text, err := json.MarshalIndent(answer, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "api/"+name+".json", string(text)+"\n")
		}
		build := data[map[string]string](t, s, apiRoot+"status/buildinfo")
		if !strings.HasPrefix(build["go_version"], "go") {
			t.Errorf("built by %v", build)
		}
	})
}

// What does not fit is refused with its type, and in JSON.
func TestRefusals(t *testing.T) {
	s := newSite(t, true)
	run := s.makes(t, noon)
	empty := prober.Run{ID: "20261124T150000Z-dead", Probe: "ladder", StartedAt: noon.Add(3 * time.Hour)}
	recorder, err := s.store.Recorder(s.cfg, s.cfg.Probes[0])
	if err != nil {
		t.Fatal(err)
	}
	recorder.RunStarted(empty)
	for _, c := range []struct {
		method, path string
		status       int
		kind         errorType
		text         string
	}{
		{"GET", "nothing", 404, notFound, "there is no /api/v1/nothing: below /api/v1/ there are compare, now, probes, probes/{probe}, runs, runs/{id}"},
		{"GET", "", 404, notFound, "there is no /api/v1/"},
		{"GET", "probes/q", 404, notFound, `no probe "q"`},
		{"GET", "verdicts?probe=q", 404, notFound, `no probe "q"`},
		{"GET", "runs/x", 404, notFound, `no such run as "x"`},
		{"GET", "runs/x/steps", 404, notFound, `no such run as "x"`},
		{"GET", "runs/x/log", 404, notFound, `no such run as "x"`},
		{"GET", "compare?base=" + run.ID + "&other=" + run.ID, 400, badData, "allowed: the id of another run"},
		{"GET", "compare?base=" + run.ID, 400, badData, `parameter "other": it is missing`},
		{"GET", "compare?other=" + run.ID, 400, badData, `parameter "base": it is missing`},
		{"GET", "compare?base=x&other=" + run.ID, 404, notFound, `no such run as "x"`},
		{"GET", "compare?base=" + run.ID + "&other=" + empty.ID, 400, badData, "no arm in common"},
		{"GET", "runs?limit=0", 400, badData, `parameter "limit": "0"; allowed: 1 to 500`},
		{"GET", "runs?limit=501", 400, badData, `allowed: 1 to 500`},
		{"GET", "runs?limit=many", 400, badData, `allowed: 1 to 500`},
		{"GET", "runs?before=%3Cx%3E", 400, badData, `parameter "before": "<x>"`},
		{"POST", "runs", 405, badData, "only reads"},
		{"DELETE", "runs/" + run.ID, 405, badData, "only reads"},
		{"PUT", "nothing", 405, badData, "only reads"},
	} {
		w := s.do(c.method, apiRoot+c.path)
		var said response
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
			t.Errorf("%s %s: %v in %s", c.method, c.path, err, w.Body)
			continue
		}
		if w.Code != c.status || said.Status != "error" || said.ErrorType != c.kind || !strings.Contains(said.Error, c.text) || said.Data != nil {
			t.Errorf("%s %s: status %d: %+v", c.method, c.path, w.Code, said)
		}
		if (c.status == 405) != (w.Header().Get("Allow") == "GET, HEAD") {
			t.Errorf("%s %s: allowed are %q", c.method, c.path, w.Header().Get("Allow"))
		}
	}
	if w := s.do(http.MethodHead, apiRoot+"runs"); w.Code != http.StatusOK {
		t.Errorf("HEAD: status %d", w.Code)
	}
}

// A program that follows next_before sees each run once.
func TestPagesOfRuns(t *testing.T) {
	s := newSite(t, true)
	for i := range 7 {
		s.makes(t, noon.Add(time.Duration(i)*time.Hour))
	}
	type list struct {
		Runs   []struct{ ID string }
		Before string `json:"next_before"`
	}
	var hours []string
	for path := "runs?limit=3&probe=ladder"; ; {
		page := data[list](t, s, apiRoot+path)
		for _, r := range page.Runs {
			hours = append(hours, r.ID[9:11])
		}
		if page.Before == "" {
			break
		}
		hours = append(hours, "|")
		path = "runs?limit=3&probe=ladder&before=" + page.Before
	}
	if got := strings.Join(hours, " "); got != "18 17 16 | 15 14 13 | 12" {
		t.Errorf("got %s", got)
	}
	if page := data[list](t, s, apiRoot+"runs?probe=none"); len(page.Runs) != 0 || page.Runs == nil {
		t.Errorf("runs of no probe: %+v", page)
	}
}

// Without records there are the run under way and the latest one of each probe.
func TestWithoutRecords(t *testing.T) {
	s := newSite(t, false)
	s.makes(t, noon)
	latest := s.makes(t, noon.Add(time.Hour))
	s.ladder.RunStarted(prober.Run{ID: "20261124T140000Z-beef", Probe: "ladder", StartedAt: noon.Add(2 * time.Hour)})
	type list struct{ Runs []struct{ ID string } }
	if got := data[list](t, s, apiRoot+"runs").Runs; len(got) != 2 || got[0].ID != "20261124T140000Z-beef" || got[1].ID != latest.ID {
		t.Errorf("got %v", got)
	}
	if got := data[list](t, s, apiRoot+"runs?before="+latest.ID).Runs; len(got) != 0 {
		t.Errorf("before the latest: %v", got)
	}
	if got := data[struct{ Steps []prober.StepResult }](t, s, apiRoot+"runs/"+latest.ID+"/steps").Steps; len(got) != 4 {
		t.Errorf("%d steps", len(got))
	}
	if w := s.get(apiRoot + "runs/20261124T120000Z-abcd"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "no records are kept") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// Many who watch cost one look at the board in half a second.
func TestNowIsMadeForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, false)
		type now struct{ At time.Time }
		first := data[now](t, s, apiRoot+"now").At
		time.Sleep(499 * time.Millisecond)
		if got := data[now](t, s, apiRoot+"now").At; !got.Equal(first) {
			t.Error("it was made again before half a second had passed")
		}
		time.Sleep(time.Millisecond)
		if got := data[now](t, s, apiRoot+"now").At; !got.Equal(first.Add(500 * time.Millisecond)) {
			t.Errorf("made at %s, want half a second after %s", got, first)
		}
	})
}
