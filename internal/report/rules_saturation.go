package report

import (
	"fmt"
	"slices"

	"vllm_prober/internal/compare"
	"vllm_prober/prober"
)

// verdicts are the saturation verdicts of an arm's rates.
func verdicts(points []point) string {
	return evidence("saturated", func(p *point) string { return string(p.saturated) }, points)
}

// bounds are the highest rate that an arm was seen to bear and the lowest above it at
// which it was saturated, each nil where there is none, and the rates above the former
// of which nothing is known.
func bounds(points []point) (borne, over *point, unknown []float64) {
	for i := range points {
		if points[i].saturated == prober.Unsaturated {
			borne, unknown = &points[i], nil
		}
		if points[i].saturated == prober.Undetermined {
			unknown = append(unknown, points[i].rate)
		}
	}
	for i := range points {
		if p := &points[i]; p.saturated == prober.Saturated && (borne == nil || p.rate > borne.rate) {
			return borne, p, unknown
		}
	}
	return borne, nil, unknown
}

// contrary are the rates at which an arm was saturated although it was seen to bear a
// higher one.
func contrary(points []point) (rates []float64) {
	borne, _, _ := bounds(points)
	for _, p := range points {
		if borne != nil && p.saturated == prober.Saturated && p.rate < borne.rate {
			rates = append(rates, p.rate)
		}
	}
	return rates
}

// saturation says which rates each arm bears.
func saturation(d *reading) (found []finding) {
	for _, arm := range d.arms {
		points := d.points(arm)
		borne, over, unknown := bounds(points)
		against := contrary(points)
		say := func(rule string, v values) {
			v["arms"] = []prober.Arm{arm}
			found = append(found, finding{rule, v, verdicts(points)})
		}
		switch {
		case borne != nil && over != nil:
			say("saturation.between", values{"lower": borne.rate, "upper": over.rate})
			unknown = nil // what lies between is not of interest
		case borne != nil && len(unknown)+len(against) > 0:
			say("saturation.borne", values{"rate": borne.rate})
		case borne != nil:
			say("saturation.none", values{"rate": borne.rate})
		case over != nil && over.rate == points[0].rate:
			say("saturation.always", values{"rate": over.rate})
			unknown = nil
		case over != nil:
			say("saturation.over", values{"rate": over.rate})
			unknown = slices.DeleteFunc(unknown, func(rate float64) bool { return rate > over.rate })
		}
		if len(against) > 0 {
			say("saturation.contrary", values{"rates": against, "rate": borne.rate})
		}
		if len(unknown) > 0 {
			say("saturation.unknown", values{"rates": unknown})
		}
	}
	return found
}

// capacity says what the searches have found.
func capacity(d *reading) (found []finding) {
	for _, a := range d.result.Answers {
		if c := a.Capacity; c != nil {
			found = append(found, finding{
				"capacity.found",
				values{"arms": []prober.Arm{a.Arm}, "value": c.Value},
				fmt.Sprintf("capacity: %.4g, between %.4g and %.4g", c.Value, c.Lower, c.Upper),
			})
			found = append(found, d.exceeded(a)...)
		}
		if a.Err != "" {
			rule := "capacity.given_up"
			if a.Capacity != nil {
				rule = "search.cut"
			}
			found = append(found, finding{rule, values{"arms": []prober.Arm{a.Arm}, "reason": quote(a.Err)}, "search error: " + a.Err})
		}
	}
	return found
}

// exceeded says where an arm completed more than the capacity that its search has found,
// beyond chance and by more than a search may be off.
func (d *reading) exceeded(a prober.Answer) []finding {
	var most *prober.StepResult
	for _, p := range d.points(a.Arm) {
		for _, s := range p.steps {
			sure := compare.OfStep(s).Figures[compare.Throughput].Sure
			if sure == nil || sure.Interval(compare.Confidence).Lower <= (1+compare.Effect)*a.Capacity.Value {
				continue
			}
			if most == nil || s.Throughput > most.Throughput {
				most = s
			}
		}
	}
	if most == nil {
		return nil
	}
	v := values{"arms": []prober.Arm{a.Arm}, "value": most.Throughput, "rate": most.RequestRate}
	says := fmt.Sprintf("throughput: %.4g at %g; capacity: %.4g", most.Throughput, most.RequestRate, a.Capacity.Value)
	return []finding{{"capacity.exceeded", v, says}}
}

