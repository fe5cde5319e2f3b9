package report

import (
	"math"
	"slices"
	"strings"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/document"
	"vllm_prober/prober"
)

// breakdown says where the time of a request goes: the queue, prefill, the rest of
// TTFT, and the decoding.
func (w *writer) breakdown() []document.Block {
	table := &document.Table{Head: w.head("arm", "req_s", "ttft", "queue_told", "queue", "prefill", "rest", "queue_share", "tpot", "decode", "e2e")}
	var all []chart.Bars
	var names []string
	for _, arm := range w.d.arms {
		bars := chart.Bars{
			Title: w.arm(arm) + ": " + w.say("head.time", nil), Label: w.say("head.time", nil), Unit: chart.Seconds,
			Parts: w.head("queue_told", "queue", "prefill", "rest", "decode", "ttft_whole"),
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
			unknown := math.NaN()
			parts := []float64{unknown, unknown, unknown, unknown, whole - first, first}
			queueShare := "–"
			if queue, prefill, known := measured(p); known {
				parts = []float64{queue, unknown, prefill, first - queue - prefill, whole - first, unknown}
				queueShare = chart.Share.Format(queue / first)
			} else if queue, known := queued(points, p); known {
				parts = []float64{unknown, queue, unknown, first - queue, whole - first, unknown}
				queueShare = chart.Share.Format(queue / first)
			}
			bar := chart.Bar{Label: w.say("text.rate", values{"rate": p.rate}), Values: parts}
			row := []string{w.arm(arm), chart.Number.Format(p.rate), chart.Seconds.Format(first)}
			for _, part := range parts[:4] {
				row = append(row, chart.Seconds.Format(part))
			}
			table.Rows = append(table.Rows, append(row, queueShare, perToken, chart.Seconds.Format(whole-first), chart.Seconds.Format(whole)))
			bars.Rows = append(bars.Rows, bar)
			said = append(said, bar.Label+": "+chart.Seconds.Format(whole))
		}
		if len(bars.Rows) == 0 {
			continue
		}
		bars.Description = strings.Join(said, "; ")
		all, names = append(all, bars), append(names, w.arm(arm))
	}
	if len(all) == 0 {
		return nil
	}
	blocks := []document.Block{document.Paragraph(w.say("text.breakdown", nil))}
	for i, bars := range withoutEmptyParts(all) {
		data := bars.Table(w.say("head.e2e", nil))
		blocks = append(blocks, document.Block{Figure: &document.Figure{
			Caption: names[i], SVG: bars.SVG(), Data: document.Table{Head: data.Head, Rows: data.Rows},
		}})
	}
	return append(blocks, document.Block{Table: withoutUnknown(table)})
}

// measured is how long requests waited in the queue, and took from there to the first
// token, as the replicas measured it, in seconds. Theirs are the requests that completed
// from the window's opening on, and TTFT is of those that were intended in the window: the
// means of both are alike where no queue grows. It says false elsewhere, and where the
// figures cannot be of the same requests: others used the replicas, more than a third of theirs
// are of the warm-up and the drain, or both times together are more than TTFT.
func measured(p *point) (queue, prefill float64, known bool) {
	if p.saturated != prober.Unsaturated {
		return 0, 0, false
	}
	queue, knowsQueue := p.meanOf(spent(func(r *prober.ReplicaResult) *prober.Spent { return r.Queue }))
	prefill, knowsPrefill := p.meanOf(spent(func(r *prober.ReplicaResult) *prober.Spent { return r.Prefill }))
	return queue, prefill, knowsQueue && knowsPrefill && queue+prefill <= p.mean(ttftMean)
}

// spent is the mean of what a step's requests spent, in seconds, where that is told of few
// others.
func spent(of func(*prober.ReplicaResult) *prober.Spent) func(*prober.StepResult) (float64, bool) {
	return func(s *prober.StepResult) (float64, bool) {
		all, known := s.SpentOf(of)
		own := s.Reconciliation != nil && s.Reconciliation.Verdict == prober.Reconciled && 2*all.Requests <= 3*s.Latencies.TTFT.Count
		return all.Mean, known && own
	}
}

// withoutUnknown leaves out the columns of which no row knows anything.
func withoutUnknown(t *document.Table) *document.Table {
	kept := &document.Table{Rows: make([][]string, len(t.Rows))}
	for column, head := range t.Head {
		if !slices.ContainsFunc(t.Rows, func(row []string) bool { return row[column] != "–" }) {
			continue
		}
		kept.Head = append(kept.Head, head)
		for i, row := range t.Rows {
			kept.Rows[i] = append(kept.Rows[i], row[column])
		}
	}
	return kept
}

// withoutEmptyParts leaves out the parts that no bar has any of. The charts have the same
// parts, so that one looks alike in all.
func withoutEmptyParts(charts []chart.Bars) []chart.Bars {
	kept := slices.Clone(charts)
	for i, b := range charts {
		kept[i].Parts, kept[i].Rows = nil, make([]chart.Bar, len(b.Rows))
		for j, r := range b.Rows {
			kept[i].Rows[j].Label = r.Label
		}
	}
	for part, name := range charts[0].Parts {
		if !slices.ContainsFunc(charts, func(b chart.Bars) bool {
			return slices.ContainsFunc(b.Rows, func(r chart.Bar) bool { return r.Values[part] > 0 })
		}) {
			continue
		}
		for i, b := range charts {
			kept[i].Parts = append(kept[i].Parts, name)
			for j, r := range b.Rows {
				kept[i].Rows[j].Values = append(kept[i].Rows[j].Values, r.Values[part])
			}
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
