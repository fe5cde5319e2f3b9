package web

import (
	"fmt"
	"html/template"
	"math"
	"slices"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/results"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// drawing is a chart with its caption and its data as a table.
type drawing struct {
	Caption string
	SVG     template.HTML
	Data    chart.Table
	// Changes says in words where the level changed.
	Changes []string
}

// chance is the probability of a change that is shown where there is none, in each
// chart.
const chance = 0.01

// followed is a figure that is followed from run to run.
type followed struct {
	name string
	unit chart.Unit
	of   func(*prober.StepResult) float64
}

// The figures that are followed. NaN is what a step does not have.
var (
	followedTTFT = followed{"TTFT p50", chart.Seconds, func(s *prober.StepResult) float64 {
		if s.Latencies == nil || s.Latencies.TTFT.Count == 0 {
			return math.NaN()
		}
		return s.Latencies.TTFT.P50
	}}
	followedTPOT = followed{"mean TPOT", chart.Seconds, func(s *prober.StepResult) float64 {
		if s.Latencies == nil || s.Latencies.TPOT.Count == 0 {
			return math.NaN()
		}
		return s.Latencies.TPOT.Mean
	}}
)

// historyCharts follow each arm of the newest run that has ended through all of them,
// which are the newest first: at the highest request rate that it then bore, for it is there that
// the service works, and a capacity where it was searched for.
func historyCharts(records []*results.Record) (drawings []drawing) {
	records = slices.DeleteFunc(slices.Clone(records), func(r *results.Record) bool { return r.Outcome == "" || len(r.Steps) == 0 })
	if len(records) < 2 {
		return nil
	}
	slices.Reverse(records)
	for _, v := range verdictsOf(records[len(records)-1].Result()) {
		if rate := rateToFollow(records[len(records)-1], v); rate > 0 {
			for _, f := range []followed{followedTTFT, followedTPOT} {
				caption := fmt.Sprintf("%s at %g req/s: %s", f.name, rate, arm(v.Arm))
				drawings = appendDrawn(drawings, caption, f.unit, momentsOf(records, v.Arm, rate, f.of))
			}
		}
		if v.Capacity != nil {
			drawings = appendDrawn(drawings, "Capacity in req/s: "+arm(v.Arm), chart.Number, capacitiesOf(records, v.Arm))
		}
	}
	return drawings
}

// rateToFollow is the highest rate that an arm bore in a run, or else the lowest that
// it was asked at.
func rateToFollow(r *results.Record, v verdict) float64 {
	if v.BorneUpTo > 0 {
		return v.BorneUpTo
	}
	lowest := 0.0
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Arm == v.Arm && (lowest == 0 || s.RequestRate < lowest) {
			lowest = s.RequestRate
		}
	}
	return lowest
}

// momentsOf is the mean of a figure over an arm's valid steps at a rate, run by run; a
// gap where there is none.
func momentsOf(records []*results.Record, of prober.Arm, rate float64, figure func(*prober.StepResult) float64) (all []chart.Moment) {
	for _, r := range records {
		sum, n := 0.0, 0.0
		for i := range r.Steps {
			s := &r.Steps[i].StepResult
			if s.Arm != of || s.RequestRate != rate || !s.Valid() {
				continue
			}
			if x := figure(s); !math.IsNaN(x) {
				sum, n = sum+x, n+1
			}
		}
		all = append(all, moment(r, sum/n))
	}
	return all
}

// capacitiesOf are what the searches found of an arm.
func capacitiesOf(records []*results.Record, of prober.Arm) (all []chart.Moment) {
	for _, r := range records {
		m := moment(r, math.NaN())
		for _, a := range r.Answers {
			if a.Arm == of && a.Capacity != nil {
				m.Value, m.Lower, m.Upper = a.Capacity.Value, a.Capacity.Lower, a.Capacity.Upper
			}
		}
		all = append(all, m)
	}
	return all
}

func moment(r *results.Record, value float64) chart.Moment {
	return chart.Moment{At: r.StartedAt, Value: value, Note: r.ID, Link: "../runs/" + r.ID}
}

// windowCharts follow a heartbeat through its newest windows, which are the oldest
// first.
func windowCharts(windows []prober.StepResult) (drawings []drawing) {
	var arms []prober.Arm
	for i := range windows {
		if !slices.Contains(arms, windows[i].Arm) {
			arms = append(arms, windows[i].Arm)
		}
	}
	slices.SortFunc(arms, prober.Arm.Compare)
	for _, a := range arms {
		for _, f := range []followed{followedTTFT, followedTPOT} {
			var moments []chart.Moment
			for i := range windows {
				if s := &windows[i]; s.Arm == a {
					m := chart.Moment{At: s.EndedAt, Value: math.NaN()}
					if s.Valid() {
						m.Value = f.of(s)
					}
					moments = append(moments, m)
				}
			}
			drawings = appendDrawn(drawings, fmt.Sprintf("%s of each window: %s", f.name, arm(a)), f.unit, moments)
		}
	}
	return drawings
}

// appendDrawn draws a history of two known values or more.
func appendDrawn(drawings []drawing, caption string, unit chart.Unit, moments []chart.Moment) []drawing {
	var known []float64
	var at []int
	for i, m := range moments {
		if !math.IsNaN(m.Value) {
			known, at = append(known, m.Value), append(at, i)
		}
	}
	if len(known) < 2 {
		return drawings
	}
	h := chart.History{
		Title: caption, Y: chart.Axis{Unit: unit, Tight: true}, Moments: moments,
		Description: fmt.Sprintf("%d values from %s to %s, now %s.", len(known),
			unit.Format(slices.Min(known)), unit.Format(slices.Max(known)), unit.Format(known[len(known)-1])),
	}
	d := drawing{Caption: caption}
	changes := stats.ChangePoints(known, chance)
	for n, i := range changes {
		h.Changes = append(h.Changes, at[i])
		from, to := 0, len(known)
		if n > 0 {
			from = changes[n-1]
		}
		if n+1 < len(changes) {
			to = changes[n+1]
		}
		before, after := median(known[from:i]), median(known[i:to])
		d.Changes = append(d.Changes, fmt.Sprintf("The level changed at %s: from %s to %s, %+.1f%%.",
			moments[at[i]].At.UTC().Format("2006-01-02 15:04"), unit.Format(before), unit.Format(after), (after/before-1)*100))
	}
	d.SVG, d.Data = template.HTML(h.SVG()), h.Table("at", "run") //nolint:gosec // the chart escapes its texts
	return append(drawings, d)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return stats.Quantile(sorted, 0.5)
}
