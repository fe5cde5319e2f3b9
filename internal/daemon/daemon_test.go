package daemon

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
	"vllm_prober/internal/results"
)

// Runs begin on the grid of their interval, however long each takes.
func TestRunsBeginOnTheirInterval(t *testing.T) {
	inBubble(t, withProbes(probeNamed("p", time.Minute)), func(b *bubble) {
		time.Sleep(3*time.Minute + 30*time.Second)
		for i, want := range []time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute} {
			if len(b.begun("p")) != 4 || b.begun("p")[i] != want {
				t.Fatalf("runs began at %v, want one each minute", b.begun("p"))
			}
		}
	})
}

// Two probes never load the replicas at the same time: they would measure each
// other.
func TestRunsTakeTurns(t *testing.T) {
	inBubble(t, withProbes(probeNamed("p", 0), probeNamed("q", 0)), func(b *bubble) {
		time.Sleep(2 * time.Minute)
		if b.mostAtOnce() != 1 {
			t.Errorf("%d runs at the same time", b.mostAtOnce())
		}
		if p, q := len(b.ended("p")), len(b.ended("q")); p < 4 || q < 4 || p-q > 1 || q-p > 1 {
			t.Errorf("%d and %d runs in two minutes, want each probe its turn", p, q)
		}
	})
}

// A reload leaves the run of an unchanged probe alone and stops that of a
// changed one.
func TestReloadStopsOnlyWhatChanged(t *testing.T) {
	kept, changed := probeNamed("kept", time.Hour), probeNamed("changed", time.Hour)
	inBubble(t, withProbes(kept), func(b *bubble) {
		time.Sleep(5 * time.Second) // within the run's step
		b.cfg = withProbes(kept, changed)
		if err := b.Reload(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // the first run has ended, the second is under way
		if len(b.ended("kept")) != 1 || b.ended("kept")[0] < 10*time.Second {
			t.Fatalf("the unchanged probe's run ended at %v, want after its window of 10s", b.ended("kept"))
		}
		at := time.Since(b.epoch)
		changed.Ladder.Rates = []float64{3}
		b.cfg = withProbes(kept, changed)
		if err := b.Reload(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if len(b.ended("changed")) != 1 || b.ended("changed")[0] > at+time.Second {
			t.Errorf("the changed probe's run ended at %v, want right after %s", b.ended("changed"), at)
		}
		if len(b.begun("changed")) != 2 || len(b.begun("kept")) != 1 {
			t.Errorf("runs began at %v and %v", b.begun("changed"), b.begun("kept"))
		}
	})
}

func TestAFailedRunIsNotRepeatedAtOnce(t *testing.T) {
	p := probeNamed("p", 0)
	cfg := withProbes(p)
	cfg.Targets[0].Model = "another" // which the replica does not serve
	inBubble(t, cfg, func(b *bubble) {
		time.Sleep(35 * time.Second)
		if n := len(b.begun("p")); n != 4 {
			t.Errorf("%d attempts in 35 s, want one every %s", n, pauseAfterFailure)
		}
	})
}

func TestNoReloadDuringShutdown(t *testing.T) {
	inBubble(t, withProbes(probeNamed("p", time.Hour)), func(b *bubble) {
		b.Shutdown(context.Background())
		if err := b.Reload(); err == nil {
			t.Error("a daemon that has shut down took a configuration")
		}
	})
}

// stalling is a handler of logs that stops at a message until it is told to go on.
type stalling struct {
	slog.Handler
	at             string
	reached, going chan struct{}
}

func (s stalling) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, s.at) {
		s.reached <- struct{}{}
		<-s.going
	}
	return nil
}

func (s stalling) Enabled(context.Context, slog.Level) bool { return true }
func (s stalling) WithAttrs([]slog.Attr) slog.Handler       { return s }

// While a reload waits for the disk, the pages are there, and a probe that is paused
// then stays so. Here the records cannot be read, and the log says so only after a while.
func TestAReloadThatWaitsHoldsUpNobody(t *testing.T) {
	folder := t.TempDir()
	store, err := results.Open(folder, results.Retention{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	log := stalling{slog.DiscardHandler, "the latest results of a probe are not restored", make(chan struct{}), make(chan struct{})}
	p := planned("p", "t", "0 12 * * *", 25*time.Second)
	d := New(Options{Registry: prometheus.NewRegistry(), Logger: slog.New(log), Records: store, Lifecycle: true})
	defer d.Shutdown(t.Context())
	apply := func(cfg *config.Config, meanwhile func()) {
		t.Helper()
		applied := make(chan error)
		go func() { applied <- d.Apply(cfg) }()
		<-log.reached
		meanwhile()
		log.going <- struct{}{}
		if err := <-applied; err != nil {
			t.Fatal(err)
		}
	}
	apply(withProbes(p), func() {})
	p.Ladder.Rates = []float64{0.3}
	apply(withProbes(p), func() {
		answered := make(chan int)
		for _, q := range []*http.Request{
			httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRequest(http.MethodGet, "/config", nil),
			httptest.NewRequest(http.MethodPost, "/-/pause?probe=p", nil),
		} {
			go func() {
				w := httptest.NewRecorder()
				d.Handler().ServeHTTP(w, q)
				answered <- w.Code
			}()
			select {
			case code := <-answered:
				if code != http.StatusOK {
					t.Errorf("%s: status %d", q.URL, code)
				}
			case <-time.After(time.Minute):
				log.going <- struct{}{}
				t.Fatalf("%s waits for the reload", q.URL)
			}
		}
	})
	if !d.probes["p"].isPaused() {
		t.Error("what was said during the reload is forgotten")
	}
}
