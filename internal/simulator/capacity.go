package simulator

import (
	"math"
	"time"
)

// slots is how many sequences of these lengths can run at once.
func (p Parameters) slots(prompt, output int) int {
	return min(p.MaxNumSeqs, p.KVBlocks/((prompt+output+BlockSize-1)/BlockSize))
}

// Capacity is the most requests per second that one replica completes, with
// prompts and answers of fixed lengths. With all slots S taken, each sequence
// holds its slot for `output` iterations, so S/output sequences are admitted in
// an iteration, which then takes
//
//	τ = Base + PerSequence·S + PerSequenceSquared·S² + PerPrefillToken·prompt·S/output
//
// and the capacity is S/(output·τ).
func (p Parameters) Capacity(prompt, output int) float64 {
	s := float64(p.slots(prompt, output))
	return s / (float64(output) * p.meanIteration(s, s/float64(output), prompt).Seconds())
}

// meanIteration is an iteration's mean length with b sequences running and
// admitted of them new.
func (p Parameters) meanIteration(b, admitted float64, prompt int) time.Duration {
	return p.Base + time.Duration(b*float64(p.PerSequence)+b*b*float64(p.PerSequenceSquared)+
		admitted*float64(prompt)*float64(p.PerPrefillToken))
}

// Expected is what a replica does in the mean below its capacity: the fixed
// point of τ = meanIteration(b, rate·τ) with b = rate·output·τ sequences running
// (Little's law). TPOT is τ. A request arrives somewhere in an iteration, waits
// for its end, τ/2 in the mean, and has its first token after the next one,
// which its own prompt makes longer; Frontend comes on top. It says false at and
// above the capacity.
func (p Parameters) Expected(rate float64, prompt, output int) (ttft, tpot time.Duration, ok bool) {
	if rate >= p.Capacity(prompt, output) {
		return 0, 0, false
	}
	tau := p.Base.Seconds()
	for range 10_000 {
		next := p.meanIteration(rate*float64(output)*tau, rate*tau, prompt).Seconds()
		if math.Abs(next-tau) < 1e-9 {
			break
		}
		tau = next
	}
	tpot = time.Duration(tau * float64(time.Second))
	return p.Frontend + tpot*3/2 + time.Duration(prompt)*p.PerPrefillToken, tpot, true
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
		Frontend:           24 * time.Millisecond,
		Base:               27500 * time.Microsecond,
		PerSequence:        26 * time.Microsecond,
		PerSequenceSquared: 6500 * time.Nanosecond,
		PerPrefillToken:    150 * time.Microsecond,
		MaxNumSeqs:         44,
		MaxBatchedTokens:   2048,
		KVBlocks:           8192,
		MaxModelLen:        4096,
	}
}
