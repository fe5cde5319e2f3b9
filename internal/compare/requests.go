package compare

import (
	"math"
	"slices"

	"vllm_prober/internal/stats"
)

// request is one of another tool's run. A latency that was not saved, and those of a
// request that failed, are 0.
type request struct {
	sent            float64 // seconds since any moment; 0 where that was not saved
	ttft, tpot, e2e float64 // seconds
}

// reckon adds what single requests tell, which are in the order of their sending: the
// figures that the tool did not reckon, and the chance in each.
func (all Figures) reckon(requests []request) {
	var ttft, tpot, e2e []stats.Sample
	for i, r := range requests {
		at := float64(i) / float64(len(requests))
		for value, samples := range map[*float64]*[]stats.Sample{&r.ttft: &ttft, &r.tpot: &tpot, &r.e2e: &e2e} {
			if isFigure(*value) {
				*samples = append(*samples, stats.Sample{At: at, Value: *value})
			}
		}
	}
	for metric, samples := range map[Metric][]stats.Sample{
		TTFTMean: ttft, TTFTP50: ttft, TTFTP99: ttft, TPOTMean: tpot, TPOTP99: tpot, E2EMean: e2e, E2EP99: e2e,
	} {
		if len(samples) == 0 {
			continue
		}
		l := latencies[metric]
		if _, has := all[metric]; !has {
			all[metric] = Figure{Value: l.reckon(samples)}
		}
		all[metric] = known(all[metric], l, stats.BatchesOf(samples))
	}
}

// reckon is the latency of samples.
func (l latency) reckon(samples []stats.Sample) float64 {
	values := make([]float64, len(samples))
	sum := 0.0
	for i, s := range samples {
		values[i] = s.Value
		sum += s.Value
	}
	if l.level == mean {
		return sum / float64(len(values))
	}
	slices.Sort(values)
	return stats.Quantile(values, stats.Levels()[l.level])
}

// offRate is by what share a load may have another rate than it was to have.
const offRate = 0.05

// rateNotHeld says that all requests of a run, as far as they tell when they were sent,
// were not sent at its rate: none of its figures can be compared at that rate. It is none
// where they were. constant says that their distances were all to be the same, and not
// random.
func rateNotHeld(run string, rate float64, requests []request, constant bool) Reason {
	var sent []float64
	for _, r := range requests {
		if r.sent > 0 {
			sent = append(sent, r.sent)
		}
	}
	if len(sent) < 2 || slices.Max(sent) == slices.Min(sent) {
		return Reason{}
	}
	gaps := float64(len(sent) - 1)
	actual := gaps / (slices.Max(sent) - slices.Min(sent))
	off := offRate
	if !constant { // three standard deviations of the logarithm of so many random ones' sum
		off = max(off, 3/math.Sqrt(gaps))
	}
	if math.Abs(math.Log(actual/rate)) <= off {
		return Reason{}
	}
	return Reason{Code: RateNotHeld, Run: run, Rate: rate, Actual: actual}
}

// setFlaw says of all figures why they cannot be compared, or that they can.
func (all Figures) setFlaw(flaw Reason) {
	for metric, f := range all {
		f.Flaw = flaw
		all[metric] = f
	}
}
