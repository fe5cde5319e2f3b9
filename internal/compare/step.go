package compare

import (
	"fmt"

	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// Step is what one step of a side has told, whoever measured it.
type Step struct {
	// Run is the run that it is of, and Pair what it shares with the step of the
	// other side that was measured beside it, with the same arrivals; an empty one is
	// paired with none.
	Run, Pair   string
	Arm         prober.Arm
	RequestRate float64 // offered, per second
	Figures     Figures
	// Saturated says that latencies grow for as long as the load lasts, which is
	// Loaded, in seconds.
	Saturated bool
	Loaded    float64
	// Window is its length in seconds, and TTFT and TPOT are the means of its parts; empty
	// where they are not known.
	Window     float64
	TTFT, TPOT []float64
	// Foreign says that another tool measured it.
	Foreign bool
	// WithDrain says that the throughput is a number of requests over the time until
	// the last one's end, which falls short of what arrived however fast the server is.
	WithDrain bool
	// InForce is whether the declared batch size is what the replicas run with, as
	// far as they say.
	InForce prober.InForceVerdict
}

// isBeside says whether another step was measured beside this one: of another arm, for
// a step is no partner of its own.
func (s Step) isBeside(other Step) bool {
	return s.Pair != "" && other.Pair == s.Pair && other.Arm != s.Arm
}

// Figures are those that a step has.
type Figures map[Metric]Figure

// Figure is one figure of a step.
type Figure struct {
	Value float64
	// Sure is what the step itself tells of its error; nil where it tells nothing, and
	// then Why says why.
	Sure *stats.Estimate
	Why  Reason
	// Count is how many requests it counts; 0 for what is no count.
	Count int
	// Less and More are by how much less or more than Value the truth may be, as
	// logarithms, however often it is measured in the same way.
	Less, More float64
	// Flaw says why it cannot be compared at all; none where it can. Such a figure may
	// have no value.
	Flaw Reason
}

// OfStep is a valid step of the prober.
func OfStep(r *prober.StepResult) Step {
	s := Step{
		Run: r.RunID, Pair: fmt.Sprintf("%s/%d", r.RunID, r.Seed), Arm: r.Arm, RequestRate: r.RequestRate,
		Figures: Figures{}, Saturated: r.Saturated == prober.Saturated, Loaded: (r.Warmup + r.Window).Seconds(),
	}
	s.InForce = prober.InForceUnknown
	if inForce, known := r.InForce(); known {
		s.InForce = inForce.Verdict
	}
	b := r.Batches
	if b != nil && !whole(b) {
		b = nil
	}
	s.Figures[Throughput] = Figure{Value: r.Throughput, Count: r.Completed, Why: Reason{Code: NotRecorded}}
	s.Figures[Goodput] = Figure{Value: r.Goodput, Count: r.Good, Why: Reason{Code: NotRecorded}}
	if b != nil {
		s.Figures[Throughput] = sure(s.Figures[Throughput], b.Completed, r.Window.Seconds())
		s.Figures[Goodput] = sure(s.Figures[Goodput], b.Good, r.Window.Seconds())
	}
	if r.Latencies == nil {
		return s
	}
	if b != nil {
		s.Window, s.TTFT, s.TPOT = r.Window.Seconds(), b.TTFT.Means(), b.TPOT.Means()
	}
	for metric, l := range latencies {
		d := l.of(r.Latencies)
		if d.Count == 0 {
			continue
		}
		f := Figure{Value: l.figure(d), Why: Reason{Code: NotRecorded}}
		if r.Unfinished > 0 {
			f.Flaw = Reason{Code: RequestsCut, Count: r.Unfinished}
		}
		if b != nil {
			f = known(f, l, l.batches(b))
		}
		s.Figures[metric] = f
	}
	return s
}

func whole(b *prober.Batches) bool {
	return len(b.Completed) == stats.Parts && len(b.Good) == stats.Parts && b.TTFT != nil && b.TTFT.Whole() &&
		b.TPOT != nil && b.TPOT.Whole() && b.E2E != nil && b.E2E.Whole()
}

func sure(f Figure, counts []int, seconds float64) Figure {
	f.Why = Reason{Code: FewRequests}
	if e, ok := stats.RateOf(counts, seconds); ok {
		f.Sure = &e
	}
	return f
}

func known(f Figure, l latency, b *stats.Batches) Figure {
	var e stats.Estimate
	var ok bool
	if l.level == mean {
		e, ok = b.Mean()
		f.Why = Reason{Code: FewRequests}
	} else {
		e, ok = b.Quantile(l.level, f.Value)
		f.Why = Reason{Code: FewAbove}
	}
	if steady, rises := b.Steady(); !steady {
		ok, f.Why = false, Reason{Code: Fell}
		if rises {
			f.Why = Reason{Code: Rose}
		}
	}
	if ok {
		f.Sure = &e
	}
	return f
}
