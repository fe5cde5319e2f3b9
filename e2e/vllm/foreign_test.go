//go:build e2e && linux

package vllm_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"vllm_prober/internal/config"
	watch "vllm_prober/internal/replica"
	"vllm_prober/prober"
)

// watched makes a run of one target.
func watched(t *testing.T, target config.Target, probe config.Probe, observer prober.Observer) (*prober.RunResult, error) {
	t.Helper()
	return watchedAll(t, &config.Config{Targets: []config.Target{target}, Probes: []config.Probe{probe}}, observer)
}

// watchedAll makes a run of cfg's only probe as the program does, with what watches
// the replicas.
func watchedAll(t *testing.T, cfg *config.Config, observer prober.Observer) (*prober.RunResult, error) {
	t.Helper()
	probe := cfg.Probes[0]
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	watcher, err := watch.NewWatcher(cfg, probe, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	p, err := prober.New(cfg, probe, prober.Options{Observer: observer, Logger: log, Watcher: watcher})
	if err != nil {
		t.Fatal(err)
	}
	return p.Run(context.Background())
}

// others ask the replica for n answers of so many tokens, all at once, and return
// when they have come or ctx has ended.
func (v *replica) others(ctx context.Context, t *testing.T, n, tokens int) {
	t.Helper()
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			body := fmt.Sprintf(`{"model": "tiny", "prompt": [%d, 1001, 1002], "max_tokens": %d, "min_tokens": %d, "ignore_eos": true}`,
				1003+i, tokens, tokens)
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url+"/v1/completions", bytes.NewReader([]byte(body)))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+apiKey)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
			defer resp.Body.Close()
			if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK && ctx.Err() == nil {
				t.Errorf("%s: %s", resp.Status, text)
			}
		})
	}
	wait.Wait()
}

// TestForeignLoadIsCounted: what vLLM counts of a step is what the prober had of
// it, and what is more was asked by others.
func TestForeignLoadIsCounted(t *testing.T) {
	const foreign, tokens = 6, 40
	for name, n := range map[string]int{"nobody else": 0, "others too": foreign} {
		t.Run(name, func(t *testing.T) {
			server.idle(t)
			target, probe := server.probe()
			probe.Ladder = config.Ladder{Rates: []float64{2}, Warmup: time.Second, Window: 9 * time.Second, Drain: 20 * time.Second, Repeats: 1}
			rec := &recorder{}
			rec.onSent = func(sent int) {
				if sent == 8 {
					go server.others(t.Context(), t, n, tokens)
				}
			}
			result, err := watched(t, target, probe, rec)
			if err != nil {
				t.Fatal(err)
			}
			r := &result.Results[0]
			got, cut := r.Reconciliation, r.Outcomes[prober.Drain][prober.Aborted]
			t.Logf("%+v, %d cut, %+v", *got, cut, r.Replicas[0])
			want := prober.Reconciled
			if n > 0 {
				want = prober.ForeignTraffic
			}
			// Of what is cut at the step's end, nobody knows how much vLLM has done.
			if got.Verdict != want || got.ForeignRequests > n || got.ForeignRequests < n-cut || got.ForeignTokens > n*tokens ||
				got.ForeignTokens < n*tokens-cut*probe.Workload.OutputTokens.Fixed {
				t.Errorf("of %d requests of others and %d cut, vLLM's counts say %+v", n, cut, *got)
			}
			if !r.Valid() {
				t.Errorf("invalid: %v", r.Broken)
			}
			if each := r.Replicas[0]; each.Samples == 0 || each.Running == nil || each.Waiting == nil || each.KVCacheUsage == nil || each.Preemptions == nil {
				t.Errorf("vLLM did not say all of itself: %+v", each)
			}
		})
	}
}

