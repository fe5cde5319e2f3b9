package compare

import (
	"cmp"
	"slices"

	"vllm_prober/prober"
)

// FindingKind is what a Finding is about.
type FindingKind string

// The kinds.
const (
	// NotInForce: the declared batch size is not what the replicas run with, as they
	// say, or because more requests were in the system than it has room for.
	NotInForce FindingKind = "not_in_force"
	// Impossible: were the declared batch size in force, an arm's figures would
	// contradict each other.
	Impossible FindingKind = "impossible"
	// DidNotBind: the sides differ in their batch size, and it bound neither.
	DidNotBind FindingKind = "did_not_bind"
	// DrainArtefact: a throughput falls short of the request rate by the time in which
	// the last requests drained, and is no limit of the server.
	DrainArtefact FindingKind = "drain_artefact"
	// WarmUp: the windows begin before the warm-up has ended.
	WarmUp FindingKind = "warm_up"
	// Differ: the sides are of runs that ask for different things.
	Differ FindingKind = "definitions_differ"
	// Foreign: a side is another tool's, and what its figures cannot tell.
	Foreign FindingKind = "foreign"
)

// Finding is what figures say together that none of them says alone.
type Finding struct {
	Kind FindingKind `json:"kind"`
	Arm  prober.Arm  `json:"arm,omitzero"`
	// RequestRate is where it was found; of DrainArtefact the lowest rate, and To the
	// highest.
	RequestRate float64 `json:"request_rate,omitempty"`
	To          float64 `json:"to,omitempty"`
	// Detail is the figures from which it was found; which type it has follows from the
	// kind.
	Detail Detail `json:"-"` // package report puts it into words
}

// Detail is what findings of one kind are made of.
//
//sumtype:decl
type Detail interface{ detail() }

// ByReplicas is how the replicas tell that a batch size is NotInForce.
type ByReplicas struct{ BatchSize int }

// ByLittle is how the mean number of requests in the system tells it: so many requests
// a second, each of which had tokens coming for so many seconds, are Running, where the
// batch size lets Slots run.
type ByLittle struct {
	BatchSize                           int
	Throughput, Seconds, Running, Slots float64
}

// Drained is what a DrainArtefact follows from.
type Drained struct {
	// First and Last are how many seconds the throughput lacks for each request of the
	// run, at the lowest rate and at the highest, and Grew the factor between.
	First, Last, Grew float64
	// TimeGrew is the factor by which the time that a request takes grew meanwhile.
	TimeGrew float64
	// Throughput is that at the highest rate.
	Throughput float64
}

// NoSlotWanted is that neither of two sides, which it names, was bound by its batch
// size.
type NoSlotWanted struct{ Base, Other string }

func (ByReplicas) detail()   {}
func (ByLittle) detail()     {}
func (Drained) detail()      {}
func (NoSlotWanted) detail() {}

// Findings are what the steps of a report, of whichever arms, say together.
func Findings(steps []Step) []Finding {
	var found []Finding
	var arms []prober.Arm
	for _, s := range steps {
		if !slices.Contains(arms, s.Arm) {
			arms = append(arms, s.Arm)
		}
	}
	for _, arm := range arms {
		var own []Step
		for _, s := range steps {
			if s.Arm == arm {
				own = append(own, s)
			}
		}
		slices.SortStableFunc(own, func(a, b Step) int { return cmp.Compare(a.RequestRate, b.RequestRate) })
		for _, find := range []func(own, all []Step) (Finding, bool){notInForce, impossible, drainArtefact} {
			if f, ok := find(own, steps); ok {
				f.Arm = arm
				found = append(found, f)
			}
		}
	}
	return append(found, warming(steps)...)
}

// value is a figure of a step; 0 where it has none.
func (s Step) value(m Metric) float64 { return s.Figures[m].Value }

