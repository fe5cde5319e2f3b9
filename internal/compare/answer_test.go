package compare

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// searched is a run whose searches have found some answers. Each arm has a step at a rate
// that no other run has.
func searched(id string, answers ...prober.Answer) *prober.RunResult {
	r := &prober.RunResult{Run: prober.Run{ID: id}, Outcome: prober.RunSuccess, Answers: answers}
	for i, a := range answers {
		r.Results = append(r.Results, *made(id, a.Arm, float64(1000*(1+i)+len(id)), 1, 0.1, 300))
	}
	return r
}

// bears is the answer of an arm with that capacity, and an SLO rate that a search has between
// 5% less and 5% more.
func bears(arm prober.Arm, capacity, sloRate float64) prober.Answer {
	a := prober.Answer{Arm: arm, Capacity: &prober.Estimate{Value: capacity, Lower: 0.96 * capacity, Upper: 1.06 * capacity}}
	if sloRate > 0 {
		a.SLORate = &prober.Estimate{Value: sloRate, Lower: sloRate / 1.05, Upper: sloRate * 1.05}
	}
	return a
}

// searchesOf is the side of an arm in some runs.
func searchesOf(t *testing.T, arm prober.Arm, runs ...*prober.RunResult) Side {
	t.Helper()
	for _, s := range OfRuns("some", runs) {
		if s.Arm() == arm {
			return s
		}
	}
	t.Fatalf("no %v in %v", arm, runs)
	return Side{}
}

// Two arms are held against each other run by run, so that what a run does to both does
// not count; where their runs are others, it does.
func TestAnswersOfArmsAreComparedInPairs(t *testing.T) {
	var both, another []*prober.RunResult
	for i, drift := range []float64{1, 1.5, 2, 1.2} {
		c := 10 * drift * math.Exp(0.004*float64(i%2))
		both = append(both, searched(fmt.Sprint(i), bears(small, 10*drift, 0), bears(large, 1.1*c, 0)))
		another = append(another, searched(fmt.Sprintf("other-%d", i), bears(large, 1.1*c, 0)))
	}
	c := cell(t, Between(searchesOf(t, small, both...), searchesOf(t, large, both...), Effect), 0, Capacity)
	if c.Method != stats.Pairs || c.Word != stats.Better || c.BaseSteps != 4 || c.OtherSteps != 4 {
		t.Errorf("%+v", c)
	}
	// By hand: the logarithms' mean is ln 1.1 + 0.002, their deviation 0.004/√3, and t with 3
	// degrees of freedom 3.1824.
	half := 3.1824 * 0.004 / math.Sqrt(3) / 2
	near(t, "the change", c.Change, 1.1*math.Exp(0.002)-1, 1e-9)
	near(t, "the lower end", c.Interval.Lower, 1.1*math.Exp(0.002-half)-1, 1e-6)
	near(t, "the upper end", c.Interval.Upper, 1.1*math.Exp(0.002+half)-1, 1e-6)

	// A run of one arm alone has no part in it, however coarse its search was.
	coarse := bears(large, 10, 10)
	coarse.SLORate.Lower, coarse.SLORate.Upper = 5, 20
	var searches []*prober.RunResult
	for i := range 2 {
		searches = append(searches, searched(fmt.Sprint(i), bears(small, 10, 10), bears(large, 10, 10)))
	}
	alone := searched("alone", coarse)
	c = cell(t, Between(searchesOf(t, small, searches...), searchesOf(t, large, append(searches, alone)...), Effect), 0, SLORate)
	near(t, "the upper end of an SLO rate", c.Interval.Upper, 1.05*1.05-1, 1e-9) // 5% at either side
	if c.Method != stats.Pairs || c.OtherSteps != 2 {
		t.Errorf("%+v", c)
	}

	c = cell(t, Between(searchesOf(t, small, both...), searchesOf(t, large, another...), Effect), 0, Capacity)
	if c.Method != stats.Repeats || c.Word != stats.Undetermined || c.Reason != (Reason{Code: RunsTooVaried, Count: 1000}) {
		t.Errorf("%+v", c)
	}
}

