package report

import (
	"fmt"
	"slices"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/document"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// comparison puts the arms of one number of GPUs side by side.
type comparison struct {
	title string
	table *document.Table
}

// comparisons makes one for each number of GPUs that several arms have.
func comparisons(r *prober.RunResult) []comparison {
	var gpus []int
	for i := range r.Results {
		gpus = append(gpus, r.Results[i].Arm.GPUs)
	}
	slices.Sort(gpus)
	var all []comparison
	for _, n := range slices.Compact(gpus) {
		arms, rates := armsWith(r, n)
		if len(arms) < 2 || len(rates) == 0 {
			continue
		}
		all = append(all, comparison{
			title: fmt.Sprintf("%s: %s as base, and the change to it: better, worse, = for no difference beyond ±%g%%, "+
				"or ? where chance may have made it (vllm_prober compare has the intervals)",
				Count(n, "GPU"), ArmName(arms[0], arms), 100*compare.Effect),
			table: sideBySide(r, arms, rates),
		})
	}
	return all
}

// armsWith finds the arms with so many GPUs, by rising batch size, and the request
// rates that several of them had.
func armsWith(r *prober.RunResult, gpus int) (arms []prober.Arm, rates []float64) {
	had := map[float64][]prober.Arm{}
	for i := range r.Results {
		s := &r.Results[i]
		if s.Arm.GPUs != gpus || slices.Contains(had[s.RequestRate], s.Arm) {
			continue
		}
		arms, had[s.RequestRate] = append(arms, s.Arm), append(had[s.RequestRate], s.Arm)
		if len(had[s.RequestRate]) == 2 {
			rates = append(rates, s.RequestRate)
		}
	}
	slices.SortFunc(arms, prober.Arm.Compare)
	slices.Sort(rates)
	return slices.Compact(arms), rates
}

// sideBySide has a row for each request rate and, for each mean, a column for each arm
// and one for the change of each arm but the first, with its verdict.
func sideBySide(r *prober.RunResult, arms []prober.Arm, rates []float64) *document.Table {
	measured := compare.OfRuns("", []*prober.RunResult{r})
	sides := make([]compare.Side, len(arms)) // without steps where no step was valid
	tables := make([]*compare.Table, len(arms))
	for i, a := range arms {
		if at := slices.IndexFunc(measured, func(s compare.Side) bool { return s.Arm() == a }); at >= 0 {
			sides[i] = measured[at]
		}
		if i > 0 {
			tables[i] = compare.Between(sides[0], sides[i], compare.Effect)
		}
	}
	g := &document.Table{Head: []string{"req/s"}}
	for _, m := range means {
		for i, a := range arms {
			g.Head = append(g.Head, metricName(m)+" "+ArmName(a, arms))
			if i > 0 {
				g.Head = append(g.Head, "change")
			}
		}
	}
	for _, rate := range rates {
		row := []string{fmt.Sprintf("%g", rate)}
		for _, m := range means {
			_, baseSteps := sides[0].Typical(m, rate)
			for i := range arms {
				figure, steps := sides[i].Typical(m, rate)
				row = append(row, inUnit(m, figure))
				if i > 0 {
					row = append(row, change(tables[i], m, rate, max(baseSteps, steps)))
				}
			}
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// change is that of a metric at a rate with its verdict, or a dash where there is none. It
// says of how many pairs it is where the figures beside it are of more steps, up to so many.
func change(t *compare.Table, m compare.Metric, rate float64, steps int) string {
	at := slices.IndexFunc(t.Cells, func(c compare.Cell) bool { return c.Metric == m && c.RequestRate == rate })
	if at < 0 || t.Cells[at].Base == 0 || t.Cells[at].Other == 0 {
		return "–"
	}
	c := &t.Cells[at]
	text := percent(1+c.Change) + " " + marks[c.Word]
	if c.Method == stats.Pairs && c.BaseSteps < steps {
		text += fmt.Sprintf(" of %d pairs", c.BaseSteps)
	}
	return text
}

var marks = map[stats.Word]string{
	stats.Better: "better", stats.Worse: "worse", stats.NoDifference: "=", stats.Undetermined: "?",
}

// shown is a figure, or a dash where there is none.
func shown(has bool, format string, args ...any) string {
	if !has {
		return "–"
	}
	return fmt.Sprintf(format, args...)
}
