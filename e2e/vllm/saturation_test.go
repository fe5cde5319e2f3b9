//go:build e2e && linux

package vllm_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// TestSaturation: above the server's capacity its throughput rises no more,
// its batch is full, requests wait, and none of this slows the load down.
func TestSaturation(t *testing.T) {
	// So many tokens that no CPU is fast enough to let thousands of requests be in
	// flight at three times its capacity.
	tokens := config.Length{Fixed: 192}
	// The capacity, from a burst that is much more than one batch.
	burst := server.load(t, 12*batchSize, func(p *config.Probe) { p.Ladder.Rates, p.Workload.OutputTokens = []float64{1000}, tokens })
	burst.allOK(t)
	last := slices.MaxFunc(burst.seen, func(a, b prober.Observation) int { return int(a.End - b.End) })
	capacity := float64(len(burst.seen)) / last.End.Seconds()
	t.Logf("capacity about %.1f requests per second", capacity)

	rates := []float64{0.3 * capacity, 0.6 * capacity, 1.5 * capacity, 3 * capacity}
	steps := server.climb(t, rates, tokens)
	low, plateau, top := steps[0], steps[2], steps[3]
	for _, s := range steps {
		t.Logf("%.1f offered: %.2f done per second, TTFT %.0f ms, %g running", s.RequestRate, s.Throughput, s.Latencies.TTFT.Mean*1e3, s.running)
		// Five standard deviations of a Poisson process's count.
		expected := s.RequestRate * s.Window.Seconds()
		if off := math.Abs(float64(s.Offered) - expected); off > 5*math.Sqrt(expected) {
			t.Errorf("%d requests were offered at %.1f per second, %.0f were to be", s.Offered, s.RequestRate, expected)
		}
		if s.running > batchSize {
			t.Errorf("%g requests ran at a time, in a batch of %d", s.running, batchSize)
		}
	}
	if top.running != batchSize {
		t.Errorf("at %.1f requests per second at most %g ran, not %d", top.RequestRate, top.running, batchSize)
	}
	if limit := 0.8 * top.RequestRate; top.Throughput > limit {
		t.Errorf("%.2f requests per second were done of %.1f offered", top.Throughput, top.RequestRate)
	}
	// On a machine whose speed has fallen, all of the step may wait until they are cut.
	allCut := top.Latencies.TTFT.Count == 0 && top.Unfinished == top.Offered
	if !allCut && top.Latencies.TTFT.Mean <= 5*low.Latencies.TTFT.Mean {
		t.Errorf("TTFT %.0f ms above capacity, %.0f ms below: nothing waited", top.Latencies.TTFT.Mean*1e3, low.Latencies.TTFT.Mean*1e3)
	}

	// Twice the load brings no more. It may bring less: vLLM's HTTP layer takes
	// its time for those who wait, too. Other work on the machine moves the
	// server's speed from step to step; over several pairs of steps it moves both
	// rates alike.
	const least, most = 0.5, 1.15
	onPlateau := func(a, b float64) bool { return b >= least*a && b <= most*a }
	a, b := plateau.Throughput, top.Throughput
	for pairs := 1; !onPlateau(a, b) && pairs < 4; pairs++ {
		again := server.climb(t, rates[2:], tokens)
		a, b = a+again[0].Throughput, b+again[1].Throughput
		t.Logf("again: %.2f and %.2f done per second", again[0].Throughput, again[1].Throughput)
	}
	if !onPlateau(a, b) {
		t.Errorf("no plateau: the throughput changed by the factor %.2f from %.1f to %.1f requests per second offered",
			b/a, plateau.RequestRate, top.RequestRate)
	}
}

// rung is a step's result, and the most requests that vLLM ran at a time.
type rung struct {
	*prober.StepResult

	running float64
}

// climb makes a step at each of the rates, with answers of so many tokens.
func (v *replica) climb(t *testing.T, rates []float64, tokens config.Length) []rung {
	t.Helper()
	var rungs []rung
	for _, rate := range rates {
		v.idle(t)
		target, probe := v.probe()
		probe.Workload.OutputTokens = tokens
		probe.Ladder = config.Ladder{
			Rates: []float64{rate}, Warmup: 3 * time.Second, Window: 12 * time.Second, Drain: 10 * time.Second, Repeats: 1,
		}
		p := newProber(t, target, probe, &recorder{})
		ctx, done := context.WithCancel(context.Background())
		most := make(chan float64, 1)
		go func() { most <- v.mostRunning(ctx, batchSize+1) }()
		result, err := p.Run(ctx)
		done()
		if err != nil {
			t.Fatal(err)
		}
		r := &result.Results[0]
		if !r.Valid() {
			t.Fatalf("the step at %.1f requests per second is invalid: %v", rate, r.Broken)
		}
		rungs = append(rungs, rung{r, <-most})
	}
	return rungs
}
