package prober

import (
	"context"
	"errors"
	"sync"
	"time"
)

// RunOutcome says how a run ended.
type RunOutcome string

// The outcomes of runs.
const (
	// RunSuccess is a run that made all its steps.
	RunSuccess RunOutcome = "success"
	// RunFailed is one that could not begin or go on.
	RunFailed RunOutcome = "failed"
	// RunStopped is one that was ended cleanly before its last step.
	RunStopped RunOutcome = "stopped"
	// RunAborted is one that was cut before its last step.
	RunAborted RunOutcome = "aborted"
)

// RunOutcomes lists the outcomes of runs.
func RunOutcomes() []RunOutcome {
	return []RunOutcome{RunSuccess, RunFailed, RunStopped, RunAborted}
}

// EarlyError is the error of a run that was ended before its last step although
// nothing failed.
type EarlyError struct {
	// Outcome is RunStopped or RunAborted.
	Outcome RunOutcome
	Why     string
}

// Error says why the run ended.
func (e *EarlyError) Error() string { return e.Why }

// errStopped is how a run ends that Stop or its context ended.
var errStopped = &EarlyError{RunStopped, "the run was stopped before its last step"}

// underway is the run under way, as far as it can be ended.
type underway struct {
	// soft ends when no more requests are to be sent. It is the run's own.
	soft context.Context

	mu         sync.Mutex
	end, abort context.CancelCauseFunc
}

// begin makes the contexts of a run: when soft ends, no more requests are sent,
// and when hard, which it returns, ends, those in flight are cut.
func (u *underway) begin(ctx, stop context.Context) (hard context.Context, over func()) {
	hard, abort := context.WithCancelCause(ctx)
	soft, end := context.WithCancelCause(stop)
	u.soft = soft
	u.mu.Lock()
	defer u.mu.Unlock()
	u.end, u.abort = end, abort
	return hard, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.end, u.abort = nil, nil
		end(nil)
		abort(nil)
	}
}

// isOver says whether the run is to make no more steps.
func (u *underway) isOver(hard context.Context) bool { return hard.Err() != nil || u.soft.Err() != nil }

// early says why a run was ended before its last step.
func (u *underway) early(hard context.Context) error {
	for _, ctx := range []context.Context{hard, u.soft} {
		if e, ok := errors.AsType[*EarlyError](context.Cause(ctx)); ok {
			return e
		}
	}
	return errStopped
}

// sleep waits, and says false as soon as the run is to end.
func (u *underway) sleep(hard context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hard.Done():
	case <-u.soft.Done():
	}
	return !u.isOver(hard)
}

// End ends the run under way as Stop does, and no later one. Its result says why.
func (p *Prober) End(why string) {
	p.underway.mu.Lock()
	defer p.underway.mu.Unlock()
	if p.underway.end != nil {
		p.underway.end(&EarlyError{RunStopped, why})
	}
}

// Abort ends the run under way at once: requests in flight are cut, and nothing
// of the step under way is measured. It says false where there is no run.
func (p *Prober) Abort(why string) bool {
	p.underway.mu.Lock()
	defer p.underway.mu.Unlock()
	if p.underway.abort == nil {
		return false
	}
	p.underway.abort(&EarlyError{RunAborted, why})
	return true
}

// outcomeOf is the outcome of a run that ended with an error or none.
func outcomeOf(err error) RunOutcome {
	if err == nil {
		return RunSuccess
	}
	if e, ok := errors.AsType[*EarlyError](err); ok {
		return e.Outcome
	}
	return RunFailed
}
