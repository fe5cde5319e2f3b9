package report

import (
	"cmp"
	"fmt"
	"slices"

	"vllm_prober/internal/document"
	"vllm_prober/prober"
)

// comparison puts the arms of one number of GPUs side by side.
type comparison struct {
	title string
	table *document.Table
}

// measure is a figure that arms are compared by. It says false where a step has
// none.
type measure struct {
	heading string
	value   func(*prober.StepResult) (float64, bool)
	digits  int
}

var measures = []measure{
	{"done/s", func(r *prober.StepResult) (float64, bool) { return r.Throughput, r.Valid() }, 2},
	{"TTFT ms", latencyMean(func(l *prober.Latencies) prober.Distribution { return l.TTFT }), 1},
	{"TPOT ms", latencyMean(func(l *prober.Latencies) prober.Distribution { return l.TPOT }), 1},
}

func latencyMean(of func(*prober.Latencies) prober.Distribution) func(*prober.StepResult) (float64, bool) {
	return func(r *prober.StepResult) (float64, bool) {
		if r.Latencies == nil {
			return 0, false
		}
		d := of(r.Latencies)
		return d.Mean * 1000, d.Count > 0
	}
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
		arms, rates, cells := cellsWith(r, n)
		if len(arms) < 2 || len(rates) == 0 {
			continue
		}
		all = append(all, comparison{
			title: fmt.Sprintf("%s: %s as base, and the change to it; one run cannot say what part of a change is chance",
				Count(n, "GPU"), ArmName(arms[0], arms)),
			table: sideBySide(arms, rates, cells),
		})
	}
	return all
}

// cell is the place of a step in a comparison.
type cell struct {
	arm  prober.Arm
	rate float64
}

// cellsWith finds the arms with so many GPUs, by rising batch size, the request
// rates that several of them had, and the steps of both.
func cellsWith(r *prober.RunResult, gpus int) (arms []prober.Arm, rates []float64, cells map[cell][]*prober.StepResult) {
	cells = map[cell][]*prober.StepResult{}
	armsAt := map[float64]int{}
	for i := range r.Results {
		s := &r.Results[i]
		if s.Arm.GPUs != gpus {
			continue
		}
		at := cell{s.Arm, s.RequestRate}
		if cells[at] == nil {
			arms = append(arms, s.Arm)
			if armsAt[s.RequestRate]++; armsAt[s.RequestRate] == 2 {
				rates = append(rates, s.RequestRate)
			}
		}
		cells[at] = append(cells[at], s)
	}
	slices.SortFunc(arms, func(a, b prober.Arm) int {
		return cmp.Or(a.BatchSize-b.BatchSize, cmp.Compare(a.Target, b.Target), a.Replicas-b.Replicas)
	})
	slices.Sort(rates)
	return slices.Compact(arms), rates, cells
}

// sideBySide has a row for each request rate and, for each measure, a column for
// each arm and one for the change of each arm but the first.
func sideBySide(arms []prober.Arm, rates []float64, cells map[cell][]*prober.StepResult) *document.Table {
	g := &document.Table{Head: []string{"req/s"}}
	for _, m := range measures {
		for i, a := range arms {
			g.Head = append(g.Head, m.heading+" "+ArmName(a, arms))
			if i > 0 {
				g.Head = append(g.Head, "change")
			}
		}
	}
	for _, rate := range rates {
		row := []string{fmt.Sprintf("%g", rate)}
		for _, m := range measures {
			base, hasBase := valueAt(m, cells[cell{arms[0], rate}])
			for i, a := range arms {
				x, has := valueAt(m, cells[cell{a, rate}])
				row = append(row, shown(has, "%.*f", m.digits, x))
				if i > 0 {
					row = append(row, shown(has && hasBase && base > 0, "%s", percent(x/base)))
				}
			}
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// valueAt is the mean of a measure over the repeats of a step.
func valueAt(m measure, steps []*prober.StepResult) (float64, bool) {
	sum, n := 0.0, 0.0
	for _, s := range steps {
		if x, has := m.value(s); has {
			sum += x
			n++
		}
	}
	return sum / max(n, 1), n > 0
}

// shown is a figure, or a dash where there is none.
func shown(has bool, format string, args ...any) string {
	if !has {
		return "–"
	}
	return fmt.Sprintf(format, args...)
}
