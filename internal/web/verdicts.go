package web

import (
	"slices"
	"time"

	"vllm_prober/prober"
)

// verdict is what a run says of one of its arms.
type verdict struct {
	Probe string `json:"probe"`
	RunID string `json:"run_id"`
	// StartedAt is when the run began.
	StartedAt time.Time  `json:"run_started_at"`
	Arm       prober.Arm `json:"arm"`
	// Steps is how many steps the arm has made, Valid how many of them are valid, and
	// Broken counts the promises that were not kept.
	Steps  int                    `json:"steps"`
	Valid  int                    `json:"valid_steps"`
	Broken map[prober.Promise]int `json:"broken,omitempty"`
	// Saturated is yes where a valid step was, no where all valid steps were not, and
	// otherwise undetermined. SaturatedFrom is the lowest request rate that saturated the
	// arm, and BorneUpTo the highest below it that did not.
	Saturated     prober.Saturation `json:"saturated"`
	SaturatedFrom float64           `json:"saturated_from,omitempty"`
	BorneUpTo     float64           `json:"borne_up_to,omitempty"`
	// Capacity and SLORate are what a search has found, SearchErr why it was given up.
	Capacity  *prober.Estimate `json:"capacity,omitempty"`
	SLORate   *prober.Estimate `json:"slo_rate,omitempty"`
	SearchErr string           `json:"search_error,omitempty"`
	// InForce is the verdict on the declared batch size that tells the most, of all
	// steps; nil where no replica was watched.
	InForce *prober.InForce `json:"batch_size_in_force,omitempty"`
	// Foreign is in how many steps others used the replicas.
	Foreign int `json:"steps_with_foreign_traffic"`
}

// verdictsOf are what a run says of its arms, in their order.
func verdictsOf(r *prober.RunResult) []verdict {
	byArm := map[prober.Arm]*verdict{}
	for i := range r.Results {
		s := &r.Results[i]
		v := byArm[s.Arm]
		if v == nil {
			v = &verdict{Probe: r.Probe, RunID: r.ID, StartedAt: r.StartedAt, Arm: s.Arm, Saturated: prober.Unsaturated}
			byArm[s.Arm] = v
		}
		v.add(s)
	}
	var all []verdict
	for _, v := range byArm {
		v.judge(r)
		all = append(all, *v)
	}
	slices.SortFunc(all, func(a, b verdict) int { return a.Arm.Compare(b.Arm) })
	return all
}

// add takes a step into account.
func (v *verdict) add(s *prober.StepResult) {
	v.Steps++
	if inForce, seen := s.InForce(); seen && (v.InForce == nil || tells(inForce.Verdict) < tells(v.InForce.Verdict)) {
		v.InForce = &inForce
	}
	if s.Reconciliation != nil && s.Reconciliation.Verdict == prober.ForeignTraffic {
		v.Foreign++
	}
	if !s.Valid() {
		if v.Broken == nil {
			v.Broken = map[prober.Promise]int{}
		}
		for _, b := range s.Broken {
			v.Broken[b.Promise]++
		}
		return
	}
	v.Valid++
	if s.Saturated == prober.Saturated && (v.SaturatedFrom == 0 || s.RequestRate < v.SaturatedFrom) {
		v.SaturatedFrom = s.RequestRate
	}
	if s.Saturated == prober.Undetermined {
		v.Saturated = prober.Undetermined
	}
}

// judge comes to the verdict once all steps are known.
func (v *verdict) judge(r *prober.RunResult) {
	switch {
	case v.SaturatedFrom > 0:
		v.Saturated = prober.Saturated
	case v.Valid == 0:
		v.Saturated = prober.Undetermined
	}
	for i := range r.Results {
		s := &r.Results[i]
		if s.Arm == v.Arm && s.Valid() && s.Saturated == prober.Unsaturated && (v.SaturatedFrom == 0 || s.RequestRate < v.SaturatedFrom) {
			v.BorneUpTo = max(v.BorneUpTo, s.RequestRate)
		}
	}
	for i := range r.Answers {
		if a := &r.Answers[i]; a.Arm == v.Arm {
			v.Capacity, v.SLORate, v.SearchErr = a.Capacity, a.SLORate, a.Err
		}
	}
}

// telling are the verdicts on the batch size, those first that tell more of an arm: what
// one step could not say, another one can.
var telling = []prober.InForceVerdict{prober.NotInForce, prober.Bound, prober.DidNotBind, prober.InForceUnknown}

func tells(v prober.InForceVerdict) int { return slices.Index(telling, v) }