// A run is held against those before it by what its search has found alone, where it has
// no rate in common with them.
func TestASearchAloneIsCompared(t *testing.T) {
	var before []*prober.RunResult
	for i, capacity := range []float64{100, 101, 99} {
		before = append(before, searched(strings.Repeat("b", i+2), bears(small, capacity, 0)))
	}
	table := Between(searchesOf(t, small, before...), searchesOf(t, small, searched("n", bears(small, 80, 0))), Effect)
	if len(table.Cells) != 1 {
		t.Fatalf("%+v", table.Cells)
	}
	c := table.Cells[0]
	if c.Metric != Capacity || c.RequestRate != 0 || c.Method != stats.Former || c.Word != stats.Worse || c.BaseSteps != 3 || c.OtherSteps != 1 {
		t.Errorf("%+v", c)
	}
	// By hand: the logarithms' deviation is 0.010000, that of one more of three √(4/3) times as
	// much, and t with 2 degrees of freedom 4.3027.
	average := math.Log(100*101*99) / 3
	near(t, "the lower end", c.Interval.Lower, math.Exp(math.Log(80)-average-4.3027*0.01*math.Sqrt(4./3))-1, 1e-5)
	near(t, "the upper end", c.Interval.Upper, math.Exp(math.Log(80)-average+4.3027*0.01*math.Sqrt(4./3))-1, 1e-5)
}

// Where an SLO rate lies between two rates is not known, however often they are tried. By
// hand: 5% to either side of each of two are a factor of 1.05² less or more.
func TestAnSLORateIsNoFinerThanItsBounds(t *testing.T) {
	runs := func(name string, rate float64) (all []*prober.RunResult) {
		for i := range 4 {
			all = append(all, searched(fmt.Sprint(name, i), bears(small, 100, rate*math.Exp(0.001*float64(i%2)))))
		}
		return all
	}
	for other, want := range map[float64]stats.Word{
		20 * 1.09: stats.Undetermined, // within 1.05² = 1.1025, at the upper ends of both
		20 * 1.13: stats.Better,
		20 / 1.13: stats.Worse,
		20:        stats.Undetermined,
	} {
		c := cell(t, Between(searchesOf(t, small, runs("a", 20)...), searchesOf(t, small, runs("b", other)...), Effect), 0, SLORate)
		if c.Word != want || c.NeededRepeats != 0 {
			t.Errorf("%g: %+v", other, c)
		}
		if want == stats.Undetermined && c.Reason != (Reason{Code: TooCoarse}) {
			t.Errorf("%g: %+v", other, c.Reason)
		}
		// The logarithms of each side deviate by 0.001/√3, the means of 4 by half of that, their
		// difference by √2 times that, and t with 6 degrees of freedom is 2.4469.
		half := 2.4469 * 0.001 / math.Sqrt(3) / 2 * math.Sqrt2
		near(t, "the lower end", c.Interval.Lower, other/20/1.1025*math.Exp(-half)-1, 1e-6)
		near(t, "the upper end", c.Interval.Upper, other/20*1.1025*math.Exp(half)-1, 1e-6)
	}
	// That the true change is 15% would be found, for ln 1.15 is more than 2·ln 1.05; but of
	// rates that are 8% apart it is not known whether they differ by none of it or by all, and
	// runs do not tell.
	c := cell(t, Between(searchesOf(t, small, runs("a", 20)...), searchesOf(t, small, runs("b", 21.6)...), 0.15), 0, SLORate)
	if c.Word != stats.Undetermined || c.Reason != (Reason{Code: TooCoarse}) || c.NeededRepeats != 0 {
		t.Errorf("%+v", c)
	}
	// A difference by 20% is one that repeats find.
	c = cell(t, Between(searchesOf(t, small, searched("a", bears(small, 100, 18)), searched("aa", bears(small, 100, 22))),
		searchesOf(t, small, searched("b", bears(small, 100, 19)), searched("bb", bears(small, 100, 21))), 0.2), 0, SLORate)
	if c.Word != stats.Undetermined || c.NeededRepeats == 0 {
		t.Errorf("%+v", c)
	}
}

