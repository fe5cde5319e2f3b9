package report

import (
	"fmt"
	"io"
	"time"

	"vllm_prober/prober"
)

// WriteList writes runs as a table for people, a line each.
func WriteList(w io.Writer, runs []*prober.RunResult) error {
	g := grid{head: []string{"run", "probe", "started", "took", "steps", "valid", "result"}, remark: true}
	for _, r := range runs {
		valid := 0
		for i := range r.Results {
			if r.Results[i].Valid() {
				valid++
			}
		}
		took, result := "–", "not ended"
		if !r.EndedAt.IsZero() {
			took, result = r.EndedAt.Sub(r.StartedAt).Round(time.Second).String(), "success"
		}
		if r.Err != "" {
			result = r.Err
		}
		g.rows = append(g.rows, []string{
			r.ID, r.Probe, r.StartedAt.UTC().Format(time.DateTime), took,
			fmt.Sprintf("%d/%d", len(r.Results), r.Steps), fmt.Sprint(valid), result,
		})
	}
	return writeAligned(w, g)
}
