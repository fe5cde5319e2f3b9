package report

import (
	"fmt"
	"slices"
	"strings"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/compare"
	"vllm_prober/internal/document"
	"vllm_prober/internal/stats"
)

// armsSideBySide has the arms of each number of GPUs, each against the first.
func (w *writer) armsSideBySide() (blocks []document.Block) {
	for _, p := range w.d.pairs {
		blocks = append(blocks, w.contrast(p.contrast())...)
	}
	return blocks
}

// sinceBefore has each arm against itself in the runs before.
func (w *writer) sinceBefore() (blocks []document.Block) {
	for _, c := range w.d.since {
		blocks = append(blocks, w.contrast(c)...)
	}
	return blocks
}

// contrast has a table of the means, as people make it, and one of all figures.
func (w *writer) contrast(c contrast) []document.Block {
	blocks := []document.Block{document.Paragraph(w.say("text.arms", values{
		"base": c.base, "effect": share(c.table.Effect), "method": w.methods(c.table),
	}))}
	if means := w.means(c); len(means.Rows) > 0 {
		blocks = append(blocks, document.Block{Table: means})
	}
	return append(blocks, document.Block{Table: w.cells(c)})
}

// methods says where a table's intervals come from.
func (w *writer) methods(t *compare.Table) string {
	var methods []stats.Method
	for i := range t.Cells {
		if m := t.Cells[i].Method; m != "" && !slices.Contains(methods, m) {
			methods = append(methods, m)
		}
	}
	if len(methods) == 0 {
		return w.say("method.", nil)
	}
	said := make([]string, len(methods))
	for i, m := range methods {
		said[i] = w.say("method."+string(m), nil)
	}
	return strings.Join(said, " ")
}

// means has a row for each request rate, and for each mean both arms and the change.
func (w *writer) means(p contrast) *document.Table {
	t := &document.Table{Caption: w.say("title.means", values{"base": p.base, "other": p.other}), Head: w.head("req_s")}
	for _, m := range means {
		t.Head = append(t.Head, w.show(m)+": "+w.show(p.base), w.show(p.other), w.say("head.change", nil))
	}
	var rates []float64
	for _, c := range p.table.Cells {
		if !c.Metric.IsAnswer() {
			rates = append(rates, c.RequestRate)
		}
	}
	for at, rate := range slices.Compact(rates) {
		row := []string{chart.Number.Format(rate)}
		for _, m := range means {
			i := slices.IndexFunc(p.table.Cells, func(c compare.Cell) bool { return c.RequestRate == rate && c.Metric == m })
			if i < 0 {
				row = append(row, "–", "–", "–")
				continue
			}
			c := &p.table.Cells[i]
			row = append(row, figure(m, c.Base), figure(m, c.Other), cellChange(c)+": "+w.word(c))
			t.Mark(at, len(row)-1, tones[c.Word])
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// cells has a row for each figure.
func (w *writer) cells(p contrast) *document.Table {
	t := &document.Table{
		Caption: w.say("title.cells", values{"base": p.base, "other": p.other}), Folded: true,
		Head: append(w.head("req_s", "metric"), w.show(p.base), w.show(p.other)),
	}
	word := len(t.Head) + 2 // an arm may have the name of any head
	t.Head = append(t.Head, w.head("change", "interval", "word", "repeats", "why")...)
	for i := range p.table.Cells {
		c := &p.table.Cells[i]
		interval, why := "–", w.reason(c.Reason)
		if c.Interval != nil {
			interval = intervalOf(c)
		}
		if c.NeededRepeats > 0 {
			needs := "needs"
			if c.Metric.IsAnswer() {
				needs = "needs.runs"
			}
			why += "; " + w.say(needs, values{"repeats": c.NeededRepeats})
		}
		moved := "–"
		if c.Base > 0 && c.Other > 0 {
			moved = signed(c.Change)
		}
		rate := "–"
		if c.RequestRate > 0 {
			rate = chart.Number.Format(c.RequestRate)
		}
		t.Mark(i, word, tones[c.Word])
		t.Rows = append(t.Rows, []string{
			rate, w.show(c.Metric), figure(c.Metric, c.Base), figure(c.Metric, c.Other),
			moved, interval, w.word(c), fmt.Sprintf("%d / %d", c.BaseSteps, c.OtherSteps), why,
		})
	}
	return t
}

// tones are those of the words.
var tones = map[stats.Word]document.Tone{
	stats.Better: document.Good, stats.Worse: document.Bad, stats.NoDifference: document.Plain, stats.Undetermined: document.Open,
}

// word is the verdict on a cell.
func (w *writer) word(c *compare.Cell) string {
	if c.Word == stats.NoDifference {
		return w.say("word.beyond", values{"beyond": margin(c.Beyond)})
	}
	return w.show(c.Word)
}

// figure is a metric's value; 0 is none.
func figure(m compare.Metric, x float64) string {
	switch {
	case x == 0:
		return "–"
	case m.IsLatency():
		return chart.Seconds.Format(x)
	default:
		return chart.Number.Format(x)
	}
}
