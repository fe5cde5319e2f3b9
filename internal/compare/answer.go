package compare

import (
	"math"
	"slices"

	"vllm_prober/prober"
)

// OfAnswer is what a run's search has found of an arm, as a step without a request rate.
// The run is its unit: what makes one run unlike the next meets all steps of its search.
// Arms of one run share that, and are pairs, although their searches ask for other rates;
// a test of pairs holds whether they share much or nothing.
//
// A capacity is counted while the arm is busy, so that it is as fine as a count. Of an SLO
// rate it is known that it lies between two rates, of which the one keeps the SLO and the
// other does not; where between them is a guess, and the same one in the next run that
// tries these rates.
//
// It says false where the arm has no valid step: then the prober is to blame for what was
// not found.
func OfAnswer(run *prober.RunResult, a *prober.Answer) (Step, bool) {
	s := Step{Run: run.ID, Pair: run.ID, Arm: a.Arm, Figures: Figures{}}
	var lacking Reason
	switch {
	case a.Err != "":
		lacking = Reason{Code: SearchGivenUp, Run: run.ID, Err: a.Err}
	case run.Outcome != prober.RunSuccess:
		lacking = Reason{Code: NoSearch, Run: run.ID}
	}
	s.Figures[Capacity] = Figure{Flaw: lacking}
	if c := a.Capacity; c != nil {
		f := Figure{Value: c.Value, Why: Reason{Code: OneSearch}, Count: settled(run, a.Arm, c), Flaw: lacking}
		if a.Confirmed {
			f.Flaw = Reason{}
		}
		s.Figures[Capacity] = f
	}
	switch r := a.SLORate; {
	case r != nil && r.Lower > 0:
		less, more := math.Log(r.Value/r.Lower), math.Log(r.Upper/r.Value)
		s.Figures[SLORate] = Figure{Value: r.Value, Less: less, More: more, Why: Reason{Code: OneSearch}}
	case lacking != (Reason{}):
		s.Figures[SLORate] = Figure{Flaw: lacking}
	}
	return s, hasValidStep(run, a.Arm)
}

func hasValidStep(run *prober.RunResult, arm prober.Arm) bool {
	for i := range run.Results {
		if r := &run.Results[i]; r.Arm == arm && r.Valid() {
			return true
		}
	}
	return false
}

// settled is how many requests a capacity was counted from, in the second half of the
// load of the step that saturated the arm; of several the fewest, and 0 where it is not
// known.
func settled(run *prober.RunResult, arm prober.Arm, capacity *prober.Estimate) (fewest int) {
	for i := range run.Results {
		r := &run.Results[i]
		if r.Arm != arm || !r.Valid() || r.RequestRate != capacity.Upper {
			continue
		}
		n := int(capacity.Value * min(r.Window, (r.Warmup+r.Window)/2).Seconds())
		if fewest == 0 || n < fewest {
			fewest = n
		}
	}
	return fewest
}

// missing says why a figure of one of the steps cannot be compared; it is none where all
// can. A step whose figure has no value must not be left out: what a search that was given
// up did not find may be missing because it is high.
func missing(metric Metric, base, other []Step) Reason {
	for _, s := range slices.Concat(base, other) {
		if f := s.Figures[metric]; f.Flaw != (Reason{}) {
			return f.Flaw
		}
	}
	return Reason{}
}

// grain is by how much less or more than a side's figures the truth may be, in the mean of
// them.
func grain(figures []Figure) (less, more float64) {
	for _, f := range figures {
		less += f.Less / float64(len(figures))
		more += f.More / float64(len(figures))
	}
	return less, more
}
