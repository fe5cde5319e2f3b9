package prober_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// bearer is an arm of which all is known: in the mean of its runs it completes so many
// requests per second, and keeps the SLO for exactly nine of ten at another rate. From
// there on the share falls by a logistic curve; how steeply makes the line that a search
// draws through it more wrong or less.
type bearer struct{ capacity, sloRate, steepness float64 }

const attainment = 0.9

// search makes the search of a run in which the arm is so many times as fast. A step takes 4
// minutes, all of its counts are Poisson's, and requests fare alike in tens.
func (b bearer) search(rng *rand.Rand, known prober.Answer, times float64) prober.Answer {
	const settled, window = 120, 230
	poisson := func(mean float64) float64 { return distuv.Poisson{Lambda: mean, Src: rng}.Rand() }
	return prober.FindAnswer(prober.Arm{Target: "a"}, 10, attainment, known, func(rate float64) *prober.StepResult {
		r := &prober.StepResult{
			Step:    prober.Step{RequestRate: rate, Window: window * time.Second},
			Offered: int(poisson(rate * window)), Saturated: prober.Unsaturated, SettledThroughput: poisson(rate*settled) / settled,
		}
		if capacity := times * b.capacity; rate > 1.03*capacity {
			r.Saturated, r.SettledThroughput = prober.Saturated, poisson(capacity*settled)/settled
		}
		odds := attainment / (1 - attainment) * math.Exp(-b.steepness*(rate/(times*b.sloRate)-1))
		tens := float64(r.Offered / 10)
		r.Attainment = distuv.Binomial{N: tens, P: odds / (1 + odds), Src: rng}.Rand() / tens
		return r
	})
}

// runs are so many in a row, each of which begins at what the one before has found. From one
// to the next the arm is faster or slower by 1%.
func (b bearer) runs(rng *rand.Rand, name string, n int, known *prober.Answer) (all []*prober.RunResult) {
	for i := range n {
		*known = b.search(rng, *known, math.Exp(0.01*rng.NormFloat64()))
		run := &prober.RunResult{Run: prober.Run{ID: fmt.Sprint(name, i)}, Outcome: prober.RunSuccess, Answers: []prober.Answer{*known}}
		run.Results = []prober.StepResult{{Step: prober.Step{Arm: known.Arm, RequestRate: float64(len(name))}}}
		all = append(all, run)
	}
	return all
}

// What searches have found is held against what other searches have found, from end to end: of two
// arms that bear the same, a false word is said of at most one table in twenty, although their SLO
// rates are found with errors that all searches of an arm have in common; and the intervals hold
// the truth.
func TestAnswersAreComparedAsTheTruthIs(t *testing.T) {
	if testing.Short() || prober.RaceEnabled {
		t.Skip("takes many draws; without -short and the race detector")
	}
	const trials = 1000
	for name, arms := range map[string][2]bearer{
		"the same":                      {{60, 40, 20}, {60, 40, 20}},
		"the same by another way":       {{60, 40, 3}, {60, 40, 60}},
		"5% less, and a quarter":        {{60, 40, 20}, {57, 30, 20}},
		"a tenth less, and a twentieth": {{60, 40, 20}, {54, 38, 20}},
	} {
		for _, n := range [][2]int{{5, 5}, {10, 1}} {
			rng := rand.New(rand.NewPCG(1, uint64(n[0])))
			said, covered, unguarded := map[compare.Metric]map[stats.Word]int{compare.Capacity: {}, compare.SLORate: {}}, map[compare.Metric]int{}, 0
			truth := map[compare.Metric]float64{
				compare.Capacity: arms[1].capacity/arms[0].capacity - 1, compare.SLORate: arms[1].sloRate/arms[0].sloRate - 1,
			}
			claims := 0
			for range trials {
				var known prober.Answer
				base := compare.OfRuns("base", arms[0].runs(rng, "a", n[0], &known))
				other := compare.OfRuns("other", arms[1].runs(rng, "bb", n[1], &known))
				claimed := false
				for _, c := range compare.Between(base[0], other[0], compare.Effect).Cells {
					if c.Interval == nil {
						t.Fatalf("%+v", c)
					}
					said[c.Metric][c.Word]++
					if i := c.Interval; i.Lower <= truth[c.Metric] && truth[c.Metric] <= i.Upper {
						covered[c.Metric]++
					}
					claimed = claimed || c.Word == stats.Better || c.Word == stats.Worse
				}
				if claimed {
					claims++
				}
				if change, ok := stats.OfRepeats(sloRates(base[0]), sloRates(other[0])); ok && change.P() <= 0.05 {
					unguarded++
				}
			}
			t.Logf("%s, %d runs against %d: capacity %v, covered %.1f%%; SLO rate %v, covered %.1f%%, and would differ by t alone in %.1f%%", name, n[1], n[0],
				said[compare.Capacity], 100*float64(covered[compare.Capacity])/trials, said[compare.SLORate], 100*float64(covered[compare.SLORate])/trials,
				100*float64(unguarded)/trials)
			for metric, held := range covered {
				if held < 0.92*trials {
					t.Errorf("%s: %d of %d intervals of %s hold the truth", name, held, trials, metric)
				}
			}
			if arms[0].capacity == arms[1].capacity && claims > 0.05*trials {
				t.Errorf("%s: %d of %d tables have a false word", name, claims, trials)
			}
		}
	}
}

func sloRates(s compare.Side) (all []float64) {
	for _, a := range s.Answers {
		all = append(all, a.Figures[compare.SLORate].Value)
	}
	return all
}
