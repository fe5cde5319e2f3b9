package prober

import (
	"math"
	"slices"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/stats"
)

// Saturation answers whether an arm got more requests than it can bear for ever.
type Saturation string

// The answers.
const (
	Saturated    Saturation = "yes"
	Unsaturated  Saturation = "no"
	Undetermined Saturation = "undetermined"
)

// Saturations lists all answers.
func Saturations() []Saturation { return []Saturation{Saturated, Unsaturated, Undetermined} }

const (
	// beyondChance is how many standard deviations chance is not believed to
	// bring: of 2000 steps it brings so many to one.
	beyondChance = 3.3
	// tolerated is the overload, as a share of the request rate, that an answer
	// of "no" may overlook.
	tolerated = 0.05
)

// seen is what a judgement needs to know of a request. Its times count from the
// step's beginning; 0 is what has not happened. The outcome of a request in
// flight is empty.
type seen struct {
	replica                   int
	intended, firstToken, end time.Duration
	outcome                   Outcome
	good                      bool // it was OK and kept the SLO
}

// judgement is a look at a step under load, at a time from its beginning at
// which the window is over.
//
// Two signs have to agree, for either alone deceives. Completions fall behind the
// offered rate also while a batch still fills, and by chance; and a queue that
// is there now may be gone in a minute. At its capacity a server's backlog moves
// like √t although it goes nowhere, so that no trend of it tells anything.
type judgement struct {
	rate           float64 // offered to all replicas together, per second
	replicas       int
	warmup, window time.Duration
	at             time.Duration
	// base is the TTFT in seconds of a request that found no queue, as far as
	// former steps show it; 0 is unknown.
	base float64
	// dispersion is the variance of the arrivals' count over its mean, if that is
	// more than 1.
	dispersion float64
	// attainment is the share of the requests that has to be good, 0 for any.
	attainment float64
}

// isOpen says whether a longer window could tell what this one does not: whether
// the arm is saturated, or else whether it keeps the SLO.
func (j judgement) isOpen(requests []seen) bool {
	switch j.saturation(requests) {
	case Undetermined:
		return true
	case Unsaturated:
		return j.attainment > 0 && !j.isAttainmentClear(requests)
	default:
		return false
	}
}

// isAttainmentClear says whether the share of good requests is above or below
// what it has to be beyond chance. Requests that are in the engine together fare
// alike, so the shares of ten parts of the window are the samples, as in the
// method of batch means (Law and Carson, Operations Research 27(5), 1979), of
// which one mean in ten lies outside of the interval.
func (j judgement) isAttainmentClear(requests []seen) bool {
	const parts, confidence = 10, 0.9
	var good, all [parts]float64
	for _, r := range requests {
		if part := int((r.intended - j.warmup) * parts / j.window); r.intended >= j.warmup && part < parts && r.outcome != "" {
			all[part]++
			if r.good {
				good[part]++
			}
		}
	}
	var shares []float64
	for i := range parts {
		if all[i] > 0 {
			shares = append(shares, good[i]/all[i])
		}
	}
	if len(shares) < parts/2 {
		return false
	}
	mean, ok := stats.Mean(shares, confidence)
	return ok && mean.Excludes(j.attainment)
}

// saturation judges each replica, and then all together, which shows less
// overload in the same time where it is spread evenly.
func (j judgement) saturation(requests []seen) Saturation {
	byReplica := make([][]seen, j.replicas)
	for _, r := range requests {
		byReplica[r.replica] = append(byReplica[r.replica], r)
	}
	all := make([]Saturation, j.replicas)
	waits := true // do requests wait at each replica?
	for i, own := range byReplica {
		share := float64(len(own)) / float64(max(len(requests), 1))
		waiting := j.waiting(own)
		all[i] = agreed(j.behind(own, share), waiting)
		waits = waits && waiting == Saturated
	}
	switch {
	case slices.Contains(all, Saturated), waits && j.behind(requests, 1) == Saturated:
		return Saturated
	case slices.Contains(all, Undetermined):
		return Undetermined
	default:
		return Unsaturated
	}
}

// agreed is what two signs say together.
func agreed(a, b Saturation) Saturation {
	if a == b {
		return a
	}
	return Undetermined
}

// settled is the part of the window in which the batch has had time to fill:
// its end, from the middle of the load on.
func (j judgement) settled() (from, to time.Duration) {
	to = j.warmup + j.window
	return max(j.warmup, to/2), to
}

