package report

import (
	"fmt"
	"io"
	"time"

	"vllm_prober/internal/document"
	"vllm_prober/prober"
)

// WriteList writes runs as a table for people, a line each.
func WriteList(w io.Writer, runs []*prober.RunResult) error {
	g := &document.Table{Head: []string{"run", "probe", "started", "took", "steps", "valid", "result"}, Remark: true}
	for _, r := range runs {
		valid := 0
		for i := range r.Results {
			if r.Results[i].Valid() {
				valid++
			}
		}
		made, known := progress(r)
		took := "–"
		if !r.EndedAt.IsZero() {
			took = r.EndedAt.Sub(r.StartedAt).Round(time.Second).String()
		}
		g.Rows = append(g.Rows, []string{
			r.ID, r.Probe, r.StartedAt.UTC().Format(time.DateTime), took,
			fmt.Sprintf("%d/%d", made, known), fmt.Sprint(valid), Ending(r),
		})
	}
	return g.WriteAligned(w)
}

// progress is how many steps a run has made, and of how many that are known of: searches
// add to those that were planned. A step that was made again counts once.
func progress(r *prober.RunResult) (made, known int) {
	last, _ := lastAttempts(r.Results)
	known = max(r.Steps, len(last))
	for i := range last {
		known = max(known, last[i].Known)
	}
	return len(last), known
}

// Ending says how a run ended, and why where it did not make all its steps.
func Ending(r *prober.RunResult) string {
	return english.show(ending{r.Outcome, r.Err})
}

// ending is how a run ended, and why where it did not make all its steps.
type ending struct {
	outcome prober.RunOutcome
	err     string
}

func (e ending) in(s speaker) string {
	switch {
	case e.outcome == "":
		return s.say("ending.none", nil)
	case e.err == "":
		return s.show(e.outcome)
	default:
		return s.say("ending.why", values{"outcome": e.outcome, "error": quote(e.err)})
	}
}
