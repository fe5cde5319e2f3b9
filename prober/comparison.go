package prober

import (
	"fmt"

	"vllm_prober/internal/config"
	"vllm_prober/internal/stats"
)

// Comparison is the arms of a run side by side at the lowest request rate that
// saturates all of them, where each completes what it can.
type Comparison struct {
	By config.CompareBy `json:"by"`
	// RequestRate is in requests per second; 0 when it was not found.
	RequestRate float64 `json:"request_rate"`
	// Arms begin with the base, to which the others are compared.
	Arms []Compared `json:"arms,omitempty"`
	// Best is the arm that completes more than each other one beyond chance; nil
	// when there is none.
	Best *Arm `json:"best,omitempty"`
	// Err says why there is no comparison.
	Err string `json:"error,omitempty"`
}

// Compared is an arm of a comparison.
type Compared struct {
	Arm Arm `json:"arm"`
	// Repeats is how many of its steps were valid; Throughput is their mean settled
	// one, in requests per second.
	Repeats    int     `json:"repeats"`
	Throughput float64 `json:"throughput"`
	// ToBase is the throughput as a multiple of the base's, with a 95% interval; nil
	// for the base, and where fewer than two repeats of both were valid.
	ToBase *stats.Interval `json:"to_base,omitempty"`
}

// confidence is that of the intervals, and of naming an arm the best.
const confidence = 0.95

// experiment makes the steps of a comparison, once the searches are over.
type experiment struct {
	config.Compare

	rate  float64
	made  int       // rounds
	err   string    // why it is not made
	found []finding // by arm
}

// finding is what an arm completed in each round; 0 where its step was invalid.
type finding struct {
	arm    Arm
	rounds []float64
}

// next is the rate of the next round. It says false when there is none.
func (e *experiment) next(climbers []*climber) (rate float64, more bool) {
	if e.made == 0 {
		for _, c := range climbers {
			a := c.search.answer()
			if a.Capacity == nil {
				e.err = fmt.Sprintf("the capacity of arm %s with %d of its replicas was not found: %s", a.Arm.Target, a.Arm.Replicas, a.Err)
				return 0, false
			}
			e.rate = max(e.rate, a.Capacity.Upper)
			e.found = append(e.found, finding{arm: c.arm.Arm})
		}
	}
	if e.made == e.Repeats {
		return 0, false
	}
	e.made++
	for i := range e.found {
		e.found[i].rounds = append(e.found[i].rounds, 0)
	}
	return e.rate, true
}

// add takes the result of a step of the latest round.
func (e *experiment) add(r *StepResult) {
	for i := range e.found {
		if e.found[i].arm == r.Arm && r.Valid() {
			e.found[i].rounds[e.made-1] = r.SettledThroughput
		}
	}
}

// result is what the comparison has found.
func (e *experiment) result() *Comparison {
	c := &Comparison{By: e.By, RequestRate: e.rate, Err: e.err}
	if e.err != "" || e.made == 0 {
		return c
	}
	best := 0
	for i, f := range e.found {
		compared := Compared{Arm: f.arm}
		for _, x := range f.rounds {
			if x > 0 {
				compared.Repeats++
				compared.Throughput += x
			}
		}
		compared.Throughput /= max(float64(compared.Repeats), 1)
		if change, ok := stats.OfPairs(e.found[0].rounds, f.rounds); ok && i > 0 {
			ratio := change.Ratio(confidence)
			compared.ToBase = &ratio
		}
		c.Arms = append(c.Arms, compared)
		if compared.Throughput > c.Arms[best].Throughput {
			best = i
		}
	}
	if e.isBest(best) {
		c.Best = &e.found[best].arm
	}
	return c
}

// isBest says whether an arm is better than each of the others. As each of these
// is a test of its own, each is made with the share of the error that is allowed
// to all of them together (Bonferroni's correction).
func (e *experiment) isBest(arm int) bool {
	each := 1 - (1-confidence)/float64(len(e.found)-1)
	for i, other := range e.found {
		if i == arm {
			continue
		}
		if change, ok := stats.OfPairs(other.rounds, e.found[arm].rounds); !ok || change.Ratio(each).Lower <= 1 {
			return false
		}
	}
	return true
}
