package simulator

import (
	"slices"
	"testing"
)

// counting is a prompt of the token ids from first on.
func counting(first, n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = first + i
	}
	return ids
}

func TestThePrefixCacheHoldsFullBlocksOfTheSameSalt(t *testing.T) {
	other := slices.Concat(counting(0, 40), counting(900, 60)) // differs within the third block
	steps := []struct {
		what   string
		salt   string
		prompt []int
		want   int
	}{
		{"a prompt that never came", "a", counting(0, 100), 0},
		{"the same again: six full blocks", "a", counting(0, 100), 96},
		{"another salt", "b", counting(0, 100), 0},
		{"no salt", "", counting(0, 100), 0},
		{"no salt again", "", counting(0, 100), 96},
		{"the first 96 tokens: the last is always computed, so five blocks", "a", counting(0, 96), 80},
		{"the first 97", "a", counting(0, 97), 96},
		{"less than a block", "a", counting(0, 15), 0},
		{"one whole block", "a", counting(0, 16), 0},
		{"a prompt that differs within the third block", "a", other, 32},
		{"that one again", "a", other, 96},
		{"the same blocks after another beginning", "a", counting(16, 84), 0},
		{"a prompt that begins like a salt and a prompt", "", slices.Concat([]int{1, 'a'}, counting(0, 30)), 0},
	}
	cache := prefixCache{limit: 1000}
	for _, step := range steps {
		if got := cache.take(step.salt, step.prompt); got != step.want {
			t.Errorf("%s: %d tokens held, want %d", step.what, got, step.want)
		}
	}
}

func TestAFullPrefixCacheIsEmptied(t *testing.T) {
	cache := prefixCache{limit: 10}
	cache.take("", counting(0, 161)) // ten blocks
	if got := cache.take("", counting(0, 161)); got != 0 {
		t.Errorf("%d tokens held by a cache that was full, want 0", got)
	}
}
