package simulator

import (
	"math"
	"time"
)

// full is an engine that always has more requests than it can take: b sequences
// run, and admitted of them are new in each iteration.
func (p Parameters) full(prompt, output int) (b, admitted float64) {
	b = float64(min(p.MaxNumSeqs, p.KVBlocks/blocks(prompt+output)))
	admitted = b / float64(output)
	if most := float64(max(p.MaxBatchedTokens/prompt, 1)); admitted > most {
		return most * float64(output), most
	}
	return b, admitted
}

// Capacity is the most requests per second that one replica completes, with
// prompts and answers of fixed lengths, all at least 1. Each sequence holds its
// slot for `output` iterations, so of S sequences that run S/output are new in
// each iteration, which then takes
//
//	τ = Base + PerSequence·S + PerSequenceSquared·S² + PerPrefillToken·prompt·S/output
//
// and the capacity is S/(output·τ). S is MaxNumSeqs, or fewer where the KV cache
// holds no more, or where MaxBatchedTokens lets no more than M = S/output
// prompts into an iteration.
func (p Parameters) Capacity(prompt, output int) float64 {
	b, admitted := p.full(prompt, output)
	decode := p.Base.Seconds() + b*p.PerSequence.Seconds() + b*b*p.PerSequenceSquared.Seconds()
	return admitted / (decode + admitted*float64(prompt)*p.PerPrefillToken.Seconds())
}

// Expected is what requests get in the mean from one replica below its capacity
// under Poisson arrivals, as long as they seldom find all slots taken and prompts
// are short beside an iteration. The number of others that run beside a request
// is then Poisson distributed with mean b = rate·output·TPOT, by Little's law, so
// that
//
//	TPOT = Base + PerSequence·(1+b) + PerSequenceSquared·(1+3b+b²) + PerPrefillToken·prompt·rate·TPOT
//
// which is solved as a fixed point. A request arrives somewhere in an iteration,
// waits half of it in the mean and the whole next one, and has its first token
// after the third, which its own prompt makes longer:
//
//	TTFT = Frontend + 5/2·TPOT + PerPrefillToken·prompt
//
// A share exp(-b) of the requests finds the engine idle and need not wait. It
// says false at and above the capacity.
func (p Parameters) Expected(rate float64, prompt, output int) (ttft, tpot time.Duration, ok bool) {
	if rate >= p.Capacity(prompt, output) {
		return 0, 0, false
	}
	prefill := float64(prompt) * p.PerPrefillToken.Seconds()
	tau, b := p.Base.Seconds(), 0.0
	for range 10_000 {
		b = rate * float64(output) * tau
		next := p.Base.Seconds() + p.PerSequence.Seconds()*(1+b) + p.PerSequenceSquared.Seconds()*(1+3*b+b*b) + prefill*rate*tau
		if math.Abs(next-tau) < 1e-9 {
			break
		}
		tau = next
	}
	wait := 1.5 * tau * (1 - math.Exp(-b))
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return p.Frontend + seconds(wait+tau+prefill), seconds(tau), true
}

// FieldReportPrompt and FieldReportOutput are the lengths in tokens that
// FieldReport was calibrated with.
const (
	FieldReportPrompt = 128
	FieldReportOutput = 43
)

// FieldReport returns the engine under which one and four replicas show the
// curves of the load sweep that this project grew from. docs/simulator.md says
// how each value was derived.
func FieldReport() Parameters {
	return Parameters{
		Frontend:           2 * time.Millisecond,
		Base:               27300 * time.Microsecond,
		PerSequence:        240 * time.Microsecond,
		PerSequenceSquared: 10 * time.Microsecond,
		PerPrefillToken:    40 * time.Microsecond,
		MaxNumSeqs:         50,
		MaxBatchedTokens:   2048,
		KVBlocks:           8192,
		MaxModelLen:        4096,
	}
}
