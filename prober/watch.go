package prober

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"vllm_prober/internal/workload"
)

// Watcher looks at the replicas while they are measured, beside the measured
// connections: what they say of themselves, and whether the guard's limits are
// kept.
type Watcher interface {
	// Check looks at the replicas now, while the prober asks nothing of them, and
	// returns the limit that one of them is over, or nil.
	Check(ctx context.Context, places []Place) *Trip
	// Watch begins to watch a step's replicas, and returns once they have settled
	// from what came before it. own says what the step has brought to each
	// replica so far, in their order; trip is called at most once, when a limit is
	// passed. Both are called from other goroutines. The step's end calls end, which
	// waits until the replicas have settled or ctx has ended, and returns what they
	// said, in their order. Nothing is called after end has returned.
	Watch(ctx context.Context, place Place, own func() []Load, trip func(Trip)) (end func(context.Context, Step) []ReplicaResult)
}

// Place is where an arm's replicas are.
type Place struct {
	Target string
	// Replicas are their base URLs, with a slash at the end.
	Replicas []*url.URL
}

// place is where the arm's replicas are by now.
func (a *arm) place() Place { return Place{a.Arm.Target, a.replicas} }

// Load is what a step has brought to one replica.
type Load struct {
	// InFlight is how many requests are in flight, Ended how many have ended but
	// for those that the prober cut, and Failed how many of these were not OK.
	InFlight, Ended, Failed int
	// What the server can have counted of the requests that have ended: the
	// answers that it began, their prompts' tokens and the tokens it made. Of a
	// request that was cut, it may have made more than came.
	FirstTokens, PromptTokens, OutputTokens Bounds
	// UnknownPrompts is how many of the requests had prompts whose length was
	// not told: PromptTokens are without them.
	UnknownPrompts int
}

// Bounds are what a number lies between, both included.
type Bounds struct{ AtLeast, AtMost int }

func (b *Bounds) add(atLeast, atMost int) { b.AtLeast, b.AtMost = b.AtLeast+atLeast, b.AtMost+atMost }

// add counts a request that has ended.
func (l *Load) add(asked *workload.Request, o *Observation) {
	if o.Outcome != Aborted {
		l.Ended++
		if o.Outcome != OK {
			l.Failed++
		}
	}
	if o.Sent == 0 && o.FirstToken == 0 {
		return // the server never saw it
	}
	prompt := max(o.PromptTokens, asked.PromptTokens)
	if prompt == 0 {
		l.UnknownPrompts++
	}
	switch {
	case o.Outcome == OK:
		l.FirstTokens.add(1, 1)
		l.PromptTokens.add(prompt, prompt)
		l.OutputTokens.add(o.OutputTokens, o.OutputTokens)
	case o.FirstToken != 0:
		l.FirstTokens.add(1, 1)
		l.PromptTokens.add(prompt, prompt)
		l.OutputTokens.add(o.OutputTokens, max(o.OutputTokens, asked.OutputTokens))
	default:
		l.FirstTokens.add(0, 1)
		l.PromptTokens.add(0, prompt)
		l.OutputTokens.add(0, asked.OutputTokens)
	}
}

// watched is what a step's Watcher found.
type watched struct {
	trip     *Trip
	replicas []ReplicaResult
}

// watch begins to watch the step's replicas, where there is a Watcher, until end
// is called. A limit that is passed ends the load and cuts what is in flight.
func (s *stepRun) watch(ctx context.Context, cut func()) (end func()) {
	if s.watcher == nil {
		return func() {}
	}
	stop := s.watcher.Watch(ctx, s.arm.place(), s.own, func(t Trip) {
		s.mu.Lock()
		s.watched.trip = &t
		s.mu.Unlock()
		cut()
	})
	return func() {
		replicas := stop(ctx, s.step)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watched.replicas = replicas
	}
}

// own is what the step has brought to each replica so far.
func (s *stepRun) own() []Load {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := slices.Clone(s.loads)
	for i := range own {
		own[i].InFlight = s.inFlight[i]
	}
	return own
}

// note puts what the Watcher found into the step's result.
func (w *watched) note(t *tally) {
	r := &t.result
	r.Replicas, r.Reconciliation = w.replicas, reconciled(w.replicas)
	if w.trip != nil {
		t.withdraw(w.trip)
	}
	for i := range w.replicas {
		if each := &w.replicas[i]; each.Reconciliation.Verdict == Restarted {
			r.Broken = append(r.Broken, Broken{PromiseNoRestart, fmt.Sprintf("%s: %s", each.Replica, each.Reconciliation.Detail)})
			break
		}
	}
}