// What a count tells is no finer than a request: 100 a second, counted for 20 s of a step
// of 10 s and 30 s, are 2000, and half of one is 0.025%.
func TestACapacityIsACount(t *testing.T) {
	run := func(id string) *prober.RunResult {
		r := searched(id, bears(small, 100, 0))
		r.Results = append(r.Results, *made(id, small, 106, 1, 0.1, 300))
		return r
	}
	c := cell(t, Between(searchesOf(t, small, run("a"), run("b")), searchesOf(t, small, run("c"), run("d")), Effect), 0, Capacity)
	if c.Word != stats.NoDifference {
		t.Errorf("%+v", c)
	}
	near(t, "the upper end", c.Interval.Upper, math.Exp(4.3027*0.5/2000)-1, 1e-7)
}

// What cannot be compared says why.
func TestReasonsOfAnswers(t *testing.T) {
	change := func(r *prober.RunResult, change func(*prober.Answer)) *prober.RunResult {
		change(&r.Answers[0])
		return r
	}
	plain := func(id string) *prober.RunResult { return searched(id, bears(small, 100, 80)) }
	const tooHigh, tooMany = "no rate up to search.max_rate, 100, saturates the arm", "it made 8 steps, as many as search.max_steps allows"
	unknown := func(id string) *prober.RunResult {
		return change(plain(id), func(a *prober.Answer) { *a = prober.Answer{Arm: small, Err: tooHigh} })
	}
	cut := func(confirmed bool) *prober.RunResult {
		return change(plain("b"), func(a *prober.Answer) {
			a.Confirmed, a.SLORate, a.Err = confirmed, nil, tooMany
		})
	}
	stopped := change(plain("b"), func(a *prober.Answer) { a.Capacity.Lower = 50 })
	stopped.Outcome = prober.RunAborted
	for name, test := range map[string]struct {
		base, other []*prober.RunResult
		metric      Metric
		want        Reason
	}{
		"one run of each":               {[]*prober.RunResult{plain("a")}, []*prober.RunResult{plain("b")}, Capacity, Reason{Code: OneSearch}},
		"the SLO rate of one of each":   {[]*prober.RunResult{plain("a")}, []*prober.RunResult{plain("b")}, SLORate, Reason{Code: OneSearch}},
		"a lower bound":                 {[]*prober.RunResult{plain("a")}, []*prober.RunResult{unknown("b")}, Capacity, Reason{Code: SearchGivenUp, Run: "b", Err: tooHigh}},
		"two lower bounds":              {[]*prober.RunResult{unknown("a")}, []*prober.RunResult{unknown("b")}, Capacity, Reason{Code: SearchGivenUp, Run: "a", Err: tooHigh}},
		"one of several":                {[]*prober.RunResult{plain("a"), plain("aa"), unknown("c")}, []*prober.RunResult{plain("b")}, Capacity, Reason{Code: SearchGivenUp, Run: "c", Err: tooHigh}},
		"an SLO rate that is not found": {[]*prober.RunResult{plain("a")}, []*prober.RunResult{unknown("b")}, SLORate, Reason{Code: SearchGivenUp, Run: "b", Err: tooHigh}},
		"a capacity not yet confirmed":  {[]*prober.RunResult{plain("a")}, []*prober.RunResult{cut(false)}, Capacity, Reason{Code: SearchGivenUp, Run: "b", Err: tooMany}},
		"a confirmed capacity":          {[]*prober.RunResult{plain("a")}, []*prober.RunResult{cut(true)}, Capacity, Reason{Code: OneSearch}},
		"a run that was stopped":        {[]*prober.RunResult{plain("a")}, []*prober.RunResult{stopped}, Capacity, Reason{Code: NoSearch, Run: "b"}},
		"only one side has an SLO":      {[]*prober.RunResult{plain("a")}, []*prober.RunResult{searched("b", bears(small, 100, 0))}, SLORate, Reason{Code: OnlyInBase}},
	} {
		c := cell(t, Between(searchesOf(t, small, test.base...), searchesOf(t, small, test.other...), Effect), 0, test.metric)
		if c.Word != stats.Undetermined || c.Reason != test.want || c.Interval != nil || c.NeededRepeats != 0 {
			t.Errorf("%s: %+v, want %+v", name, c, test.want)
		}
	}
	c := cell(t, Between(searchesOf(t, small, plain("a")), searchesOf(t, small, cut(false)), Effect), 0, Capacity)
	if c.Base != 100 || c.Other != 100 || c.Change != 0 {
		t.Errorf("figures that are not sure: %+v", c)
	}
}

