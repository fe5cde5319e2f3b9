// Package report writes the result of a run for people and programs.
package report

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"vllm_prober/internal/document"
	"vllm_prober/prober"
)

// Format is a form in which a result is written.
type Format string

// The formats.
const (
	Table    Format = "table"
	JSON     Format = "json"
	Markdown Format = "markdown"
	CSV      Format = "csv"
)

// Formats names all formats.
func Formats() []string {
	return []string{string(Table), string(JSON), string(Markdown), string(CSV)}
}

// Write writes a run's result. The forms for people also put arms side by side
// that have the same number of GPUs.
func Write(w io.Writer, format Format, r *prober.RunResult) error {
	write := (*document.Table).WriteAligned
	switch format {
	case JSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case CSV:
		return writeCSV(w, r)
	case Markdown:
		write = (*document.Table).WriteMarkdown
	case Table:
	}
	if err := write(english.stepTable(r), w); err != nil {
		return err
	}
	for _, c := range comparisons(r) {
		if _, err := fmt.Fprintf(w, "\n%s\n\n", c.title); err != nil {
			return err
		}
		if err := write(c.table, w); err != nil {
			return err
		}
	}
	if len(r.Answers) > 0 {
		if _, err := fmt.Fprint(w, "\nCapacity, and the highest request rate within the SLO\n\n"); err != nil {
			return err
		}
		if err := write(answers(r), w); err != nil {
			return err
		}
	}
	if r.Comparison != nil {
		if err := writeExperiment(w, write, r.Comparison); err != nil {
			return err
		}
	}
	if err := writeFailures(w, r); err != nil {
		return err
	}
	return writeFoot(w, r)
}

// stepTable has a row for each step.
func (s speaker) stepTable(r *prober.RunResult) *document.Table {
	shown := s.forPeople(r)
	return &document.Table{
		Head: headings(shown, func(c column) string { return s.say("column."+c.name, nil) }), Rows: rows(r, shown), Remark: true,
	}
}

// column is one column of a table, by its name for programs. Its heading for people, with
// the unit, is in the catalogue; one that has none there is for programs alone.
type column struct {
	name string
	cell func(*prober.StepResult) string
}

func (s speaker) columns() []column {
	latency := func(get func(*prober.Latencies) float64) func(*prober.StepResult) string {
		return func(r *prober.StepResult) string {
			if r.Latencies == nil {
				return "–"
			}
			return milliseconds(get(r.Latencies))
		}
	}
	return []column{
		{"target", func(r *prober.StepResult) string { return r.Arm.Target }},
		{"gpus", func(r *prober.StepResult) string { return fmt.Sprint(r.Arm.GPUs) }},
		{"batch_size", func(r *prober.StepResult) string { return batchSize(r.Arm) }},
		{"request_rate", func(r *prober.StepResult) string { return fmt.Sprintf("%g", r.RequestRate) }},
		{"throughput", counted("%.2f", func(r *prober.StepResult) float64 { return r.Throughput })},
		{"goodput", counted("%.2f", func(r *prober.StepResult) float64 { return r.Goodput })},
		{"bench_throughput", counted("%.2f", func(r *prober.StepResult) float64 { return r.BenchThroughput })},
		{"saturated", func(r *prober.StepResult) string { return s.called("saturated", string(r.Saturated)) }},
		{"slo_attainment_percent", counted("%.0f", func(r *prober.StepResult) float64 { return r.Attainment * 100 })},
		{"output_token_throughput", counted("%.0f", func(r *prober.StepResult) float64 { return r.OutputTokenThroughput })},
		{"ttft_mean_ms", latency(func(l *prober.Latencies) float64 { return l.TTFT.Mean })},
		{"ttft_p50_ms", latency(func(l *prober.Latencies) float64 { return l.TTFT.P50 })},
		{"ttft_p99_ms", latency(func(l *prober.Latencies) float64 { return l.TTFT.P99 })},
		{"tpot_mean_ms", latency(func(l *prober.Latencies) float64 { return l.TPOT.Mean })},
		{"tpot_p99_ms", latency(func(l *prober.Latencies) float64 { return l.TPOT.P99 })},
		{"e2e_mean_ms", latency(func(l *prober.Latencies) float64 { return l.E2E.Mean })},
		{"measured_ok", func(r *prober.StepResult) string { return fmt.Sprint(r.Outcomes[prober.Window][prober.OK]) }},
		{"measured_not_ok", func(r *prober.StepResult) string { return fmt.Sprint(notOK(r)) }},
		{"requests_running_mean", level(func(r *prober.ReplicaResult) *prober.Level { return r.Running })},
		{"requests_waiting_mean", level(func(r *prober.ReplicaResult) *prober.Level { return r.Waiting })},
		{"kv_cache_usage_max_percent", kvCachePercent},
		{joulesColumn, joulesPerToken},
		{"output_tokens_per_joule", gpuFigure("%.3f", 1, func(g *prober.GPUResult) *float64 { return g.OutputTokensPerJoule })},
		{"gpu_power_watts", gpuFigure("%.1f", 1, func(g *prober.GPUResult) *float64 { return g.PowerWatts })},
		{"gpu_utilization_percent", gpuFigure("%.0f", 100, func(g *prober.GPUResult) *float64 { return g.UtilizationRatio })},
		{"gpu_throttled", throttledBy},
		{"note", s.note},
	}
}

