package prober_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// From end to end, on engines whose truth is known: sixty runs of two arms that are the
// same, and of a third whose iterations take 5% longer, and with them, by the closed
// form, its answers.
func TestDifferencesOnTheSimulator(t *testing.T) {
	if testing.Short() || prober.RaceEnabled {
		t.Skip("takes a minute; without -short and the race detector")
	}
	const runs, rate = 60, 10
	plain := simulator.FieldReport()
	slow := plain
	slow.Base += slow.Base / 20
	w := newWorld()
	w.cfg.Targets, w.probe().Arms = nil, nil
	for i, p := range []simulator.Parameters{plain, plain, slow} {
		target := config.DefaultTarget()
		target.Name, target.Replicas = fmt.Sprint(i), []string{"http://replica-" + string(rune('a'+i))}
		w.servers = append(w.servers, func(ctx context.Context) http.Handler {
			return simulator.NewReplica(ctx, simulator.Options{Parameters: p})
		})
		w.cfg.Targets, w.probe().Arms = append(w.cfg.Targets, target), append(w.probe().Arms, config.Arm{Target: target.Name})
	}
	w.probe().Ladder = config.Ladder{Rates: []float64{rate}, Warmup: 5 * time.Second, Window: 20 * time.Second, Drain: 30 * time.Second, Repeats: 1}
	w.probe().Workload.PromptTokens.Fixed, w.probe().Workload.OutputTokens.Fixed = simulator.FieldReportPrompt, simulator.FieldReportOutput
	var sides [3]compare.Side
	for run := range runs {
		w.probe().Seed = uint64(run + 1)
		result, err := w.run(t)
		if err != nil {
			t.Fatal(err)
		}
		result.ID = fmt.Sprint(run)
		for i := range result.Results {
			r := &result.Results[i]
			r.RunID = result.ID
			sides[int(r.Arm.Target[0]-'0')].Steps = append(sides[int(r.Arm.Target[0]-'0')].Steps, compare.OfStep(r))
		}
	}

	expected := func(p simulator.Parameters) float64 {
		_, tpot, ok := p.Expected(rate, simulator.FieldReportPrompt, simulator.FieldReportOutput)
		if !ok {
			t.Fatal("the engine is overloaded")
		}
		return tpot.Seconds()
	}
	truth := expected(slow)/expected(plain) - 1
	// some are so many steps of a side, each of a run of its own, from one on.
	some := func(side, from, n int) (some compare.Side) {
		for i := range n {
			some.Steps = append(some.Steps, sides[side].Steps[(from+i)%runs])
		}
		return some
	}
	find := func(table *compare.Table, metric compare.Metric) compare.Cell {
		for _, c := range table.Cells {
			if c.Metric == metric {
				return c
			}
		}
		t.Fatalf("no %s in %+v", metric, table)
		return compare.Cell{}
	}
	claims := func(table *compare.Table) bool {
		return slices.ContainsFunc(table.Cells, func(c compare.Cell) bool { return c.Word == stats.Better || c.Word == stats.Worse })
	}
	// The other side's step is of the next run, which has other arrivals: with the same
	// ones two such engines do the same to the nanosecond.
	false1, false5, unsteady, covered, found, asked := 0, 0, 0, 0, 0, 0
	for run := range runs {
		if claims(compare.Between(some(0, run, 1), some(1, run+1, 1), compare.Effect)) {
			false1++
		}
		if claims(compare.Between(some(0, run, 5), some(1, run+5, 5), compare.Effect)) {
			false5++
		}
		c := find(compare.Between(some(0, run, 1), some(2, run+1, 1), compare.Effect), compare.TPOTMean)
		if c.Interval == nil { // it was not steady, as one window in a hundred seems to be
			unsteady++
		} else if c.Interval.Lower <= truth && truth <= c.Interval.Upper {
			covered++
		}
		n := c.NeededRepeats
		if n == 0 {
			n = 2
		}
		n = min(n, runs/2)
		asked += n
		if find(compare.Between(some(0, run+1, n), some(2, run+1+n, n), compare.Effect), compare.TPOTMean).Word == stats.Worse {
			found++
		}
	}
	t.Logf("of %d tables of arms that are the same, %d have a false word with one step of each, %d with five", runs, false1, false5)
	t.Logf("of %d intervals of TPOT from one step of each, %d cover the truth of %+.1f%%; of %d, %d are found with as many steps as were asked for, %.1f in the mean",
		runs-unsteady, covered, 100*truth, runs, found, float64(asked)/runs)
	// One in twenty, and what chance may add to that with a probability of 1 in 1000.
	if false1 > 9 || false5 > 9 {
		t.Errorf("%d and %d of %d tables have a false word", false1, false5, runs)
	}
	if unsteady > 6 || covered < 51-unsteady {
		t.Errorf("%d of %d intervals cover the truth", covered, runs-unsteady)
	}
	if found < runs*8/10 {
		t.Errorf("%d of %d times what was asked for found the difference", found, runs)
	}
	// Beside each other, in pairs, five steps tell it by far.
	for from := 0; from < runs; from += 5 {
		c := find(compare.Between(some(0, from, 5), some(2, from, 5), compare.Effect), compare.TPOTMean)
		if c.Method != stats.Pairs || c.Word != stats.Worse || c.Interval.Lower > truth+0.005 || c.Interval.Upper < truth-0.005 {
			t.Errorf("from run %d on: %+v", from, c)
		}
	}
}
