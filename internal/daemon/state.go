package daemon

import (
	"sync"
	"time"

	"vllm_prober/internal/live"
)

// state is what a probe is doing, and what it has been told from outside.
type state struct {
	mu      sync.Mutex
	doing   activity
	paused  bool
	demand  chan struct{} // a run is wanted now
	resumed chan struct{}
}

// activity is what a probe does at a moment.
type activity int

const (
	idle    activity = iota // until its next start
	waiting                 // for its turn at the replicas
	running
)

// shown is the activity as pages show it.
func (a activity) shown() live.Activity {
	return [...]live.Activity{idle: live.Idle, waiting: live.Waiting, running: live.Running}[a]
}

func newState() state {
	return state{demand: make(chan struct{}, 1), resumed: make(chan struct{}, 1)}
}

func (p *probe) enter(a activity) {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	p.state.doing = a
	p.live.Enter(a.shown())
}

// ask lets the probe make a run now, if it is idle, and says whether it was.
func (p *probe) ask() activity {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	was := p.state.doing
	if was == idle {
		p.state.doing = waiting
		p.live.Enter(live.Waiting)
		select {
		case p.state.demand <- struct{}{}:
		default: // the one that was asked for before is still to come
		}
	}
	return was
}

func (p *probe) setPaused(paused bool) {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	if p.state.paused == paused {
		return
	}
	p.state.paused = paused
	p.metrics.SetPaused(paused)
	p.live.SetPaused(paused)
	if paused {
		p.log.Info("probe paused")
		select { // what was meant for an earlier pause
		case <-p.state.resumed:
		default:
		}
		return
	}
	p.log.Info("probe resumed")
	select {
	case p.state.resumed <- struct{}{}:
	default:
	}
}

func (p *probe) isPaused() bool {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	return p.state.paused
}

// await waits for a start, which is zero where only being resumed ends the wait.
// It says whether a run was asked for, and whether to go on at all.
func (p *probe) await(start time.Time) (asked, ok bool) {
	var due <-chan time.Time
	var resumed <-chan struct{}
	if start.IsZero() {
		resumed = p.state.resumed
	} else {
		timer := time.NewTimer(time.Until(start))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
	case <-resumed:
	case <-p.state.demand:
		asked = true
	case <-p.ctx.Done():
	}
	return asked, p.ctx.Err() == nil
}
