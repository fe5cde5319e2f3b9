package daemon

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"vllm_prober/internal/live"
	"vllm_prober/internal/schedule"
)

// The pages know of each probe what it does, when it begins next, what it left out and
// why, and what was logged of its latest run, its end included.
func TestTheBoardIsTold(t *testing.T) {
	p, apart := probeNamed("p", time.Minute), beating()
	apart.Arms[0].Target = "other"
	inBubble(t, withProbes(p, apart), func(b *bubble) {
		time.Sleep(5 * time.Second) // within the window
		on := b.board.Probe("p")
		now := on.Progress(time.Now())
		if on.State().Activity != live.Running || now.Run == nil || now.Step == nil || now.Step.Sent == 0 {
			t.Fatalf("within a run: %+v, %+v", on.State(), now)
		}
		time.Sleep(10 * time.Second)
		if s := on.State(); s.Activity != live.Idle || !s.Next.Equal(b.epoch.Add(time.Minute)) || s.LastSuccess.IsZero() {
			t.Errorf("after the run: %+v", s)
		}
		b.pause("p")
		time.Sleep(time.Minute)
		if s := on.State(); !s.Paused || s.Skipped[schedule.Paused] != 1 || s.LastSkip.Reason != schedule.Paused || s.LastSkip.Cause != "the probe is paused" {
			t.Errorf("paused: %+v", s)
		}
		b.resume("p")
		b.down.Store(true)
		time.Sleep(time.Minute)
		failed := b.result("p")
		var messages []string
		for _, line := range b.board.Log("p", failed.ID) {
			messages = append(messages, line.Message)
		}
		if want := []string{"run began", "run ended", "run failed"}; !slices.Equal(messages, want) {
			t.Errorf("the log of the run that failed has %q, want %q", messages, want)
		}
		if on.Latest() == nil || on.Latest().ID == failed.ID {
			t.Error("a run without a step took the place of one with results")
		}
		if n := len(b.board.Probe("beat").Windows()); n == 0 {
			t.Error("no window of the heartbeat")
		}
	})
}

// A probe that changes begins anew on the board; one that does not goes on, and one
// that is gone is not shown.
func TestTheBoardFollowsTheConfiguration(t *testing.T) {
	kept, changed, gone := probeNamed("kept", time.Hour), probeNamed("changed", time.Hour), probeNamed("gone", time.Hour)
	inBubble(t, withProbes(kept, changed, gone), func(b *bubble) {
		time.Sleep(time.Minute)
		before := map[string]*live.Probe{"kept": b.board.Probe("kept"), "changed": b.board.Probe("changed")}
		changed.Ladder.Rates = []float64{3}
		b.cfg = withProbes(changed, kept)
		if err := b.Reload(); err != nil {
			t.Fatal(err)
		}
		if b.board.Probe("kept") != before["kept"] || b.board.Probe("changed") == before["changed"] || b.board.Probe("gone") != nil {
			t.Error("the board does not follow")
		}
		var names []string
		for _, p := range b.board.Probes() {
			names = append(names, p.Name())
		}
		if !slices.Equal(names, []string{"changed", "kept"}) {
			t.Errorf("the order is %q, not that of the configuration", names)
		}
	})
}

// The daemon serves pages and API beside what it served before.
func TestHandler(t *testing.T) {
	inBubble(t, withProbes(probeNamed("p", time.Hour)), func(b *bubble) {
		time.Sleep(time.Minute)
		handler := b.Handler()
		for path, kind := range map[string]string{
			"/": "text/html; charset=utf-8", "/probes/p": "text/html; charset=utf-8", "/api/v1/now": "application/json", "/config": "text/plain; charset=utf-8",
		} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if h := w.Header(); w.Code != http.StatusOK || h.Get("Content-Type") != kind || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: status %d, %v", path, w.Code, h)
			}
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/verdicts", nil))
		var said struct {
			Data struct {
				Verdicts []struct {
					Probe string `json:"probe"`
					Steps int    `json:"steps"`
				} `json:"verdicts"`
			} `json:"data"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || len(said.Data.Verdicts) != 1 || said.Data.Verdicts[0].Steps != 1 {
			t.Errorf("%v: %s", err, w.Body)
		}
	})
}
