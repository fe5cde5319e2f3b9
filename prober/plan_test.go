package prober_test

import (
	"context"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// small is an engine with four slots that a test can saturate at little cost: it
// completes 4/(10·τ) = 38.1 requests per second of 10 tokens, where an iteration
// takes τ = 10 ms + 4·0.125 ms.
func small(ctx context.Context) http.Handler {
	p := simulator.FieldReport()
	p.Frontend, p.Base, p.PerSequence, p.PerSequenceSquared, p.PerPrefillToken = 0, 10*time.Millisecond, 125*time.Microsecond, 0, 0
	p.MaxNumSeqs = 4
	return simulator.NewReplica(ctx, simulator.Options{Parameters: p})
}

const smallCapacity = 4 / (10 * 0.0105)

// A run finds the capacity of each of its arms, one replica and two, and the next
// one begins there.
func TestRunSearchesForTheCapacity(t *testing.T) {
	w := newWorld(small, small)
	search := config.DefaultSearch()
	search.MaxWindow = 80 * time.Second
	w.probe().Search = &search
	w.probe().Workload.PromptTokens.Fixed, w.probe().Workload.OutputTokens.Fixed = 4, 10
	w.probe().Arms = []config.Arm{{Target: "t", Replicas: 1}, {Target: "t", Rates: []float64{20}}}
	w.probe().Ladder.Repeats = 2
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	if result.Steps != 4 || len(result.Answers) != 2 {
		t.Fatalf("%d steps of the ladder and %d answers: %+v", result.Steps, len(result.Answers), result.Answers)
	}
	for _, a := range result.Answers {
		capacity := float64(a.Arm.Replicas) * smallCapacity
		if a.Err != "" || a.Capacity == nil || math.Abs(a.Capacity.Value/capacity-1) > 0.05 || a.SLORate != nil {
			t.Errorf("the answer for %d replicas is %+v, the capacity %.1f", a.Arm.Replicas, a.Capacity, capacity)
		}
		steps := 0
		for _, r := range result.Results {
			if r.Arm == a.Arm {
				steps++
			}
		}
		if steps != a.Steps+2 {
			t.Errorf("%d steps with %d replicas, of which the search says that it made %d", steps, a.Arm.Replicas, a.Steps)
		}
	}
	for i, r := range result.Results {
		if r.Number != i+1 || r.Known < r.Number {
			t.Errorf("step %d has the number %d of %d", i+1, r.Number, r.Known)
		}
		capacity := float64(r.Arm.Replicas) * smallCapacity
		if r.Saturated == prober.Saturated && r.RequestRate < capacity || r.Saturated == prober.Unsaturated && r.RequestRate > 1.1*capacity {
			t.Errorf("at %g requests per second, the capacity being %.1f, the verdict is %s", r.RequestRate, capacity, r.Saturated)
		}
	}
}

// While nobody can say whether the arm is saturated, the window is doubled, and
// the figures are those of the whole window.
func TestAnUndeterminedStepIsExtended(t *testing.T) {
	w := newWorld(steady(30*time.Second, 0)) // no answer until the first window is over
	search := config.DefaultSearch()
	search.MaxSteps, search.MaxRate = 1, 10
	w.probe().Search = &search
	w.probe().Workload.OutputTokens.Fixed = 1
	w.probe().Ladder.Warmup = 0
	w.probe().Ladder.Drain = time.Minute
	result, _ := w.run(t)
	r := result.Results[0]
	if r.Window <= 20*time.Second || r.Window > search.MaxWindow || r.Window%(20*time.Second) != 0 {
		t.Fatalf("the window is %s", r.Window)
	}
	offered, completed := 0, 0
	for at := range prober.Arrivals(config.Pacing{Process: config.Poisson}, 10, r.Seed) {
		if at >= r.Window {
			break
		}
		offered++
		if at+30*time.Second < r.Window {
			completed++
		}
	}
	if r.Offered != offered || r.Completed != completed || len(r.Measured) != offered {
		t.Errorf("%d offered, %d completed, %d measured in %s; want %d, %d, %d",
			r.Offered, r.Completed, len(r.Measured), r.Window, offered, completed, offered)
	}
}

// Without a search a window is as long as it is configured, whatever the verdict.
func TestWithoutASearchNoStepIsExtended(t *testing.T) {
	w := newWorld(steady(30*time.Second, 0))
	w.probe().Workload.OutputTokens.Fixed = 1
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	if r := result.Results[0]; r.Window != 20*time.Second || result.Answers != nil {
		t.Errorf("the window is %s, and there are answers: %v", r.Window, result.Answers)
	}
}

// The arms' order within a round follows the seed, and all repeats of the ladder
// are climbed one after the other, each with other arrivals.
func TestRoundsAndRepeats(t *testing.T) {
	orders := map[string]bool{}
	for seed := range uint64(8) {
		w := newWorld(steady(time.Millisecond, time.Millisecond), steady(time.Millisecond, time.Millisecond))
		w.probe().Seed = seed + 1
		w.probe().Arms = []config.Arm{{Target: "t", Replicas: 1}, {Target: "t"}}
		w.probe().Ladder = config.Ladder{Rates: []float64{5, 10}, Window: 2 * time.Second, Drain: 10 * time.Second, Repeats: 2}
		result, err := w.run(t)
		if err != nil {
			t.Fatal(err)
		}
		var rates []float64
		var arms []byte
		seeds := map[uint64]int{}
		for _, r := range result.Results {
			rates = append(rates, r.RequestRate)
			arms = append(arms, byte('0'+r.Arm.Replicas))
			seeds[r.Seed]++
		}
		if want := []float64{5, 5, 10, 10, 5, 5, 10, 10}; !slices.Equal(rates, want) {
			t.Errorf("the rates are %v, want %v", rates, want)
		}
		order := string(arms)
		for round := range slices.Chunk(arms, 2) {
			if round[0] == round[1] {
				t.Errorf("a round of the order %s has the same arm twice", order)
			}
		}
		for s, n := range seeds {
			if n != 2 || len(seeds) != 4 {
				t.Errorf("seed %d is that of %d steps, and there are %d seeds for 2 rates twice", s, n, len(seeds))
			}
		}
		orders[order] = true
	}
	if len(orders) < 4 {
		t.Errorf("eight seeds bring %d orders", len(orders))
	}
}
