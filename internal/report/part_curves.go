package report

import (
	"math"
	"strings"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/compare"
	"vllm_prober/internal/document"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// curve is a figure over the request rate, of each arm.
type curve struct {
	caption string // with the Y axis's label
	unit    chart.Unit
	of      func(*prober.StepResult) float64
	metric  compare.Metric                              // that its interval is of, where a step has one
	latency func(*prober.Latencies) prober.Distribution // that it is of; nil is none
	lines   []chart.Line
	offered bool // what is offered is drawn too
}

// throughput is how much the arms complete.
func (w *writer) throughput() []document.Block {
	if len(w.d.rates()) == 0 {
		return []document.Block{document.Paragraph(w.say("text.no_steps", nil))}
	}
	blocks := []document.Block{
		document.Paragraph(w.say("text.throughput", nil)),
		w.curve(curve{caption: w.say("head.completed", nil), of: throughput, metric: compare.Throughput, lines: w.capacities(), offered: true}),
	}
	if w.d.probe.SLO.IsSet() {
		blocks = append(blocks,
			w.curve(curve{caption: w.say("head.good", nil), of: goodput, metric: compare.Goodput, offered: true}),
			w.curve(curve{caption: w.say("head.kept", nil), unit: chart.Share, of: attainment, lines: []chart.Line{
				{At: w.d.probe.SLO.Attainment, OnY: true, Label: "SLO", Series: -1},
			}}))
	}
	return blocks
}

// latency is how long their answers take.
func (w *writer) latency() []document.Block {
	if len(w.d.rates()) == 0 {
		return nil
	}
	limit := func(seconds float64) (lines []chart.Line) {
		if seconds > 0 {
			lines = append(lines, chart.Line{At: seconds, OnY: true, Label: "SLO " + chart.Seconds.Format(seconds), Series: -1})
		}
		return lines
	}
	slo := w.d.probe.SLO
	p99 := func(of func(*prober.Latencies) prober.Distribution) func(*prober.StepResult) float64 {
		return func(s *prober.StepResult) float64 { return of(s.Latencies).P99 }
	}
	name := func(m compare.Metric) string { return w.show(m) }
	return []document.Block{
		w.curve(curve{name(compare.TTFTMean), chart.Seconds, ttftMean, compare.TTFTMean, ttft, limit(slo.TTFT.Seconds()), false}),
		w.curve(curve{name(compare.TTFTP99), chart.Seconds, p99(ttft), compare.TTFTP99, ttft, limit(slo.TTFT.Seconds()), false}),
		w.curve(curve{name(compare.TPOTMean), chart.Seconds, tpotMean, compare.TPOTMean, tpot, limit(slo.TPOT.Seconds()), false}),
		w.curve(curve{name(compare.TPOTP99), chart.Seconds, p99(tpot), compare.TPOTP99, tpot, limit(slo.TPOT.Seconds()), false}),
	}
}

// capacities are lines at what the searches have found; arms that were found the
// same have one.
func (w *writer) capacities() (lines []chart.Line) {
	for i, arm := range w.d.arms {
		c := w.d.answer(arm).Capacity
		if c == nil {
			continue
		}
		lines = append(lines, chart.Line{At: c.Value, OnY: true, Label: w.say("head.capacity_of", nil) + " " + w.arm(arm), Series: i})
		for _, before := range lines[:len(lines)-1] {
			if math.Abs(before.At-c.Value) < 0.01*c.Value {
				lines = lines[:len(lines)-1]
				break
			}
		}
	}
	return lines
}

// curve draws one.
func (w *writer) curve(c curve) document.Block {
	drawn := chart.Curves{
		Title: c.caption, X: chart.Axis{Label: w.say("head.rate", nil)}, Y: chart.Axis{Unit: c.unit}, Lines: c.lines,
	}
	var said []string
	for _, arm := range w.d.arms {
		s := chart.Series{Name: w.arm(arm)}
		for _, p := range w.d.points(arm) {
			if c.latency == nil || p.has(c.latency) {
				s.Points = append(s.Points, w.plotted(c, &p))
			}
		}
		drawn.Series = append(drawn.Series, s)
		if n := len(s.Points); n > 0 {
			said = append(said, w.say("text.describe", values{
				"what": s.Name, "lower": s.Points[0].X, "from": c.unit.Format(s.Points[0].Y),
				"upper": s.Points[n-1].X, "to": c.unit.Format(s.Points[n-1].Y),
			}))
		}
	}
	if rates := w.d.rates(); c.offered {
		most := rates[len(rates)-1]
		drawn.Series = append(drawn.Series, chart.Series{
			Name: w.say("head.offered", nil), Reference: true, Points: []chart.Point{{}, {X: most, Y: most}},
		})
	}
	drawn.Description = strings.Join(said, " ")
	data := drawn.Table()
	return document.Block{Figure: &document.Figure{Caption: c.caption, SVG: drawn.SVG(), Data: document.Table{Head: data.Head, Rows: data.Rows}}}
}

// plotted is the mean of a figure at a rate with its interval, and what was found
// there.
func (w *writer) plotted(c curve, p *point) chart.Point {
	at := chart.Point{X: p.rate, Y: p.mean(c.of), Note: w.show(p.saturated)}
	var each []float64
	for _, s := range p.steps {
		each = append(each, c.of(s))
	}
	interval, has := stats.Mean(each, compare.Confidence)
	if sure := compare.OfStep(p.steps[0]).Figures[c.metric].Sure; !has && sure != nil {
		interval, has = sure.Interval(compare.Confidence), true
	}
	if has {
		at.Lower, at.Upper = max(interval.Lower, 0), interval.Upper
		if c.unit == chart.Share {
			at.Upper = min(at.Upper, 1)
		}
	}
	return at
}
