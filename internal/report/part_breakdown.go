package report

import (
	"math"
	"slices"
	"strings"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/document"
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
			if !p.has(ttft) || !p.has(e2e) {
				continue
			}
			first, whole, perToken := p.mean(ttftMean), p.mean(e2eMean), "–"
			if p.has(tpot) {
				perToken = chart.Seconds.Format(p.mean(tpotMean))
			}
			parts := []float64{math.NaN(), math.NaN(), whole - first, first}
			queueShare := "–"
			if queue, known := queued(points, p); known {
				parts = []float64{queue, first - queue, whole - first, math.NaN()}
				queueShare = chart.Share.Format(queue / first)
			}
			bar := chart.Bar{Label: w.say("text.rate", values{"rate": p.rate}), Values: parts}
			table.Rows = append(table.Rows, []string{
				w.arm(arm), chart.Number.Format(p.rate), chart.Seconds.Format(first), chart.Seconds.Format(parts[0]), chart.Seconds.Format(parts[1]),
				queueShare, perToken, chart.Seconds.Format(whole - first), chart.Seconds.Format(whole),
			})
			bars.Rows = append(bars.Rows, bar)
			said = append(said, bar.Label+": "+chart.Seconds.Format(whole))
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

// withoutEmptyParts leaves out the parts that no bar has any of.
func withoutEmptyParts(b chart.Bars) chart.Bars {
	kept := chart.Bars{Title: b.Title, Description: b.Description, Label: b.Label, Unit: b.Unit, Rows: make([]chart.Bar, len(b.Rows))}
	for i, r := range b.Rows {
		kept.Rows[i].Label = r.Label
	}
	for part, name := range b.Parts {
		if !slices.ContainsFunc(b.Rows, func(r chart.Bar) bool { return r.Values[part] > 0 }) {
			continue
		}
		kept.Parts = append(kept.Parts, name)
		for i, r := range b.Rows {
			kept.Rows[i].Values = append(kept.Rows[i].Values, r.Values[part])
		}
	}
	return kept
}

// batchSize is what the replicas said of it at the highest rate of each arm.
func (w *writer) batchSize() []document.Block {
	table := &document.Table{Head: w.head("arm", "req_s", "declared", "running", "waiting", "word", "note"), Remark: true}
	declared := false
	for _, arm := range w.d.arms {
		declared = declared || arm.BatchSize > 0
		points := w.d.points(arm)
		if len(points) == 0 {
			continue
		}
		p := points[len(points)-1]
		running, waits := "–", "–"
		most, known := 0.0, false
		for _, s := range p.steps {
			for i := range s.Replicas {
				if l := s.Replicas[i].Running; l != nil {
					most, known = max(most, l.Max), true
				}
			}
		}
		if known {
			running = chart.Number.Format(most)
		}
		if waiting, known := p.meanOf(waitingMean); known {
			waits = chart.Number.Format(waiting)
		}
		size := "–"
		if arm.BatchSize > 0 {
			size = w.show(arm.BatchSize)
		}
		table.Rows = append(table.Rows, []string{
			w.arm(arm), chart.Number.Format(p.rate), size, running, waits, w.show(inForceOf(p.steps).Verdict), w.ran(p.steps),
		})
	}
	if !declared || len(table.Rows) == 0 {
		return nil
	}
	return []document.Block{document.Paragraph(w.say("text.batch", nil)), {Table: table}}
}
