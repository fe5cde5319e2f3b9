package simulator

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// shape is what the requests of a load have in common.
type shape struct{ prompt, output int }

var fieldReportShape = shape{FieldReportPrompt, FieldReportOutput}

// took is what one request got, counted from its arrival at the frontend.
type took struct{ ttft, tpot, end time.Duration }

// offer submits requests to n engines in turn, each after a gap, in synthetic
// time, and returns what they got in the order of their arrival. The ends count
// from the first engine's start.
func offer(t *testing.T, p Parameters, n int, s shape, gaps []time.Duration) []took {
	t.Helper()
	results := make([]took, len(gaps))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var engines []*Engine
		for range n {
			engines = append(engines, NewEngine(ctx, p))
		}
		begin := time.Now()
		var sequences []*Sequence
		for i, gap := range gaps {
			time.Sleep(gap)
			sequences = append(sequences, engines[i%n].Submit(s.prompt, 0, s.output))
		}
		for i, sequence := range sequences {
			first := <-sequence.Tokens
			last := first
			for at := range sequence.Tokens {
				last = at
			}
			results[i] = took{
				ttft: first.Sub(sequence.arrived) + p.Frontend,
				tpot: last.Sub(first) / time.Duration(max(s.output-1, 1)),
				end:  last.Sub(begin),
			}
		}
	})
	return results
}

// poisson draws the gaps of so many arrivals at a rate per second.
func poisson(seed uint64, rate float64, requests int) []time.Duration {
	rng := rand.New(rand.NewPCG(seed, 1))
	gaps := make([]time.Duration, requests)
	for i := range gaps {
		gaps[i] = time.Duration(rng.ExpFloat64() / rate * float64(time.Second))
	}
	return gaps
}

// steady leaves out the first and the last tenth, which saw the engine fill and empty.
func steady(results []took) []took {
	return results[len(results)/10 : len(results)*9/10]
}

func means(results []took) (ttft, tpot time.Duration) {
	for _, r := range results {
		ttft += r.ttft
		tpot += r.tpot
	}
	return ttft / time.Duration(len(results)), tpot / time.Duration(len(results))
}

// lastEnd is when the last answer ended.
func lastEnd(results []took) time.Duration {
	return slices.MaxFunc(results, func(a, b took) int { return int(a.end - b.end) }).end
}

// near fails where got is off want by more than a share of it.
func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	t.Logf("%s is %.4g, %+.1f%% off %.4g", what, got, 100*(got/want-1), want)
	if off := got/want - 1; !(math.Abs(off) <= share) {
		t.Errorf("%s is %.4g, %+.1f%% off %.4g; allowed: ±%.3g%%", what, got, 100*off, want, 100*share)
	}
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
