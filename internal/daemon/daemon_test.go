package daemon

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// diary notes when runs began and ended, from the beginning of the test on.
type diary struct {
	prober.Silent
	epoch time.Time

	mu     sync.Mutex
	begins map[string][]time.Duration
	ends   map[string][]time.Duration
	now    int // runs under way
	most   int
}

func newDiary() *diary {
	return &diary{epoch: time.Now(), begins: map[string][]time.Duration{}, ends: map[string][]time.Duration{}}
}

func (d *diary) RunStarted(r prober.Run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begins[r.Probe] = append(d.begins[r.Probe], time.Since(d.epoch))
	d.now++
	d.most = max(d.most, d.now)
}

func (d *diary) RunEnded(r *prober.RunResult) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ends[r.Probe] = append(d.ends[r.Probe], time.Since(d.epoch))
	d.now--
}

func (d *diary) begun(probe string) []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.begins[probe])
}

func (d *diary) ended(probe string) []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.ends[probe])
}

// mostAtOnce is the largest number of runs that were under way at the same time.
func (d *diary) mostAtOnce() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.most
}

// probeNamed is one with a step of 10 s at 2 requests per second.
func probeNamed(name string, interval time.Duration) config.Probe {
	p := config.DefaultProbe()
	p.Name, p.Interval, p.Arms = name, interval, []config.Arm{{Target: "t"}}
	p.Workload.OutputTokens = config.Length{Fixed: 1}
	p.Pacing = config.Pacing{Process: config.Constant}
	p.Ladder = config.Ladder{Rates: []float64{2}, Window: 10 * time.Second, Drain: 10 * time.Second, Repeats: 1}
	return p
}

func withProbes(probes ...config.Probe) *config.Config {
	target := config.DefaultTarget()
	target.Name, target.Replicas = "t", []string{"http://replica"}
	return &config.Config{Targets: []config.Target{target}, Probes: probes}
}

// bubble is a daemon in synthetic time, beside a simulated replica.
type bubble struct {
	*Daemon
	*diary
	cfg *config.Config // what the next reload finds
}

func inBubble(t *testing.T, cfg *config.Config, test func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := simulator.NewPipeListener()
		ctx, end := context.WithCancel(t.Context())
		server := &http.Server{Handler: simulator.NewReplica(ctx, simulator.Options{Parameters: simulator.FieldReport()})}
		go func() { _ = server.Serve(listener) }()

		b := &bubble{cfg: cfg, diary: newDiary()}
		b.Daemon = New(Options{
			Load: func() (*config.Config, error) { return b.cfg, nil }, Registry: prometheus.NewRegistry(),
			Logger: slog.New(slog.DiscardHandler), Observer: b.diary,
			Prober: prober.Options{Dial: listener.DialContext, Synthetic: true},
		})
		if err := b.Reload(); err != nil {
			t.Fatal(err)
		}
		test(b)
		b.Shutdown(ctx)
		end()
		time.Sleep(10 * time.Second) // idle connections end
		_ = server.Close()
		synctest.Wait()
	})
}

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

func TestNextRun(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	for name, tt := range map[string]struct{ began, now, interval, want int }{
		"within its interval":                {0, 20, 60, 60},
		"an overrun start is left out":       {0, 70, 60, 120},
		"ended just when the next is due":    {0, 60, 60, 120},
		"several overrun starts":             {30, 500, 60, 510},
		"no interval: one run after another": {0, 20, 0, 20},
	} {
		t.Run(name, func(t *testing.T) {
			got := nextRun(at(tt.began), at(tt.now), time.Duration(tt.interval)*time.Second)
			if got != at(tt.want) {
				t.Errorf("got %d, want %d", got.Unix(), tt.want)
			}
		})
	}
}

func TestNoReloadDuringShutdown(t *testing.T) {
	inBubble(t, withProbes(probeNamed("p", time.Hour)), func(b *bubble) {
		b.Shutdown(context.Background())
		if err := b.Reload(); err == nil {
			t.Error("a daemon that has shut down took a configuration")
		}
	})
}
