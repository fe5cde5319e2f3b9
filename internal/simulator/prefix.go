package simulator

import "sync"

// prefixCache remembers the full blocks of the prompts that came, each by all
// that stands before it, as vLLM's automatic prefix caching does.
type prefixCache struct {
	limit  int // blocks; reaching it empties the cache
	mu     sync.Mutex
	blocks map[uint64]struct{}
}

// take returns how many of the prompt's tokens are held, and holds it from now
// on. The last token is always computed, so a prompt is never held whole. Nothing
// is shared between salts.
func (c *prefixCache) take(salt string, prompt []int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocks == nil || len(c.blocks) >= c.limit {
		c.blocks = map[uint64]struct{}{}
	}
	hash := uint64(14695981039346656037) // FNV-1a
	mix := func(x uint64) { hash = (hash ^ x) * 1099511628211 }
	mix(uint64(len(salt))) // so that no salt reads like the beginning of a prompt
	for _, b := range []byte(salt) {
		mix(uint64(b))
	}
	cached, holding := 0, true
	for i, id := range prompt {
		mix(uint64(id))
		if (i+1)%BlockSize != 0 || i+1 == len(prompt) {
			continue
		}
		if _, held := c.blocks[hash]; held && holding {
			cached = i + 1
		} else {
			holding = false
			c.blocks[hash] = struct{}{}
		}
	}
	return cached
}
