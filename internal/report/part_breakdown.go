package report

import (
	"slices"
	"strings"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/document"
	"vllm_prober/prober"
)

// breakdown says where the time of a request goes: the wait for a slot as an estimate,
// the rest of TTFT, and the decoding.
func (w *writer) breakdown() []document.Block {
	table := &document.Table{Head: w.head("arm", "req_s", "ttft", "queue", "prefill", "queue_share", "tpot", "decode", "e2e")}
	var figures []document.Block
	for _, arm := range w.d.arms {
		bars := chart.Bars{
			Title: w.arm(arm) + ": " + w.say("head.time", nil), Label: w.say("head.time", nil), Unit: chart.Seconds,
			Parts: w.head("queue", "prefill", "decode", "ttft_whole"),
		}
		var said []string
		points := w.d.points(arm)
		for i := range points {
			p := &points[i]
			if !p.latencies() {
				continue
			}
			ttft, tpot, e2e := p.mean(ttftMean), p.mean(tpotMean), p.mean(e2eMean)
			row := []string{w.arm(arm), chart.Number.Format(p.rate), chart.Seconds.Format(ttft)}
			bar := chart.Bar{Label: w.say("text.rate", values{"rate": p.rate}), Values: []float64{0, 0, e2e - ttft, ttft}}
			if queue, known := p.queued(noQueue(points, p)); known {
				bar.Values = []float64{queue, ttft - queue, e2e - ttft, 0}
				row = append(row, chart.Seconds.Format(queue), chart.Seconds.Format(ttft-queue), chart.Share.Format(queue/ttft))
			} else {
				row = append(row, "–", "–", "–")
			}
			table.Rows = append(table.Rows, append(row, chart.Seconds.Format(tpot), chart.Seconds.Format(e2e-ttft), chart.Seconds.Format(e2e)))
			bars.Rows = append(bars.Rows, bar)
			said = append(said, bar.Label+": "+chart.Seconds.Format(e2e))
		}
		if len(bars.Rows) == 0 {
			continue
		}
		bars.Description = strings.Join(said, "; ")
		bars = withoutEmptyParts(bars)
		data := bars.Table(w.say("head.e2e", nil))
		figures = append(figures, document.Block{Figure: &document.Figure{
			Caption: w.arm(arm), SVG: bars.SVG(), Data: document.Table{Head: data.Head, Rows: data.Rows},
		}})
	}
	if len(figures) == 0 {
		return nil
	}
	return slices.Concat([]document.Block{document.Paragraph(w.say("text.breakdown", nil))}, figures, []document.Block{{Table: table}})
}

// withoutEmptyParts leaves out the last part where no bar has any of it.
func withoutEmptyParts(b chart.Bars) chart.Bars {
	last := len(b.Parts) - 1
	for _, r := range b.Rows {
		if r.Values[last] > 0 {
			return b
		}
	}
	b.Parts = b.Parts[:last]
	return b
}

// batchSize is what the replicas said of it at the highest rate of each arm.
func (w *writer) batchSize() []document.Block {
	table := &document.Table{Head: w.head("arm", "req_s", "declared", "running", "waiting", "word", "note")}
	declared := false
	for _, arm := range w.d.arms {
		declared = declared || arm.BatchSize > 0
		points := w.d.points(arm)
		if len(points) == 0 {
			continue
		}
		p := points[len(points)-1]
		s := p.steps[0]
		running, waits := "–", "–"
		most, known := 0.0, false
		for i := range s.Replicas {
			if l := s.Replicas[i].Running; l != nil {
				most, known = max(most, l.Max), true
			}
		}
		if known {
			running = chart.Number.Format(most)
		}
		if waiting, known := s.LevelOf(func(r *prober.ReplicaResult) *prober.Level { return r.Waiting }); known {
			waits = chart.Number.Format(waiting.Mean)
		}
		verdict, _ := s.InForce()
		if verdict.Verdict == "" {
			verdict.Verdict = prober.InForceUnknown
		}
		size := "–"
		if arm.BatchSize > 0 {
			size = w.show(arm.BatchSize)
		}
		table.Rows = append(table.Rows, []string{
			w.arm(arm), chart.Number.Format(p.rate), size, running, waits, w.say("verdict."+string(verdict.Verdict), nil), verdict.Detail,
		})
	}
	if !declared || len(table.Rows) == 0 {
		return nil
	}
	return []document.Block{document.Paragraph(w.say("text.batch", nil)), {Table: table}}
}
