package compare

import "math"

// Contradiction is how figures are Impossible: with so many slots and so many requests a
// second at the rate at which none waited, a request took Longest at most, which is so
// many tokens. The drain then makes it a run of so many requests, which at the rate of
// the finding lasted so long that the mean wait is MostWait at most, and Wait was
// reported. All times are in seconds.
type Contradiction struct {
	BatchSize                                         int
	Slots, CalmRate, Throughput                       float64
	Longest, Tokens, Requests, Lasted, MostWait, Wait float64
}

func (Contradiction) detail() {}

// impossible takes the declared batch size for the limit on running requests and
// looks whether the means of a sweep, of the same number of requests and tokens at
// each rate, can then all be true:
//
//  1. Where none waits, so many requests run that one may take slots/throughput at most
//     (Little). That bounds the tokens of an answer, by TTFT and TPOT.
//  2. Those bound the drain of any step that counts it, and so the number of requests.
//  3. These bound what the requests of an overloaded step wait in the mean: N/2 times
//     what each adds to the queue, 1/throughput − 1/rate. The reported throughput is no
//     more than the true one, so that the bound is no less than the true one.
//
// As the bounds take means for maxima, what contradicts them has to be twice as much.
func impossible(own, all []Step) (Finding, bool) {
	const doubt = 2
	for _, calm := range own {
		longest, tokens, known := mostTokens(calm, own)
		requests := mostRequests(tokens, all)
		if !known || math.IsInf(requests, 1) {
			continue
		}
		for _, over := range own {
			if !over.fallsShort() || !queues(over, own) {
				continue
			}
			most, waited := requests/2*over.drained(), over.value(TTFTMean)
			if tokens >= 1 && waited-calm.value(TTFTMean) <= doubt*most {
				continue
			}
			return Finding{Kind: Impossible, RequestRate: over.RequestRate, Detail: Contradiction{
				BatchSize: calm.Arm.BatchSize, Slots: calm.slots(), CalmRate: calm.RequestRate, Throughput: calm.value(Throughput),
				Longest: longest, Tokens: tokens, Requests: requests, Lasted: requests / over.value(Throughput), MostWait: most, Wait: waited,
			}}, true
		}
	}
	return Finding{}, false
}

// mostTokens is how long a request can have taken in a step in which none waited, and
// how many tokens that is. It says false where others did, or too little is known.
func mostTokens(calm Step, own []Step) (longest, tokens float64, known bool) {
	x, ttft, tpot := calm.value(Throughput), calm.value(TTFTMean), calm.value(TPOTMean)
	if calm.slots() == 0 || x == 0 || ttft == 0 || tpot == 0 || queues(calm, own) {
		return 0, 0, false
	}
	longest = calm.slots() / x
	return longest, math.Floor(1 + (longest-ttft)/tpot), true
}

// mostRequests is how many requests the shortest drain has room for, if an answer has
// so many tokens; infinite where no drain is known.
func mostRequests(tokens float64, all []Step) float64 {
	requests := math.Inf(1)
	for _, s := range all {
		ttft, tpot := s.value(TTFTMean), s.value(TPOTMean)
		if s.fallsShort() && !queues(s, all) && ttft > 0 && tpot > 0 {
			requests = min(requests, (ttft+(tokens-1)*tpot)/s.drained())
		}
	}
	return requests
}