// joulesColumn is one that people see where one of the steps has a figure in it: most
// probers know no GPU.
const joulesColumn = "joules_per_output_token"

// forPeople are the columns that people see.
func (s speaker) forPeople(r *prober.RunResult) []column {
	metered := slices.ContainsFunc(r.Results, func(s prober.StepResult) bool { return s.GPU != nil && s.GPU.JoulesPerOutputToken != nil })
	return slices.DeleteFunc(s.columns(), func(c column) bool {
		_, headed := catalogue["column."+c.name]
		return !headed || c.name == joulesColumn && !metered
	})
}

func milliseconds(seconds float64) string { return fmt.Sprintf("%.1f", seconds*1000) }

func notOK(r *prober.StepResult) int {
	n := 0
	for outcome, count := range r.Outcomes[prober.Window] {
		if outcome != prober.OK {
			n += count
		}
	}
	return n
}

// Count is a number with its noun: 1 step, 2 steps.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// rows puts what is to be compared side by side: the arms of the same number of
// GPUs at the same request rate, always in the same order, whichever was first in
// the run.
func rows(r *prober.RunResult, columns []column) [][]string {
	results := slices.Clone(r.Results)
	slices.SortStableFunc(results, func(a, b prober.StepResult) int {
		return cmp.Or(a.Arm.GPUs-b.Arm.GPUs, cmp.Compare(a.RequestRate, b.RequestRate),
			a.Arm.BatchSize-b.Arm.BatchSize, cmp.Compare(a.Arm.Target, b.Arm.Target))
	})
	rows := make([][]string, len(results))
	for i := range results {
		for _, c := range columns {
			rows[i] = append(rows[i], c.cell(&results[i]))
		}
	}
	return rows
}

func headings(columns []column, of func(column) string) []string {
	var all []string
	for _, c := range columns {
		all = append(all, of(c))
	}
	return all
}

// writeFailures gives one example of each way in which requests of a step failed.
func writeFailures(w io.Writer, r *prober.RunResult) error {
	for i := range r.Results {
		s := &r.Results[i]
		for _, f := range s.Failures {
			if f.Outcome == prober.Aborted {
				continue // cut by the prober: the note says why
			}
			if _, err := fmt.Fprintf(w, "\n%s, %s, %g req/s: %s × %d, such as %s\n",
				s.Arm.Target, Count(s.Arm.GPUs, "GPU"), s.RequestRate, f.Outcome, f.Count, f.Example); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeFoot says what is needed to repeat a run.
func writeFoot(w io.Writer, r *prober.RunResult) error {
	_, err := fmt.Fprintf(w, "\nrun %s of probe %q, seed %d", r.ID, r.Probe, r.Seed)
	arms := make([]prober.Arm, len(r.Models))
	for i, m := range r.Models {
		arms[i] = m.Arm
	}
	for _, m := range r.Models {
		if err == nil {
			_, err = fmt.Fprintf(w, "; %s: model %s, %s", ArmName(m.Arm, arms), m.Model, Count(m.Arm.Replicas, "replica"))
		}
		if err == nil && len(m.Versions) > 0 {
			_, err = fmt.Fprintf(w, ", vLLM %s", strings.Join(m.Versions, " and "))
		}
	}
	if err == nil {
		_, err = fmt.Fprintln(w)
	}
	return err
}

func writeCSV(w io.Writer, r *prober.RunResult) error {
	c := csv.NewWriter(w)
	if err := c.Write(headings(english.columns(), func(c column) string { return c.name })); err != nil {
		return err
	}
	for _, row := range rows(r, english.columns()) {
		for i := range row {
			if row[i] == "–" {
				row[i] = "" // withheld is a missing value to a program
			}
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}
