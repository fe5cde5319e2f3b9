package report

import (
	"strings"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/document"
	"vllm_prober/prober"
)

// scaling is what more GPUs bring.
func (w *writer) scaling() []document.Block {
	table := &document.Table{Head: w.head("arm", "gpus", "capacity", "per_gpu", "base", "times", "efficiency")}
	compared := false
	for _, arm := range w.d.arms {
		most, isLimit := w.d.ceiling(arm)
		if most == 0 || arm.GPUs == 0 {
			continue
		}
		bound := func(x string) string {
			if isLimit {
				return x
			}
			return w.say("head.at_least", values{"value": x})
		}
		row := []string{
			w.arm(arm), w.show(arm.GPUs), bound(chart.Number.Format(most)), bound(chart.Number.Format(most / float64(arm.GPUs))), "–", "–", "–",
		}
		if base, has := w.d.scalesFrom(arm); has {
			compared = true
			row[4] = w.arm(base)
			if least, known := w.d.ceiling(base); known && least > 0 {
				factor := most / least
				row[5], row[6] = bound(chart.Number.Format(factor)), bound(chart.Share.Format(factor*float64(base.GPUs)/float64(arm.GPUs)))
			}
		}
		table.Rows = append(table.Rows, row)
	}
	if !compared {
		return nil
	}
	return []document.Block{document.Paragraph(w.say("text.scaling", nil)), {Table: table}}
}

// saturation is what each arm bears, and what searches and experiments have found.
func (w *writer) saturation() []document.Block {
	rates := func(points []point, is prober.Saturation) string {
		var all []string
		for _, p := range points {
			if p.saturated == is {
				all = append(all, chart.Number.Format(p.rate))
			}
		}
		if len(all) == 0 {
			return "–"
		}
		return strings.Join(all, ", ")
	}
	estimate := func(e *prober.Estimate) string {
		if e == nil {
			return "–"
		}
		return chart.Number.Format(e.Value)
	}
	table := &document.Table{Head: w.head("arm", "borne", "unknown", "over", "capacity", "slo_rate", "note"), Remark: true}
	for _, arm := range w.d.arms {
		points := w.d.points(arm)
		if len(points) == 0 {
			continue
		}
		a := w.d.answer(arm)
		table.Rows = append(table.Rows, []string{
			w.arm(arm), rates(points, prober.Unsaturated), rates(points, prober.Undetermined), rates(points, prober.Saturated),
			estimate(a.Capacity), estimate(a.SLORate), w.show(quote(a.Err)),
		})
	}
	if len(table.Rows) == 0 {
		return nil
	}
	blocks := []document.Block{{Table: table}}
	if c := w.d.result.Comparison; c != nil && len(c.Arms) > 0 {
		arms := speaker{w.language, armsOf(c)}
		found := &document.Table{
			Caption: arms.say("title.experiment", values{"rate": c.RequestRate, "base": c.Arms[0].Arm}),
			Head:    w.head("arm", "repeats", "settled", "change", "interval"),
		}
		for _, a := range c.Arms {
			row := []string{arms.arm(a.Arm), w.show(a.Repeats), chart.Number.Format(a.Throughput), "–", "–"}
			if i := a.ToBase; i != nil {
				row[3], row[4] = signed(i.Value-1), toBase(a)
			}
			found.Rows = append(found.Rows, row)
		}
		blocks = append(blocks, document.Block{Table: found})
	}
	return blocks
}

// energy is what an output token costs.
func (w *writer) energy() []document.Block {
	drawn := chart.Curves{
		Title: w.say("head.joules", nil), X: chart.Axis{Label: w.say("head.rate", nil)},
	}
	table := &document.Table{Head: w.head("arm", "req_s", "joules", "watts", "utilization", "throttled")}
	mean := func(p point, unit chart.Unit, of func(*prober.GPUResult) *float64) string {
		x, known := p.meanOf(ofGPUs(of))
		if !known {
			return "–"
		}
		return unit.Format(x)
	}
	for _, arm := range w.d.arms {
		known, each := joules(w.d.points(arm))
		s := chart.Series{Name: w.arm(arm)}
		for i, p := range known {
			s.Points = append(s.Points, chart.Point{X: p.rate, Y: each[i]})
			table.Rows = append(table.Rows, []string{
				w.arm(arm), chart.Number.Format(p.rate), chart.Number.Format(each[i]),
				mean(p, chart.Number, func(g *prober.GPUResult) *float64 { return g.PowerWatts }),
				mean(p, chart.Share, func(g *prober.GPUResult) *float64 { return g.UtilizationRatio }), w.throttledIn(p.steps),
			})
		}
		drawn.Series = append(drawn.Series, s)
	}
	if len(table.Rows) == 0 {
		return nil
	}
	drawn.Description = w.say("text.energy", nil)
	data := drawn.Table()
	return []document.Block{
		document.Paragraph(w.say("text.energy", nil)),
		{Figure: &document.Figure{Caption: drawn.Title, SVG: drawn.SVG(), Data: document.Table{Head: data.Head, Rows: data.Rows}}},
		{Table: table},
	}
}
