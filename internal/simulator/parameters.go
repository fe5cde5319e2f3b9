package simulator

import (
	"fmt"
	"time"
)

// Parameters describe a continuous-batching engine. Each iteration takes
//
//	Base + PerSequence·b + PerSequenceSquared·b² + PerPrefillToken·p
//
// where b is how many sequences run and p how many prompt tokens are computed in
// the iteration; it brings every running sequence one token.
type Parameters struct {
	// Frontend is what a request takes before it is queued: HTTP and tokenizer.
	Frontend time.Duration

	Base               time.Duration
	PerSequence        time.Duration
	PerSequenceSquared time.Duration
	PerPrefillToken    time.Duration
	// MaxNumSeqs is the limit on running sequences, vLLM's --max-num-seqs.
	MaxNumSeqs int
	// MaxBatchedTokens is the most prompt tokens in one iteration; a longer
	// prompt is computed alone.
	MaxBatchedTokens int
	// KVBlocks is the size of the KV cache in blocks of BlockSize tokens.
	KVBlocks int
	// MaxModelLen is the longest prompt and answer together.
	MaxModelLen int
}

// BlockSize is how many tokens a block of the KV cache holds.
const BlockSize = 16

// iteration is how long one takes with b sequences running, of which the newly
// admitted have prefill prompt tokens.
func (p Parameters) iteration(b, prefill int) time.Duration {
	return p.Base + time.Duration(b)*p.PerSequence + time.Duration(b*b)*p.PerSequenceSquared +
		time.Duration(prefill)*p.PerPrefillToken
}

// The bounds of Check keep an iteration's length far from overflowing.
const (
	maxTime  = time.Minute
	maxPart  = time.Second
	maxSlots = 1 << 16
	maxCount = 1 << 20
)

// Check says what is wrong with parameters that no engine can have, under the
// names that the command line gives them.
func (p Parameters) Check() error {
	for _, d := range []struct {
		name          string
		got, low, top time.Duration
	}{
		{"frontend", p.Frontend, 0, maxTime},
		{"iteration-base", p.Base, time.Microsecond, maxTime},
		{"iteration-per-sequence", p.PerSequence, 0, maxPart},
		{"iteration-per-sequence-squared", p.PerSequenceSquared, 0, maxPart},
		{"iteration-per-prefill-token", p.PerPrefillToken, 0, maxPart},
	} {
		if d.got < d.low || d.got > d.top {
			return fmt.Errorf("%s: %s; allowed: %s to %s", d.name, d.got, d.low, d.top)
		}
	}
	for _, n := range []struct {
		name     string
		got, top int
	}{
		{"max-num-seqs", p.MaxNumSeqs, maxSlots},
		{"max-num-batched-tokens", p.MaxBatchedTokens, maxCount},
		{"max-model-len", p.MaxModelLen, maxCount},
		{"kv-blocks", p.KVBlocks, maxCount},
	} {
		if n.got < 1 || n.got > n.top {
			return fmt.Errorf("%s: %d; allowed: 1 to %d", n.name, n.got, n.top)
		}
	}
	if least := blocks(p.MaxModelLen); p.KVBlocks < least {
		return fmt.Errorf("kv-blocks: %d; allowed: at least the %d that one sequence of %d tokens, the max-model-len, takes",
			p.KVBlocks, least, p.MaxModelLen)
	}
	return nil
}

// blocks is how many blocks of KV cache so many tokens take.
func blocks(tokens int) int { return (tokens + BlockSize - 1) / BlockSize }
