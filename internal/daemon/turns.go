package daemon

import (
	"context"
	"slices"
	"sync"
)

// turns lets runs take turns at the replicas that they share: two at a time would
// measure each other. Runs that share none do not wait for one another.
type turns struct {
	mu sync.Mutex
	// queue holds the turns that are taken and, behind those that they wait for,
	// the ones that are wanted, in the order in which they were asked for.
	queue []*turn
}

// turn is the use of some replicas.
type turn struct {
	probe    string
	replicas []string // by URL
	// yields is set for a heartbeat, which is always about to give its turn up.
	yields bool
	taken  chan struct{} // closed when the turn has come
	waited bool          // for another one
}

// take waits for a turn. It says false if ctx ends first.
func (t *turns) take(ctx context.Context, wanted *turn) bool {
	wanted.taken = make(chan struct{})
	t.mu.Lock()
	t.queue = append(t.queue, wanted)
	t.grant()
	wanted.waited = !wanted.isTaken()
	t.mu.Unlock()
	select {
	case <-wanted.taken:
		return true
	case <-ctx.Done():
		t.give(wanted)
		return false
	}
}

// give ends a turn, taken or not.
func (t *turns) give(done *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = slices.DeleteFunc(t.queue, func(other *turn) bool { return other == done })
	t.grant()
}

// grant gives their turns to all that wait for no earlier one.
func (t *turns) grant() {
	for i, next := range t.queue {
		if !next.isTaken() && !slices.ContainsFunc(t.queue[:i], next.shares) {
			close(next.taken)
		}
	}
}

// ahead is the probe that a turn would have to wait for, other than for a
// heartbeat, or nothing.
func (t *turns) ahead(of *turn) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, other := range t.queue {
		if !other.yields && of.shares(other) {
			return other.probe
		}
	}
	return ""
}

func (t *turn) isTaken() bool {
	select {
	case <-t.taken:
		return true
	default:
		return false
	}
}

func (t *turn) shares(other *turn) bool {
	return slices.ContainsFunc(t.replicas, func(r string) bool { return slices.Contains(other.replicas, r) })
}
