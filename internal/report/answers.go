package report

import (
	"fmt"

	"vllm_prober/internal/document"
	"vllm_prober/prober"
)

// answers is the table of what the searches have found, in requests per second:
// each rate with those that it lies between.
func answers(r *prober.RunResult) *document.Table {
	g := &document.Table{Head: []string{
		"target", "GPUs", "batch", "capacity", "borne", "too much", "SLO rate", "kept", "missed", "steps", "note",
	}, Remark: true}
	for i := range r.Answers {
		a := &r.Answers[i]
		row := []string{a.Arm.Target, fmt.Sprint(a.Arm.GPUs), batchSize(a.Arm)}
		for _, e := range []*prober.Estimate{a.Capacity, a.SLORate} {
			if e == nil {
				row = append(row, "–", "–", "–")
				continue
			}
			row = append(row, fmt.Sprintf("%.3g", e.Value), shown(e.Lower > 0, "%.3g", e.Lower), fmt.Sprintf("%.3g", e.Upper))
		}
		g.Rows = append(g.Rows, append(row, fmt.Sprint(a.Steps), a.Err))
	}
	return g
}

func batchSize(a prober.Arm) string {
	return shown(a.BatchSize > 0, "%d", a.BatchSize)
}