// TestForeignLoadEndsAStep: when others come in the middle of a step and have to
// wait, the prober's requests are gone within two seconds.
func TestForeignLoadEndsAStep(t *testing.T) {
	const allowed = 4
	server.idle(t)
	target, probe := server.probe()
	probe.Ladder = config.Ladder{Rates: []float64{2}, Window: time.Minute, Drain: 20 * time.Second, Repeats: 1}
	limit := float64(allowed)
	probe.Guard.WaitingRequests = &limit
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	came := make(chan time.Time, 1)
	rec := &recorder{}
	rec.onSent = func(sent int) {
		if sent == 8 {
			go server.others(ctx, t, 4*batchSize, 1500)
			go func() { came <- server.firstWaiting(ctx, allowed) }()
		}
	}
	result, err := watched(t, target, probe, rec)
	over := time.Now()
	if err != nil || len(result.Results) != 1 {
		t.Fatalf("%d steps, %v", len(result.Results), err)
	}
	r := &result.Results[0]
	if r.Guard == nil || r.Guard.Limit != config.WaitingRequests || r.Guard.Value <= allowed || r.Valid() || r.Completed != 0 || r.Latencies != nil {
		t.Fatalf("guard %+v, broken %v", r.Guard, r.Broken)
	}
	last := time.Duration(0)
	for _, o := range rec.seen {
		last = max(last, o.End)
	}
	passed := <-came
	took := r.StartedAt.Add(last).Sub(passed)
	t.Logf("%s: the last request ended %s after the limit was passed, the run %s after", r.Guard, took, over.Sub(passed))
	if took > 2*time.Second {
		t.Errorf("the last request ended %s after the limit was passed", took)
	}
}

// firstWaiting returns when it first sees more than so many requests wait, or ctx
// ends.
func (v *replica) firstWaiting(ctx context.Context, most float64) time.Time {
	for ctx.Err() == nil {
		at := time.Now()
		if f, err := v.figures(); err == nil && f[waiting] > most {
			return at
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Now()
}

// TestBatchSizeInForce: what the server really runs with is told apart from what
// is declared.
func TestBatchSizeInForce(t *testing.T) {
	for name, tt := range map[string]struct {
		declared int
		rate     float64
		want     prober.InForceVerdict
	}{
		"as declared, above capacity": {batchSize, 30, prober.Bound},
		"as declared, below capacity": {batchSize, 1, prober.DidNotBind},
		"more than declared":          {batchSize / 2, 30, prober.NotInForce},
		"less than declared":          {4 * batchSize, 30, prober.NotInForce},
	} {
		t.Run(name, func(t *testing.T) {
			server.idle(t)
			target, probe := server.probe()
			target.BatchSize = tt.declared
			probe.Workload.OutputTokens = config.Length{Fixed: 384} // too many for any CPU at the higher rate
			probe.Ladder = config.Ladder{Rates: []float64{tt.rate}, Warmup: 2 * time.Second, Window: 6 * time.Second, Drain: 2 * time.Second, Repeats: 1}
			result, err := watched(t, target, probe, &recorder{})
			if err != nil {
				t.Fatal(err)
			}
			r := &result.Results[0]
			got, _ := r.InForce()
			t.Logf("%+v; %d samples, %d gaps, running %+v, waiting %+v, KV cache %+v; %+v", got, r.Replicas[0].Samples, r.Replicas[0].Gaps,
				r.Replicas[0].Running, r.Replicas[0].Waiting, r.Replicas[0].KVCacheUsage, *r.Reconciliation)
			if got.Verdict != tt.want {
				t.Errorf("got %+v, want %s", got, tt.want)
			}
			// An overloaded vLLM may not answer in time after the step.
			if v := r.Reconciliation.Verdict; v != prober.Reconciled && v != prober.NotReconciled {
				t.Errorf("reconciliation %+v", *r.Reconciliation)
			}
		})
	}
}

// TestGuardKnowsItsOwnLoad: the prober's own requests, however many of them wait,
// are not taken for those of others.
func TestGuardKnowsItsOwnLoad(t *testing.T) {
	server.idle(t)
	target, probe := server.probe()
	few := 3.
	probe.Guard = config.Guard{
		WaitingRequests: &few, ForeignRequestsRunning: &few, PreemptionsPerSecond: new(0.), ErrorRatio: new(0.), Action: config.AbortStep,
	}
	probe.Ladder = config.Ladder{Rates: []float64{2, 10, 40}, Window: 6 * time.Second, Drain: 2 * time.Second, Repeats: 1}
	result, err := watched(t, target, probe, &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range result.Results {
		r := &result.Results[i]
		t.Logf("%g requests per second: running %+v, waiting %+v", r.RequestRate, r.Replicas[0].Running, r.Replicas[0].Waiting)
		if r.Guard != nil {
			t.Errorf("at %g requests per second: %s", r.RequestRate, r.Guard)
		}
	}
}
