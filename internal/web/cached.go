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
func (c *cached) get(age time.Duration, make func() any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); !now.Before(c.until) {
		c.value, c.until = make(), now.Add(age)
	}
	return c.value
}

// mostParts is how many parts of pages are kept.
const mostParts = 64

// parts keeps parts of pages that take reading and drawing, until the results that
// they show change: between two steps of a run each is made once. One is made at a
// time, so that readers take one processor from a measurement at the most.
type parts[T any] struct {
	mu      sync.Mutex
	version uint64
	made    map[string]T
}

// get returns the part of a name as of a version, and makes it where it is not kept.
func (p *parts[T]) get(name string, version uint64, build func() (T, error)) (T, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made == nil || p.version != version || len(p.made) >= mostParts {
		p.made, p.version = map[string]T{}, version
	}
	if part, has := p.made[name]; has {
		return part, nil
	}
	part, err := build()
	if err != nil {
		var none T
		return none, err
	}
	p.made[name] = part
	return part, nil
}