// sloKept says up to where each arm keeps the SLO: by its search, or else by its
// steps.
func sloKept(d *reading) (found []finding) {
	for _, arm := range d.arms {
		if e := d.answer(arm).SLORate; e != nil {
			found = append(found, finding{
				"slo.rate",
				values{"arms": []prober.Arm{arm}, "value": e.Value},
				fmt.Sprintf("slo_rate: %.4g, between %.4g and %.4g", e.Value, e.Lower, e.Upper),
			})
			continue
		}
		if !d.probe.SLO.IsSet() {
			continue
		}
		points := d.points(arm)
		var kept, missed *point
		for i := range points {
			p := &points[i]
			if p.mean(attainment) < d.probe.SLO.Attainment {
				missed = p
				break
			}
			kept = p
		}
		v := values{"arms": []prober.Arm{arm}}
		says := evidence("slo attainment", func(p *point) string { return fmt.Sprintf("%.3g", p.mean(attainment)) }, points) +
			fmt.Sprintf("; wanted %g", d.probe.SLO.Attainment)
		switch {
		case kept != nil && missed != nil:
			v["lower"], v["upper"], v["share"] = kept.rate, missed.rate, share(missed.mean(attainment))
			found = append(found, finding{"slo.between", v, says})
		case kept != nil:
			v["rate"] = kept.rate
			found = append(found, finding{"slo.kept", v, says})
		case missed != nil:
			v["rate"], v["share"] = missed.rate, share(missed.mean(attainment))
			found = append(found, finding{"slo.missed", v, says})
		}
	}
	return found
}

// scaling says how the most that arms complete grows with their GPUs. An arm's base is
// the one with the fewest GPUs of the same target, or else of the same batch size.
func scaling(d *reading) (found []finding) {
	for _, arm := range d.arms {
		base, has := d.scalesFrom(arm)
		if !has || d.isUnclear(arm) || d.isUnclear(base) {
			continue
		}
		most, isLimit := d.ceiling(arm)
		least, known := d.ceiling(base)
		gpus := float64(arm.GPUs) / float64(base.GPUs)
		says := fmt.Sprintf("capacity: %.4g (saturated: %t), %.4g (saturated: %t)", least, known, most, isLimit)
		v := values{"arm": arm, "base": base, "gpus": gpus}
		switch {
		case !known || least <= 0:
			found = append(found, finding{"scaling.unknown", v, says})
		default:
			v["times"], v["efficiency"] = most/least, share(most/least/gpus)
			rule := "scaling.factor"
			if !isLimit {
				rule = "scaling.at_least"
			}
			found = append(found, finding{rule, v, says})
		}
	}
	return found
}

// isUnclear says that an arm's steps say nothing of the most that it completes: it has no
// valid one, or they contradict each other and no search has judged them.
func (d *reading) isUnclear(arm prober.Arm) bool {
	points := d.points(arm)
	return len(points) == 0 || d.answer(arm).Capacity == nil && len(contrary(points)) > 0
}

// scalesFrom is the arm that one is a larger one of.
func (d *reading) scalesFrom(arm prober.Arm) (base prober.Arm, has bool) {
	for _, alike := range []func(prober.Arm) bool{
		func(a prober.Arm) bool { return a.Target == arm.Target },
		func(a prober.Arm) bool { return a.BatchSize == arm.BatchSize },
	} {
		for _, a := range d.arms { // by rising number of GPUs
			if a.GPUs > 0 && a.GPUs < arm.GPUs && alike(a) {
				return a, true
			}
		}
	}
	return base, false
}
