package report

import (
	"fmt"
	"io"
	"math"

	"vllm_prober/internal/config"
	"vllm_prober/internal/document"
	"vllm_prober/prober"
)

// writeExperiment writes which arm a comparison has found to be the best.
func writeExperiment(w io.Writer, write func(*document.Table, io.Writer) error, c *prober.Comparison) error {
	if c.Err != "" || len(c.Arms) == 0 {
		reason := c.Err
		if reason == "" {
			reason = "the run ended before it"
		}
		_, err := fmt.Fprintf(w, "\nNo comparison by %s: %s\n", by(c.By), reason)
		return err
	}
	arms := armsOf(c)
	verdict := "none does the most beyond chance"
	switch {
	case c.Best != nil:
		verdict = ArmName(*c.Best, arms) + " does the most"
	case tooFew(c):
		verdict = "too few steps were valid to name an arm"
	}
	if _, err := fmt.Fprintf(w, "\nCompared by %s at %g req/s, which saturates all: %s\n\n", by(c.By), c.RequestRate, verdict); err != nil {
		return err
	}
	g := &document.Table{Head: []string{"target", "GPUs", "batch", "steps", "done/s", "to " + ArmName(arms[0], arms), "from", "to"}}
	for _, a := range c.Arms {
		row := []string{
			a.Arm.Target, fmt.Sprint(a.Arm.GPUs), batchSize(a.Arm), fmt.Sprint(a.Repeats), shown(a.Repeats > 0, "%.2f", a.Throughput),
		}
		if i := a.ToBase; i != nil {
			row = append(row, percent(i.Value), percent(i.Lower), percent(i.Upper))
		} else {
			row = append(row, "–", "–", "–")
		}
		g.Rows = append(g.Rows, row)
	}
	return write(g, w)
}

func by(b config.CompareBy) string {
	if b == config.ByBatchSize {
		return "batch size"
	}
	return string(b)
}

// percent writes a multiple as a change.
func percent(ratio float64) string {
	tenths := math.Round((ratio - 1) * 1000)
	return fmt.Sprintf("%+.1f%%", (tenths+0)/10) // −0 + 0 is 0, which has no minus
}