// There are no cells of what nobody has searched for.
func TestNoSearchNoCell(t *testing.T) {
	without := searched("a")
	without.Results = append(without.Results, *made("a", small, 10, 1, 0.1, 300))
	failed := prober.Answer{Arm: small, Err: "even the lowest rates are too high"}
	for name, test := range map[string]struct {
		base, other *prober.RunResult
		want        int
	}{
		"one side has no search":      {without, searched("bb", bears(small, 100, 80)), 0},
		"neither has an SLO":          {searched("a", failed), searched("bb", failed), 1},
		"all steps of it are invalid": {searched("a", bears(small, 100, 80)), invalid(searched("bb", bears(small, 100, 80))), 0},
	} {
		var b Side
		for _, s := range OfRuns("b", []*prober.RunResult{test.other}) {
			b = s
		}
		if table := Between(searchesOf(t, small, test.base), b, Effect); len(table.Cells) != test.want {
			t.Errorf("%s: %+v", name, table.Cells)
		}
	}
}

func invalid(r *prober.RunResult) *prober.RunResult {
	for i := range r.Results {
		r.Results[i].Broken = []prober.Broken{{Promise: prober.PromiseCPU}}
	}
	return r
}

// Cells of searches count among those of the table. By hand: a t of 5 with 3 degrees of
// freedom has the probability 0.0154, which is a difference alone but not beside three others
// by Holm's method: 0.0154 > 0.05/4.
func TestAnswersShareTheErrorOfTheTable(t *testing.T) {
	var runs []*prober.RunResult
	for i, noise := range []float64{1, -1, 1, -1} {
		id := fmt.Sprint(i)
		// √(4/3)·0.02 is their deviation, half of that their error, and 5 times it the mean.
		runs = append(runs, searched(id, bears(small, 100, 0), bears(large, 100*math.Exp(0.02*noise+5*0.02/math.Sqrt(3)), 0)))
	}
	alone := Between(searchesOf(t, small, runs...), searchesOf(t, large, runs...), Effect)
	if c := cell(t, alone, 0, Capacity); c.Word != stats.Better {
		t.Errorf("%+v", c)
	}
	near(t, "the probability", alone.Cells[0].change.P(), 0.01539, 1e-4)
	for i, r := range runs {
		for _, arm := range []prober.Arm{small, large} {
			step := made(r.ID, arm, 10, 1, 0.1*math.Exp(0.001*float64(i%2)*float64(len(arm.Target)%2)), 300)
			step.Latencies.TPOT, step.Window = step.Latencies.TTFT, time.Minute
			r.Results = append(r.Results, *step)
		}
	}
	table := Between(searchesOf(t, small, runs...), searchesOf(t, large, runs...), Effect)
	if c := cell(t, table, 0, Capacity); len(table.Cells) != 4 || c.Word != stats.Undetermined || c.Reason.Code != OneOfMany {
		t.Errorf("%d cells, %+v", len(table.Cells), c)
	}
}

// Where neither side completed anything, the cell says so and is not left out.
func TestNothingCompletedOnEitherSide(t *testing.T) {
	side := func(run string) Side {
		s := Step{Run: run, Arm: small, RequestRate: 10, Figures: Figures{Throughput: {Why: Reason{Code: NotRecorded}}}}
		return Side{Name: run, Steps: []Step{s}}
	}
	c := cell(t, Between(side("a"), side("b"), Effect), 10, Throughput)
	if c.Word != stats.Undetermined || c.Reason != (Reason{Code: NoRequest}) {
		t.Errorf("%+v", c)
	}
}