// slots is how many requests the declared batch size lets run, at least: a replica
// may have an engine on each of its GPUs. 0 is undeclared.
func (s Step) slots() float64 {
	return float64(s.Arm.BatchSize * max(s.Arm.Replicas, s.Arm.GPUs, 1))
}

// notInForce asks the replicas and, where these say nothing, Little (Operations
// Research 9(3), 1961): in the mean as many requests are in a system as come out of it
// in the time that one spends there. While none waits, they all run.
func notInForce(own, _ []Step) (Finding, bool) {
	for _, s := range own {
		if s.InForce == prober.NotInForce {
			return Finding{Kind: NotInForce, RequestRate: s.RequestRate, Detail: ByReplicas{s.Arm.BatchSize}}, true
		}
		waited := s.value(TTFTMean)
		running := s.value(Throughput) * (s.value(E2EMean) - waited)
		if s.slots() > 0 && running > s.slots() && s.value(E2EMean) > 0 && waited > 0 {
			return Finding{Kind: NotInForce, RequestRate: s.RequestRate, Detail: ByLittle{
				s.Arm.BatchSize, s.value(Throughput), s.value(E2EMean) - waited, running, s.slots(),
			}}, true
		}
	}
	return Finding{}, false
}

// drainArtefact looks at throughputs that count the drain. A run of N requests at the
// rate r lasts N/r and the time of the last ones, so that N/duration falls short of r
// by that on a server of any capacity. 1/throughput − 1/r is that time for each request
// of the run. Where it grows from rate to rate no more than the time that a request
// takes, the server kept up. Where that time is not told, TPOT stands for it.
func drainArtefact(own, _ []Step) (Finding, bool) {
	for _, taken := range []Metric{E2EMean, TPOTMean} {
		var usable []Step
		for _, s := range own {
			if s.fallsShort() && s.value(taken) > 0 {
				usable = append(usable, s)
			}
		}
		if len(usable) < 2 {
			continue
		}
		first, last := usable[0], usable[len(usable)-1]
		shortGrew, timeGrew := last.drained()/first.drained(), last.value(taken)/first.value(taken)
		if first.RequestRate == last.RequestRate || shortGrew > timeGrew {
			return Finding{}, false
		}
		return Finding{Kind: DrainArtefact, RequestRate: first.RequestRate, To: last.RequestRate, Detail: Drained{
			First: first.drained(), Last: last.drained(), Grew: shortGrew, TimeGrew: timeGrew, Throughput: last.value(Throughput),
		}}, true
	}
	return Finding{}, false
}

// fallsShort says whether the step's throughput counts the drain and shows it.
func (s Step) fallsShort() bool {
	return s.WithDrain && s.Figures[Throughput].Flaw == (Reason{}) && s.value(Throughput) > 0 && s.value(Throughput) < s.RequestRate
}

// drained is how many seconds the drain took for each request of the run.
func (s Step) drained() float64 { return 1/s.value(Throughput) - 1/s.RequestRate }

// queues says whether requests of a step waited: it is saturated, or another step of
// its arm had a TTFT that is no tenth of its own.
func queues(s Step, all []Step) bool {
	return s.Saturated || slices.ContainsFunc(all, func(other Step) bool {
		return other.Arm == s.Arm && other.value(TTFTMean) > 0 && other.value(TTFTMean) < s.value(TTFTMean)/10
	})
}

// unbound says that a difference in batch size can have changed nothing.
func unbound(base, other Side) []Finding {
	sizes := map[int]bool{}
	for _, s := range slices.Concat(base.Steps, other.Steps) {
		if s.InForce != prober.DidNotBind || s.Arm.BatchSize == 0 {
			return nil
		}
		sizes[s.Arm.BatchSize] = true
	}
	if len(sizes) < 2 {
		return nil
	}
	return []Finding{{Kind: DidNotBind, Arm: other.Steps[0].Arm, Detail: NoSlotWanted{base.Name, other.Name}}}
}
