package simulator

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Engine is one replica's scheduler: a first-come-first-served queue in front of
// MaxNumSeqs slots. Who is in an iteration is decided when the one before it
// begins, as in vLLM's asynchronous scheduling: a request that comes to a busy
// engine waits for the end of the running iteration and for the whole next one.
// A sequence reserves its whole need of KV cache when it is admitted, so none is
// ever preempted.
type Engine struct {
	p Parameters

	mu       sync.Mutex
	waiting  []*Sequence
	running  []*Sequence
	reserved int       // blocks of KV cache
	begun    time.Time // when the latest iteration began
	totals   totals
	loaded   time.Time // up to when totals has the load
	arrival  chan struct{}
}

// totals are what an engine has counted since its start.
type totals struct {
	queried, cached, prompt, output int // in tokens
	// rootLoad is the square root of the share of the slots in use, over the time
	// in seconds.
	rootLoad float64
}

// Sequence is one request in the engine. Tokens delivers the time of each token
// and is closed after the last.
type Sequence struct {
	Prompt, Cached, Output int
	Tokens                 chan time.Time

	arrived, admitted time.Time
	produced          int
	stuck             bool // holds its slot and never gets a token
	gone              bool
}

// NewEngine starts an engine, which runs until ctx ends.
func NewEngine(ctx context.Context, p Parameters) *Engine {
	e := &Engine{p: p, loaded: time.Now(), arrival: make(chan struct{}, 1)}
	go e.run(ctx)
	return e
}

// Submit queues a request of prompt tokens, of which cached are in the prefix
// cache, for an answer of output tokens. Together they must fit MaxModelLen.
func (e *Engine) Submit(prompt, cached, output int) *Sequence {
	return e.queue(&Sequence{Prompt: prompt, Cached: cached, Output: output})
}

func (e *Engine) queue(s *Sequence) *Sequence {
	s.Tokens = make(chan time.Time, s.Output) // never blocks the engine
	e.mu.Lock()
	s.arrived = time.Now()
	e.waiting = append(e.waiting, s)
	e.mu.Unlock()
	select {
	case e.arrival <- struct{}{}:
	default:
	}
	return s
}

// Abort takes a request out, as vLLM does when its client goes away. Its channel
// stays open.
func (e *Engine) Abort(s *Sequence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.gone {
		return
	}
	s.gone = true
	if !s.admitted.IsZero() {
		e.reserved -= s.need()
	}
	e.countLoad()
	isThis := func(other *Sequence) bool { return other == s }
	e.waiting = slices.DeleteFunc(e.waiting, isThis)
	e.running = slices.DeleteFunc(e.running, isThis)
}

// need is how many blocks of KV cache a sequence takes.
func (s *Sequence) need() int { return blocks(s.Prompt + s.Output) }

// run is the engine's loop. Iterations follow one another on a schedule of their
// own: that a sleep is late delays the tokens of that iteration, but not the
// next one, so the machine's noise does not change the capacity.
func (e *Engine) run(ctx context.Context) {
	at := time.Now()
	for {
		end, busy := e.beginIteration(at)
		if !busy {
			select {
			case <-e.arrival:
				continue
			case <-ctx.Done():
				return
			}
		}
		timer := time.NewTimer(time.Until(end))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		e.endIteration(end)
		at = end
	}
}

// beginIteration admits what there is room for to the iteration that begins at
// the given time, or with the first arrival where the engine is idle, and
// returns that iteration's end. It says false where there is nothing to do.
func (e *Engine) beginIteration(at time.Time) (end time.Time, busy bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	decided := e.begun
	if len(e.running) == 0 {
		if len(e.waiting) == 0 {
			return at, false
		}
		if first := e.waiting[0].arrived; first.After(at) {
			at = first
		}
		decided = at
	}
	e.countLoad()
	prefill := 0
	for len(e.waiting) > 0 && len(e.running) < e.p.MaxNumSeqs {
		s := e.waiting[0]
		compute := s.Prompt - s.Cached
		if s.arrived.After(decided) || e.reserved+s.need() > e.p.KVBlocks || prefill > 0 && prefill+compute > e.p.MaxBatchedTokens {
			break
		}
		e.waiting = e.waiting[1:]
		e.running = append(e.running, s)
		e.reserved += s.need()
		s.admitted = at
		prefill += compute
		e.totals.queried += s.Prompt
		e.totals.cached += s.Cached
	}
	e.begun = at
	return at.Add(e.p.iteration(len(e.running), prefill)), true
}

// endIteration brings every running sequence a token.
func (e *Engine) endIteration(at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.countLoad()
	e.running = slices.DeleteFunc(e.running, func(s *Sequence) bool {
		if s.stuck {
			return false
		}
		if s.produced == 0 {
			e.totals.prompt += s.Prompt
		}
		s.produced++
		e.totals.output++
		s.Tokens <- at
		if s.produced < s.Output {
			return false
		}
		s.gone = true
		e.reserved -= s.need()
		close(s.Tokens)
		return true
	})
}

// State is what an engine is doing at the moment.
type State struct {
	Running, Waiting int
	// KVCacheUsage is the share of the KV cache that is reserved, from 0 to 1.
	KVCacheUsage float64
}

// State returns what the engine is doing.
func (e *Engine) State() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return State{len(e.running), len(e.waiting), float64(e.reserved) / float64(e.p.KVBlocks)}
}

func (e *Engine) counted() totals {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.countLoad()
	return e.totals
}

// countLoad is called before the number of sequences that run changes.
func (e *Engine) countLoad() {
	now := time.Now()
	e.totals.rootLoad += math.Sqrt(float64(len(e.running))/float64(e.p.MaxNumSeqs)) * now.Sub(e.loaded).Seconds()
	e.loaded = now
}
