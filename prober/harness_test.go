package prober_test

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// recorder is an Observer that keeps everything.
type recorder struct {
	mu           sync.Mutex
	sent         int
	observations []prober.Observation
	steps        []prober.StepResult
	runs         []prober.RunResult
	prober.Silent
}

func (r *recorder) RequestSent(prober.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent++
}

func (r *recorder) RequestEnded(_ prober.Step, o *prober.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observations = append(r.observations, *o)
}

func (r *recorder) StepEnded(s *prober.StepResult) { r.steps = append(r.steps, *s) }
func (r *recorder) RunEnded(s *prober.RunResult)   { r.runs = append(r.runs, *s) }

// world is a bubble of synthetic time with servers and one probe.
type world struct {
	*recorder
	cfg     *config.Config
	servers []server
	// prepare and watcher are the prober's, and may be nil.
	prepare func(context.Context, prober.Arm, prober.Place, config.Prepare) error
	watcher prober.Watcher
	before  func(requestRate float64) error // may be nil
	// readGPUs is the prober's, and may be nil.
	readGPUs prober.ReadGPUs
	// discovery is what knows the target's replicas where the target lists none.
	discovery prober.Discovery
	logger    *slog.Logger // may be nil
	// during runs within the bubble beside the run.
	during func(p *prober.Prober)
}

// server makes a handler within the bubble, for as long as ctx lasts.
type server func(ctx context.Context) http.Handler

// newWorld has one replica for each server and a probe that a test may change.
func newWorld(servers ...server) *world {
	target := config.DefaultTarget()
	target.Name = "t"
	for i := range servers {
		target.Replicas = append(target.Replicas, "http://replica-"+string(rune('a'+i)))
	}
	probe := config.DefaultProbe()
	probe.Name, probe.Arms, probe.Seed = "p", []config.Arm{{Target: "t"}}, 1
	probe.Ladder = config.Ladder{Rates: []float64{10}, Warmup: 5 * time.Second, Window: 20 * time.Second, Drain: 30 * time.Second, Repeats: 1}
	return &world{
		recorder: &recorder{}, servers: servers,
		cfg: &config.Config{Targets: []config.Target{target}, Probes: []config.Probe{probe}},
	}
}

func (w *world) probe() *config.Probe   { return &w.cfg.Probes[0] }
func (w *world) target() *config.Target { return &w.cfg.Targets[0] }

// run makes one run in synthetic time. The bubble fails the test when a
// goroutine or a connection outlives it.
func (w *world) run(t *testing.T) (result *prober.RunResult, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := map[string]*simulator.PipeListener{}
		var servers []*http.Server
		ctx, end := context.WithCancel(t.Context())
		for i, handler := range w.servers {
			l := simulator.NewPipeListener()
			network["replica-"+string(rune('a'+i))+":80"] = l
			s := &http.Server{Handler: handler(ctx), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
			servers = append(servers, s)
			go func() { _ = s.Serve(l) }()
		}
		p, perr := prober.New(w.cfg, *w.probe(), prober.Options{
			Observer: w.recorder, Logger: cmp.Or(w.logger, discard()), Synthetic: true,
			Dial: networkDialer(network), Prepare: w.prepare, Watcher: w.watcher, Before: w.before, Discovery: w.discovery, ReadGPUs: w.readGPUs,
		})
		if perr != nil {
			t.Fatal(perr)
		}
		if w.during != nil {
			go w.during(p)
		}
		result, err = p.Run(t.Context())
		end()
		time.Sleep(10 * time.Second) // idle connections end
		for _, s := range servers {
			_ = s.Close()
		}
		synctest.Wait()
	})
	return result, err
}

func networkDialer(network map[string]*simulator.PipeListener) prober.Dialer {
	return func(ctx context.Context, n, address string) (c netConn, err error) {
		l, ok := network[address]
		if !ok {
			return nil, &noRouteError{address}
		}
		return l.DialContext(ctx, n, address)
	}
}

type noRouteError struct{ address string }

func (e *noRouteError) Error() string { return "no route to " + e.address }

// steady is a server of known truth: every answer's first token comes after
// first, each next one after next, and it never queues.
func steady(first, next time.Duration) server {
	mux := models()
	mux.HandleFunc("POST /v1/completions", func(w http.ResponseWriter, r *http.Request) {
		q := decode(r)
		wait := first
		for i := range q.MaxTokens {
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
				return
			}
			wait = next
			event(w, tokenChunk(len(q.Prompt), i+1))
		}
		event(w, usageChunk(len(q.Prompt), q.MaxTokens))
		event(w, "[DONE]")
	})
	return plain(mux)
}

func plain(h http.Handler) server { return func(context.Context) http.Handler { return h } }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
