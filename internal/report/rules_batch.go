package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vllm_prober/internal/compare"
	"vllm_prober/prober"
)

// inForce says whether the declared batch sizes are what the replicas run with.
func inForce(d *reading) (found []finding) {
	for _, arm := range d.arms {
		if arm.BatchSize > 0 {
			found = append(found, d.armInForce(arm)...)
		}
	}
	for _, p := range d.pairs {
		if rule := d.notTheCause(p); rule != "" && p.base.BatchSize != p.other.BatchSize {
			found = append(found, finding{rule, values{"base": p.base, "other": p.other}, fmt.Sprintf(
				"in force: %s of %s, %s of %s", d.verdict(p.base), ArmName(p.base, d.arms), d.verdict(p.other), ArmName(p.other, d.arms))})
		}
	}
	return found
}

// verdict is that on an arm's batch size which matters most, of its valid steps.
func (d *reading) verdict(arm prober.Arm) prober.InForceVerdict {
	return inForceOf(d.steps(arm)).Verdict
}

// inForceOf is the verdict of the steps that matters most; unknown where none has one.
func inForceOf(steps []*prober.StepResult) prober.InForce {
	for _, verdict := range prober.InForceVerdicts() {
		for _, s := range steps {
			if v, known := s.InForce(); known && v.Verdict == verdict {
				return v
			}
		}
	}
	return prober.InForce{Verdict: prober.InForceUnknown}
}

// notTheCause says by which rule a difference between two arms cannot come from their
// batch sizes: one of them is not in force, or neither limited anything.
func (d *reading) notTheCause(p pair) (rule string) {
	switch a, b := d.verdict(p.base), d.verdict(p.other); {
	case a == prober.NotInForce || b == prober.NotInForce:
		return "batch.no_cause"
	case a == prober.DidNotBind && b == prober.DidNotBind:
		return "batch.neither"
	default:
		return ""
	}
}

// armInForce is the verdict on one arm in a sentence.
func (d *reading) armInForce(arm prober.Arm) []finding {
	v := values{"arms": []prober.Arm{arm}, "size": arm.BatchSize}
	points := d.points(arm)
	says := evidence("in force", func(p *point) string {
		var each []string
		for _, s := range p.steps {
			if verdict, known := s.InForce(); known && !slices.Contains(each, string(verdict.Verdict)) {
				each = append(each, string(verdict.Verdict))
			}
		}
		return strings.Join(each, " or ")
	}, points)
	switch d.verdict(arm) {
	case prober.NotInForce:
		most, exceeded := mostRunning(d.steps(arm))
		v["ran"] = most
		rule := "batch.other_limit"
		if exceeded {
			rule = "batch.exceeded"
		}
		return []finding{{rule, v, says}}
	case prober.Bound:
		var rates []float64
		for _, p := range points {
			if inForceOf(p.steps).Verdict == prober.Bound {
				rates = append(rates, p.rate)
			}
		}
		v["rates"] = rates
		return []finding{{"batch.bound", v, says}}
	case prober.DidNotBind:
		return []finding{{"batch.did_not_bind", v, says}}
	default:
		return d.byLaw(arm)
	}
}

// byLaw is what the arm's figures say of its batch size where its replicas do not.
func (d *reading) byLaw(arm prober.Arm) []finding {
	for _, f := range compare.Findings(d.side(arm).Steps) {
		if f.Kind == compare.NotInForce || f.Kind == compare.Impossible {
			v := values{"arms": []prober.Arm{arm}, "detail": f}
			return []finding{{"batch.law", v, fmt.Sprintf("finding: %s at %g", f.Kind, f.RequestRate)}}
		}
	}
	return nil
}

// mostRunning is the most requests that ran on a replica where the batch size is not in
// force, and whether one ran more than that allows. A record that does not tell how many
// those are is of a release that took one engine for granted.
func mostRunning(steps []*prober.StepResult) (most float64, exceeded bool) {
	for _, s := range steps {
		for i := range s.Replicas {
			r := &s.Replicas[i]
			if r.Running == nil || r.InForce.Verdict != prober.NotInForce {
				continue
			}
			most = max(most, r.Running.Max)
			exceeded = exceeded || r.Running.Max > float64(cmp.Or(r.InForce.Allowed, s.Arm.BatchSize))
		}
	}
	return most, exceeded
}
