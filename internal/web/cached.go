package web

import (
	"sync"
	"time"
)

// cached keeps a value for a short time.
type cached struct {
	mu    sync.Mutex
	value any
	until time.Time
}

// get returns the value, and makes it first where it is too old.
func (c *cached) get(age time.Duration, look func() any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); !now.Before(c.until) {
		c.value, c.until = look(), now.Add(age)
	}
	return c.value
}

// mostParts is how many parts of pages of a kind are kept.
const mostParts = 32

// parts keeps parts of pages that take reading and drawing, until what they show
// changes: between two steps of a run each is made once at the most. One of a kind is
// made at a time, so that many readers take no more of a measurement's processors than
// one.
type parts[T any] struct {
	// final says of a part that what it shows does not change any more; nil for never.
	final func(T) bool

	mu   sync.Mutex
	made map[string]made[T]
}

type made[T any] struct {
	version uint64
	part    T
}

// get returns the part of a name as of a version, and makes it where it is not kept.
func (p *parts[T]) get(name string, version uint64, build func() (T, error)) (T, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if kept, has := p.made[name]; has && (kept.version == version || p.final != nil && p.final(kept.part)) {
		return kept.part, nil
	}
	if p.made == nil || len(p.made) >= mostParts {
		p.made = map[string]made[T]{}
	}
	part, err := build()
	if err != nil {
		var none T
		return none, err
	}
	p.made[name] = made[T]{version, part}
	return part, nil
}
