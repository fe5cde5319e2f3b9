package daemon

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/prober"
)

// post asks an endpoint, and checks the status and a part of the text.
func (b *bubble) post(t *testing.T, path string, status int, part string) {
	t.Helper()
	w := httptest.NewRecorder()
	b.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
	if body := w.Body.String(); w.Code != status || !strings.Contains(body, part) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("POST %s: status %d: %s", path, w.Code, body)
	}
	synctest.Wait() // what was set going is under way
}

var withLifecycle = Options{Lifecycle: true}

func TestLifecycleEndpointsNameWhatThereIs(t *testing.T) {
	inBubbleFrom(t, time.Time{}, withLifecycle, withProbes(probeNamed("p", time.Hour), probeNamed("q", time.Hour)), func(b *bubble) {
		for _, path := range []string{"run", "abort"} {
			b.post(t, "/-/"+path, http.StatusBadRequest, "say which probe, as ?probe=NAME: p, q")
		}
		for _, path := range []string{"run", "abort", "pause", "resume"} {
			b.post(t, "/-/"+path+"?probe=r", http.StatusNotFound, `there is no probe "r", but: p, q`)
		}
		b.post(t, "/-/reload", http.StatusOK, "configuration in force")
	})
}

// A page of another site can ask for nothing, in whichever way its browser says where
// it is; curl and the daemon's own site can.
func TestLifecycleIsNotForOtherSites(t *testing.T) {
	inBubbleFrom(t, time.Time{}, withLifecycle, withProbes(planned("p", "t", "0 12 * * *", 25*time.Second)), func(b *bubble) {
		for _, path := range []string{"reload", "run?probe=p", "abort?probe=p", "pause", "resume"} {
			for _, c := range []struct {
				header, value string
				refused       bool
			}{
				{"Sec-Fetch-Site", "cross-site", true},
				{"Sec-Fetch-Site", "same-site", true},
				{"Origin", "http://elsewhere.example", true},
				{"Sec-Fetch-Site", "same-origin", false},
				{"Origin", "http://example.com", false},
				{"User-Agent", "curl/8.0", false},
			} {
				for _, method := range []string{http.MethodPost, http.MethodPut} {
					w, q := httptest.NewRecorder(), httptest.NewRequest(method, "/-/"+path, nil) // to example.com
					q.Header.Set(c.header, c.value)
					b.Handler().ServeHTTP(w, q)
					if (w.Code == http.StatusForbidden) != c.refused {
						t.Errorf("%s /-/%s with %s %s: status %d: %s", method, path, c.header, c.value, w.Code, w.Body)
					}
					synctest.Wait()
				}
			}
		}
	})
}

// A run can be asked for at any time. It waits for its turn, and leaves the
// schedule's grid as it is.
func TestRunNow(t *testing.T) {
	p, q := planned("p", "t", "0 * * * *", 595*time.Second), planned("q", "t", "0 12 * * *", 25*time.Second)
	midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	inBubbleFrom(t, midnight, withLifecycle, withProbes(p, q), func(b *bubble) {
		time.Sleep(30 * time.Minute)
		b.post(t, "/-/run?probe=p", http.StatusAccepted, `a run of probe "p" begins`)
		b.post(t, "/-/run?probe=p", http.StatusConflict, `a run of probe "p" is under way`)
		b.post(t, "/-/run?probe=q", http.StatusAccepted, `a run of probe "q" begins`)
		b.post(t, "/-/run?probe=q", http.StatusConflict, `a run of probe "q" waits for its turn`)
		time.Sleep(85 * time.Minute)
		b.post(t, "/-/run?probe=p", http.StatusAccepted, "") // at 1:55, and overruns the start at 2:00
		time.Sleep(time.Hour)
		b.has(t, "p", []string{"0:00:00", "0:30:00", "1:00:00", "1:55:00", "2:04:55"}, nil)
		b.has(t, "q", []string{"0:39:55"}, nil)
	})
}

// What is asked for needs neither an open schedule nor a probe that is not
// paused, but a budget.
func TestRunNowHeedsTheBudgetAlone(t *testing.T) {
	p := planned("p", "t", "0 12 * * *", 25*time.Second)
	p.Schedule.Budget.RequestsPerDay = 15 // 2 requests a run, reckoned at 13
	inBubbleFrom(t, time.Time{}, withLifecycle, withProbes(p), func(b *bubble) {
		b.post(t, "/-/pause", http.StatusOK, "all probes are paused: p")
		for range 2 {
			b.post(t, "/-/run?probe=p", http.StatusAccepted, "")
			time.Sleep(time.Minute)
		}
		b.post(t, "/-/run?probe=p", http.StatusConflict,
			`the budget of probe "p", of which 4 requests are spent, does not bear the first step; it is renewed at 2000-01-02T00:00:00Z`)
		if n := len(b.begun("p")); n != 2 {
			t.Errorf("%d runs", n)
		}
	})
}