// behind says whether completions fell behind the offered rate: Saturated where
// they did beyond what chance can bring, Unsaturated where they kept up with it, or
// with the arrivals that chance made of it, but for the tolerated overload.
//
// Chance is reckoned from the rate that was to be offered and not from the
// arrivals that came of it: a server that is always busy completes what it can,
// whatever arrives, so only its own chance counts, and that of the arrivals only
// where it is not. Either is taken to be as much as a Poisson process's.
//
// A request that failed otherwise than by being refused for lack of room was not
// there for the server to complete.
func (j judgement) behind(requests []seen, share float64) Saturation {
	from, to := j.settled()
	n := count(requests, from, to)
	offered := j.rate * share * (to - from).Seconds()
	there := 1.0
	if n.failed > 0 {
		there = 1 - n.failed/(n.completed+n.refused+n.failed)
	}
	switch {
	case there*offered-n.completed > beyondChance*math.Sqrt(max(n.completed, 1)*j.dispersion):
		return Saturated
	case n.completed > 0 && n.completed >= (1-tolerated)*there*min(offered, n.arrived):
		return Unsaturated
	default:
		return Undetermined
	}
}

// flow is what came within a time and what ended: well, refused for lack of room,
// or otherwise. What the prober cut is none of these.
type flow struct{ arrived, completed, refused, failed float64 }

func count(requests []seen, from, to time.Duration) (n flow) {
	for _, r := range requests {
		if r.intended >= from && r.intended < to {
			n.arrived++
		}
		if r.end < from || r.end >= to {
			continue
		}
		switch r.outcome {
		case OK:
			n.completed++
		case HTTP429, HTTP503:
			n.refused++
		case "", Aborted:
		default:
			n.failed++
		}
	}
	return n
}

// waiting says whether the requests of the window's last quarter found a queue:
// Saturated where they all did or many were refused, Unsaturated where some did
// not, Undetermined where too little is known. Were the server overloaded by the share x, the time in
// the queue would by then have grown by x seconds a second; half of what the
// tolerated overload would have brought is the limit.
func (j judgement) waiting(requests []seen) Saturation {
	const few = 0.1 // of the requests may be lucky, or unlucky
	from, to := j.warmup+j.window*3/4, j.warmup+j.window
	noQueue, isKnown := j.noQueue(requests)
	limit := noQueue + tolerated/2*from.Seconds()
	known, quick, refused := 0, 0, 0
	for _, r := range requests {
		if r.intended < from || r.intended >= to {
			continue
		}
		switch waited := (j.at - r.intended).Seconds(); {
		case r.firstToken > 0:
			known++
			if (r.firstToken - r.intended).Seconds() <= limit {
				quick++
			}
		case r.outcome == HTTP429 || r.outcome == HTTP503:
			known++
			refused++
		case r.outcome != "" || waited > limit:
			known++
		}
	}
	switch {
	case float64(refused) > few*float64(known):
		return Saturated
	case known == 0 || !isKnown:
		return Undetermined
	case float64(quick) > few*float64(known):
		return Unsaturated
	default:
		return Saturated
	}
}

// noQueue is the TTFT in seconds of a request that found no queue: the shorter of
// base and what the luckiest of the step's own had. There are some, for the queue
// was empty when the load began.
func (j judgement) noQueue(requests []seen) (seconds float64, isKnown bool) {
	const lucky = 0.05 // of the requests
	var own []float64
	for _, r := range requests {
		if r.firstToken > 0 {
			own = append(own, (r.firstToken - r.intended).Seconds())
		}
	}
	if len(own) == 0 {
		return j.base, j.base > 0
	}
	slices.Sort(own)
	least := stats.Quantile(own, lucky)
	if j.base > 0 {
		least = min(least, j.base)
	}
	return least, true
}

// plateau is the settled throughput.
func (j judgement) plateau(requests []seen) float64 {
	from, to := j.settled()
	return count(requests, from, to).completed / (to - from).Seconds()
}

// dispersion is that of a judgement: a renewal process's, in the long run, is
// the squared coefficient of variation of its gaps (Cox, Renewal Theory, 1962).
func dispersion(p config.Pacing) float64 {
	if p.Process == config.Gamma {
		return max(1, 1/p.Burstiness)
	}
	return 1
}
