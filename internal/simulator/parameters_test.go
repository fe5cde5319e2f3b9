package simulator

import (
	"testing"
	"time"
)

func TestImpossibleParameters(t *testing.T) {
	tests := map[string]func(*Parameters){
		"frontend: -1ns; allowed: 0s to 1m0s":                                                                  func(p *Parameters) { p.Frontend = -1 },
		"iteration-base: 0s; allowed: 1µs to 1m0s":                                                             func(p *Parameters) { p.Base = 0 },
		"iteration-per-sequence: 2s; allowed: 0s to 1s":                                                        func(p *Parameters) { p.PerSequence = 2 * time.Second },
		"iteration-per-sequence-squared: -1s; allowed: 0s to 1s":                                               func(p *Parameters) { p.PerSequenceSquared = -time.Second },
		"iteration-per-prefill-token: -1s; allowed: 0s to 1s":                                                  func(p *Parameters) { p.PerPrefillToken = -time.Second },
		"max-num-seqs: 0; allowed: 1 to 65536":                                                                 func(p *Parameters) { p.MaxNumSeqs = 0 },
		"max-num-batched-tokens: -5; allowed: 1 to 1048576":                                                    func(p *Parameters) { p.MaxBatchedTokens = -5 },
		"max-model-len: 2097152; allowed: 1 to 1048576":                                                        func(p *Parameters) { p.MaxModelLen = 1 << 21 },
		"kv-blocks: 0; allowed: 1 to 1048576":                                                                  func(p *Parameters) { p.KVBlocks = 0 },
		"kv-blocks: 255; allowed: at least the 256 that one sequence of 4096 tokens, the max-model-len, takes": func(p *Parameters) { p.KVBlocks = 255 },
	}
	for want, change := range tests {
		if err := with(change).Check(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := FieldReport().Check(); err != nil {
		t.Errorf("the field report's own: %v", err)
	}
}