// A paused probe skips its starts until it is resumed, and a reload that changes
// it leaves it paused.
func TestPause(t *testing.T) {
	p, q := planned("p", "a", "0 * * * *", 25*time.Second), planned("q", "b", "0 * * * *", 25*time.Second)
	midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	const paused = `vllm_prober_paused{probe="p"}`
	inBubbleFrom(t, midnight, withLifecycle, withProbes(p, q), func(b *bubble) {
		time.Sleep(10 * time.Second) // within the first run, which goes on
		b.post(t, "/-/pause?probe=p", http.StatusOK, `probe "p" is paused`)
		if x := b.value(t, paused); x != 1 {
			t.Errorf("%s is %g", paused, x)
		}
		time.Sleep(2*time.Hour + time.Minute)
		b.has(t, "p", []string{"0:00:00"}, []string{"1:00:00 paused", "2:00:00 paused"})
		if r := b.result("p"); r == nil || r.Outcome != prober.RunSuccess {
			t.Errorf("the run that was under way ended as %+v", r)
		}
		p.Ladder.Rates = []float64{0.3}
		b.cfg = withProbes(p, q)
		if err := b.Reload(); err != nil {
			t.Fatal(err)
		}
		if x := b.value(t, paused); x != 1 {
			t.Errorf("%s is %g after a reload", paused, x)
		}
		time.Sleep(time.Hour)
		b.post(t, "/-/resume", http.StatusOK, "all probes are resumed: p, q")
		if x := b.value(t, paused); x != 0 {
			t.Errorf("%s is %g when resumed", paused, x)
		}
		time.Sleep(time.Hour)
		b.has(t, "q", []string{"0:00:00", "1:00:00", "2:00:00", "3:00:00", "4:00:00"}, nil)
		if got, want := b.begun("p"), days(t, "0:00:00", "4:00:00"); !slices.Equal(got, want) {
			t.Errorf("runs began at %v, want %v", got, want)
		}
	})
}

// Of a probe whose runs follow one another, one start is skipped by a pause, and
// the next is when it is resumed.
func TestPauseOfContinuousRuns(t *testing.T) {
	inBubbleFrom(t, time.Time{}, withLifecycle, withProbes(planned("p", "t", "", 595*time.Second)), func(b *bubble) {
		synctest.Wait() // the first run is under way
		for range 2 {
			b.post(t, "/-/pause", http.StatusOK, "")
			b.post(t, "/-/resume", http.StatusOK, "")
		}
		b.post(t, "/-/pause", http.StatusOK, "")
		time.Sleep(time.Hour)
		b.post(t, "/-/resume", http.StatusOK, "")
		b.has(t, "p", []string{"0:00:00", "1:00:00"}, []string{"0:09:55 paused"})
	})
}

// An aborted run is cut at once, is marked so, and measures nothing of the step
// under way.
func TestAbort(t *testing.T) {
	p := probeNamed("p", time.Hour)
	p.Ladder.Rates = []float64{2, 4}
	p.Workload.OutputTokens.Fixed = 100 // so that requests are in flight at any time
	inBubbleFrom(t, time.Time{}, withLifecycle, withProbes(p), func(b *bubble) {
		time.Sleep(20 * time.Second) // within the second step
		b.post(t, "/-/abort?probe=p", http.StatusOK, `the run of probe "p" is aborted`)
		if got := b.ended("p"); len(got) != 1 || got[0] != 20*time.Second {
			t.Fatalf("the run ended at %v, want at once", got)
		}
		r := b.result("p")
		if r.Outcome != prober.RunAborted || r.Err != "the run was aborted by /-/abort" || len(r.Results) != 2 {
			t.Fatalf("the result is %+v", r)
		}
		if !r.Results[0].Valid() || r.Results[1].Valid() || r.Results[1].Latencies != nil || r.Results[1].Outcomes[prober.Window][prober.Aborted] == 0 {
			t.Errorf("the steps are %+v", r.Results)
		}
		const step = `{batch_size="",gpus="1",probe="p",request_rate="4",target="t"}`
		for series, want := range map[string]float64{
			`vllm_prober_runs_total{probe="p",result="aborted"}`:        1,
			`vllm_prober_runs_total{probe="p",result="failed"}`:         0,
			`vllm_prober_measured_seconds_total` + step:                 0,
			`vllm_prober_time_to_first_token_seconds_count` + step:      0,
			`vllm_prober_run_last_success_timestamp_seconds{probe="p"}`: 0,
		} {
			if got := b.value(t, series); got != want {
				t.Errorf("%s is %g, want %g", series, got, want)
			}
		}
		b.post(t, "/-/abort?probe=p", http.StatusConflict, `no run of probe "p" is under way`)
		time.Sleep(time.Hour)
		if n := len(b.begun("p")); n != 2 {
			t.Errorf("%d runs, want the next after an hour", n)
		}
	})
}
