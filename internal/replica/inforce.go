package replica

import (
	"fmt"

	"vllm_prober/prober"
)

const (
	// minSamples is how many samples a verdict needs: those of two seconds.
	minSamples = 8
	// minBound is how many of them must show a full batch with requests waiting:
	// fewer are a moment's crowd that the batch size has hardly delayed.
	minBound = 3
	// longWait is a mean wait for a slot that no batch explains which has room: an
	// arrival waits at most two of the engine's iterations for its turn.
	longWait = 0.5 // seconds
	// fullIteration is how many tokens of prompts in an iteration may be all that
	// the engine computes in one: half of the smallest default of vLLM's
	// --max-num-batched-tokens.
	fullIteration = 1024
	// fullCache is the share of the KV cache from which on it has no room.
	fullCache = 0.99
)

// inForce judges whether batchSize, the declared limit on the requests that one
// engine runs at a time, is the replica's. samples are in their order, of a time
// of steady load.
func inForce(samples []Sample, batchSize int) prober.InForce {
	slots := slotsOf(samples, float64(batchSize))
	allowed := batchSize * max(slots.engines, 1)
	verdict := func(v prober.InForceVerdict, format string, args ...any) prober.InForce {
		return prober.InForce{Verdict: v, Detail: fmt.Sprintf(format, args...), Allowed: allowed}
	}
	switch {
	case batchSize == 0:
		return verdict(prober.InForceUnknown, "no batch_size is declared")
	case slots.samples < minSamples:
		return verdict(prober.InForceUnknown, "only %d samples tell how many requests ran and waited", slots.samples)
	case slots.mostRan > float64(allowed):
		return verdict(prober.NotInForce, "%g ran", slots.mostRan)
	case slots.full >= minBound:
		return verdict(prober.Bound, "%g ran, and up to %g waited", slots.mostRan, slots.mostWaited)
	case !slots.waitedLong:
		return verdict(prober.DidNotBind, "at most %g ran, and none waited for long", slots.mostRan)
	case slots.short*2 > slots.waiting:
		return verdict(prober.InForceUnknown, "requests waited for room in the KV cache while at most %g ran", slots.mostRan)
	case slots.prefill >= fullIteration:
		return verdict(prober.InForceUnknown, "requests waited for the computing of prompts while at most %g ran", slots.mostRan)
	case slots.same >= minSamples && slots.same*2 >= slots.waiting-slots.short:
		return verdict(prober.NotInForce, "no more than %g ran, and up to %g waited", slots.mostRan, slots.mostWaited)
	default:
		return verdict(prober.InForceUnknown, "requests waited, but not for slots: at most %g ran", slots.mostRan)
	}
}

// slots is what samples say of a replica's slots.
type slots struct {
	samples, engines    int
	mostRan, mostWaited float64
	// waiting counts the samples in which requests waited; full those of them in
	// which the batch was full, short those with too little room in the KV cache
	// for one more request, and same the others in which as many ran as ever did.
	waiting, full, short, same int
	waitedLong                 bool
	prefill                    float64 // tokens of prompts in an iteration, in the mean
}

func slotsOf(samples []Sample, batchSize float64) slots {
	var s slots
	for i := range samples {
		s.engines = max(s.engines, samples[i].Engines)
		s.mostRan = max(s.mostRan, samples[i].Running.Value)
		s.mostWaited = max(s.mostWaited, samples[i].Waiting.Value)
	}
	ran, waited := 0.0, 0.0
	for i, one := range samples {
		if !one.Running.Known || !one.Waiting.Known {
			continue
		}
		s.samples++
		ran += one.Running.Value
		waited += one.Waiting.Value
		switch {
		case one.Waiting.Value == 0:
			continue
		case one.Running.Value == batchSize*float64(s.engines):
			s.full++
		case isShort(one) || i > 0 && one.Preemptions.Value > samples[i-1].Preemptions.Value:
			s.short++
		case one.Running.Value == s.mostRan:
			s.same++
		}
		s.waiting++
	}
	if s.samples == 0 {
		return s
	}
	first, last := samples[0], samples[len(samples)-1]
	// Little's law: the mean number that waits is the mean wait times the rate at
	// which answers begin.
	seconds, began := last.At.Sub(first.At).Seconds(), difference(first.FirstTokens, last.FirstTokens).Value
	s.waitedLong = waited > 0 && waited/float64(s.samples)*seconds >= longWait*began
	// An iteration brings each request that runs one token.
	if output := difference(first.OutputTokens, last.OutputTokens); output.Known && output.Value > 0 {
		iterations := output.Value / (ran / float64(s.samples))
		s.prefill = difference(first.PromptTokens, last.PromptTokens).Value / iterations
	}
	return s
}

// isShort says whether the KV cache has no room for one more request like those
// that run, each of which has its equal part of what is in use.
func isShort(s Sample) bool {
	used := s.KVCacheUsage.Value
	return s.KVCacheUsage.Known && s.Running.Value > 0 && used+used/s.Running.Value >= fullCache || used >= fullCache
}
