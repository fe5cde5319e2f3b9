package simulator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Parameters describe a continuous-batching engine. Each iteration takes
//
//	Base + PerSequence·b + PerSequenceSquared·b² + PerPrefillToken·p
//
// where b is how many sequences run and p how many prompt tokens are computed in
// the iteration; it brings every running sequence one token.
type Parameters struct {
	// Frontend is what a request takes before it is queued: HTTP and tokenizer.
	Frontend time.Duration

	Base               time.Duration
	PerSequence        time.Duration
	PerSequenceSquared time.Duration
	PerPrefillToken    time.Duration
	// MaxNumSeqs is the limit on running sequences, vLLM's --max-num-seqs.
	MaxNumSeqs int
	// MaxBatchedTokens is the most prompt tokens in one iteration; a longer
	// prompt is computed alone.
	MaxBatchedTokens int
	// KVBlocks is the size of the KV cache in blocks of BlockSize tokens.
	KVBlocks int
	// MaxModelLen is the longest prompt and answer together.
	MaxModelLen int
}

// BlockSize is how many tokens a block of the KV cache holds.
const BlockSize = 16

// iteration is how long one takes with b sequences running, of which the newly
// admitted have prefill prompt tokens.
func (p Parameters) iteration(b, prefill int) time.Duration {
	return p.Base + time.Duration(b)*p.PerSequence + time.Duration(b*b)*p.PerSequenceSquared +
		time.Duration(prefill)*p.PerPrefillToken
}

// Engine is one replica's scheduler: a first-come-first-served queue in front of
// MaxNumSeqs slots. A sequence reserves its whole need of KV cache when it is
// admitted, so none is ever preempted.
type Engine struct {
	p Parameters

	mu       sync.Mutex
	waiting  []*Sequence
	running  []*Sequence
	blocks   int // reserved
	finished finishedTotals
	arrival  chan struct{}
}

// finishedTotals is what the engine has counted, for its metrics.
type finishedTotals struct {
	promptTokens, cachedTokens, outputTokens int
	aborted                                  int
}

// Sequence is one request in the engine. Tokens delivers the time of each token
// and is closed after the last.
type Sequence struct {
	Prompt, Cached, Output int
	Tokens                 chan time.Time

	arrived, admitted time.Time
	produced          int
	gone              bool
}

// NewEngine starts an engine, which runs until ctx ends.
func NewEngine(ctx context.Context, p Parameters) *Engine {
	e := &Engine{p: p, arrival: make(chan struct{}, 1)}
	go e.run(ctx)
	return e
}

// Submit queues a request of prompt tokens, of which cached are in the prefix
// cache, for an answer of output tokens.
func (e *Engine) Submit(prompt, cached, output int) *Sequence {
	s := &Sequence{
		Prompt: prompt, Cached: cached, Output: output, arrived: time.Now(),
		Tokens: make(chan time.Time, output), // never blocks the engine
	}
	e.mu.Lock()
	e.waiting = append(e.waiting, s)
	e.mu.Unlock()
	select {
	case e.arrival <- struct{}{}:
	default:
	}
	return s
}

// Abort takes a request out, as vLLM does when its client goes away.
func (e *Engine) Abort(s *Sequence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.gone {
		return
	}
	s.gone = true
	e.finished.aborted++
	if !s.admitted.IsZero() {
		e.blocks -= s.need()
	}
	e.waiting = without(e.waiting, s)
	e.running = without(e.running, s)
}

func without(list []*Sequence, s *Sequence) []*Sequence {
	kept := make([]*Sequence, 0, len(list))
	for _, other := range list {
		if other != s {
			kept = append(kept, other)
		}
	}
	return kept
}

// need is how many blocks of KV cache a sequence takes.
func (s *Sequence) need() int { return (s.Prompt + s.Output + BlockSize - 1) / BlockSize }

// run is the engine's loop. Iterations follow one another on a schedule of their
// own: that a sleep is late delays the tokens of that iteration, but not the
// next one, so the machine's noise does not change the capacity.
func (e *Engine) run(ctx context.Context) {
	end := time.Now()
	for {
		length, busy := e.beginIteration()
		if !busy {
			select {
			case <-e.arrival:
				end = time.Now()
				continue
			case <-ctx.Done():
				return
			}
		}
		end = end.Add(length)
		timer := time.NewTimer(time.Until(end))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		e.endIteration(end)
	}
}

// beginIteration admits what there is room for and says how long the iteration
// takes.
func (e *Engine) beginIteration() (time.Duration, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	prefill := 0
	for len(e.waiting) > 0 && len(e.running) < e.p.MaxNumSeqs {
		s := e.waiting[0]
		compute := s.Prompt - s.Cached
		if e.blocks+s.need() > e.p.KVBlocks || prefill > 0 && prefill+compute > e.p.MaxBatchedTokens {
			break
		}
		e.waiting = e.waiting[1:]
		e.running = append(e.running, s)
		e.blocks += s.need()
		s.admitted = time.Now()
		prefill += compute
		e.finished.promptTokens += s.Prompt
		e.finished.cachedTokens += s.Cached
	}
	return e.p.iteration(len(e.running), prefill), len(e.running) > 0
}

// endIteration brings every running sequence a token.
func (e *Engine) endIteration(at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	kept := e.running[:0]
	for _, s := range e.running {
		s.produced++
		e.finished.outputTokens++
		s.Tokens <- at
		if s.produced < s.Output {
			kept = append(kept, s)
			continue
		}
		s.gone = true
		e.blocks -= s.need()
		close(s.Tokens)
	}
	e.running = kept
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
	return State{len(e.running), len(e.waiting), float64(e.blocks) / float64(e.p.KVBlocks)}
}

func (e *Engine) totals() finishedTotals {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.finished
}

// Check says what is wrong with parameters that no engine can have.
func (p Parameters) Check() error {
	switch {
	case p.Base <= 0:
		return fmt.Errorf("the iteration's base is %s, allowed is more than 0s", p.Base)
	case p.Frontend < 0 || p.PerSequence < 0 || p.PerSequenceSquared < 0 || p.PerPrefillToken < 0:
		return errors.New("a part of the iteration's length is negative, allowed is 0s or more")
	case p.MaxNumSeqs < 1 || p.MaxBatchedTokens < 1 || p.MaxModelLen < 1 || p.KVBlocks < 1:
		return errors.New("the sequences, batched tokens, context or KV blocks are less than 1")
	case p.KVBlocks*BlockSize < p.MaxModelLen:
		return fmt.Errorf("a KV cache of %d blocks of %d tokens cannot hold one sequence of %d tokens", p.KVBlocks, BlockSize, p.MaxModelLen)
	}
	return nil
}
