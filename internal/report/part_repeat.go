package report

import (
	"fmt"
	"strings"
	"time"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/config"
	"vllm_prober/internal/document"
	"vllm_prober/prober"
)

// doubts are the notes of all steps that have one: what is withheld, and why, and
// what a reader has to know of the rest.
func (w *writer) doubts() []document.Block {
	table := &document.Table{Head: w.head("arm", "req_s", "note"), Remark: true}
	for i := range w.d.aborted {
		s := &w.d.aborted[i]
		table.Rows = append(table.Rows, []string{w.arm(s.Arm), chart.Number.Format(s.RequestRate), w.note(s) + "; " + w.say("text.made_again", nil)})
	}
	for i := range w.d.result.Results {
		s := &w.d.result.Results[i]
		if note := w.note(s); note != "" {
			table.Rows = append(table.Rows, []string{w.arm(s.Arm), chart.Number.Format(s.RequestRate), note})
		}
	}
	if len(table.Rows) == 0 {
		return []document.Block{document.Paragraph(w.say("text.nothing_withheld", nil))}
	}
	blocks := []document.Block{{Table: table}}
	for i := range w.d.result.Results {
		s := &w.d.result.Results[i]
		for _, f := range s.Failures {
			if f.Outcome != prober.Aborted {
				blocks = append(blocks, document.Paragraph(w.say("note.failure", values{
					"arm": s.Arm, "rate": s.RequestRate, "count": f.Count, "outcome": f.Outcome, "example": quote(f.Example),
				})))
			}
		}
	}
	return blocks
}

// figures is the table that run prints.
func (w *writer) figures() []document.Block {
	if len(w.d.result.Results) == 0 {
		return nil
	}
	return []document.Block{{Table: w.stepTable(w.d.result)}}
}

// howToRepeat has what is needed for that.
func (w *writer) howToRepeat() []document.Block {
	row := func(name string, v values, value string) []string { return []string{w.say("head."+name, v), value} }
	table := &document.Table{Head: w.head("thing", "value"), Rows: [][]string{
		row("started", nil, w.d.StartedAt.UTC().Format(time.RFC3339)),
	}}
	add := func(name string, v values, value string) { table.Rows = append(table.Rows, row(name, v, value)) }
	if !w.d.EndedAt.IsZero() {
		add("ended", nil, w.d.EndedAt.UTC().Format(time.RFC3339))
	}
	add("seed", nil, fmt.Sprint(w.d.Seed))
	add("prober", nil, fmt.Sprintf("%s (%s)", w.d.Prober.Version, w.d.Prober.Revision))
	for _, m := range w.d.Models {
		value := m.Model
		if len(m.Versions) > 0 {
			value += ", vLLM " + strings.Join(m.Versions, ", ")
		}
		add("model", values{"arm": m.Arm}, value)
	}
	if p := w.d.probe; p.Name != "" {
		add("workload", nil, w.say("text.tokens", values{
			"endpoint": p.Workload.Endpoint, "process": p.Pacing.Process,
			"prompt": tokens(p.Workload.PromptTokens), "output": tokens(p.Workload.OutputTokens),
		}))
		add("steps_of", nil, w.say("text.ladder", values{
			"warmup": seconds(p.Ladder.Warmup.Seconds()), "window": seconds(p.Ladder.Window.Seconds()), "repeats": p.Ladder.Repeats,
		}))
		if w.d.probe.SLO.IsSet() {
			add("slo", nil, w.slo())
		}
	}
	command := "vllm_prober run --config.file FILE --probe " + w.d.Probe
	return []document.Block{
		{Table: table}, document.Paragraph(w.say("text.repeat", nil)), {Code: command}, {Code: w.d.Configuration},
	}
}

// slo is what the probe asks for in words.
func (w *writer) slo() string {
	var limits []string
	for _, l := range []struct {
		name  string
		limit time.Duration
	}{{"TTFT", w.d.probe.SLO.TTFT}, {"TPOT", w.d.probe.SLO.TPOT}, {"E2E", w.d.probe.SLO.E2E}} {
		if l.limit > 0 {
			limits = append(limits, fmt.Sprintf("%s ≤ %s", l.name, w.show(seconds(l.limit.Seconds()))))
		}
	}
	return w.say("text.slo", values{"limits": strings.Join(limits, ", "), "share": share(w.d.probe.SLO.Attainment)})
}

// tokens is a length in words.
func tokens(l config.Length) string {
	switch {
	case l.Uniform != nil:
		return fmt.Sprintf("%d–%d", l.Uniform.Min, l.Uniform.Max)
	case l.Lognormal != nil:
		return fmt.Sprintf("%d–%d (p50 %g)", l.Lognormal.Min, l.Lognormal.Max, l.Lognormal.Median)
	default:
		return fmt.Sprint(l.Fixed)
	}
}
