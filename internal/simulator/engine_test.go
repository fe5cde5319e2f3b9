package simulator

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// tick is an engine whose every iteration takes a second.
func tick() Parameters {
	return Parameters{Base: time.Second, MaxNumSeqs: 2, MaxBatchedTokens: 100, KVBlocks: 100, MaxModelLen: 1600}
}

// inEngine runs a test beside an engine in synthetic time.
func inEngine(t *testing.T, p Parameters, test func(t *testing.T, e *Engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		test(t, NewEngine(ctx, p))
	})
}

// seconds are the times of all of a sequence's tokens, from begin on.
func seconds(s *Sequence, begin time.Time) (all []float64) {
	for at := range s.Tokens {
		all = append(all, at.Sub(begin).Seconds())
	}
	return all
}

func expectTokens(t *testing.T, what string, s *Sequence, begin time.Time, want ...float64) {
	t.Helper()
	if got := seconds(s, begin); !slices.Equal(got, want) {
		t.Errorf("%s: tokens after %v s, want %v", what, got, want)
	}
}

func TestAnIterationBringsEachSequenceAToken(t *testing.T) {
	inEngine(t, tick(), func(t *testing.T, e *Engine) {
		begin := time.Now()
		a, b := e.Submit(10, 0, 3), e.Submit(10, 0, 2)
		expectTokens(t, "a", a, begin, 1, 2, 3)
		expectTokens(t, "b", b, begin, 1, 2)
	})
}

// An iteration's members are decided when the one before it begins.
func TestARequestWaitsForTheNextIterationToo(t *testing.T) {
	inEngine(t, tick(), func(t *testing.T, e *Engine) {
		begin := time.Now()
		a := e.Submit(10, 0, 5)
		time.Sleep(300 * time.Millisecond)
		b := e.Submit(10, 0, 2)
		expectTokens(t, "a", a, begin, 1, 2, 3, 4, 5)
		expectTokens(t, "b, which came during the first iteration", b, begin, 3, 4)
		time.Sleep(2500 * time.Millisecond)
		begin = time.Now()
		expectTokens(t, "c, which came to an idle engine", e.Submit(10, 0, 1), begin, 1)
	})
}

func TestTheQueueIsFirstComeFirstServed(t *testing.T) {
	p := tick()
	p.KVBlocks = 6 // of 16 tokens
	inEngine(t, p, func(t *testing.T, e *Engine) {
		begin := time.Now()
		a := e.Submit(62, 0, 2) // 4 blocks
		b := e.Submit(78, 0, 2) // 5 blocks: must wait for a's
		c := e.Submit(14, 0, 2) // 1 block: would fit beside a, but came after b
		expectTokens(t, "a", a, begin, 1, 2)
		expectTokens(t, "b", b, begin, 3, 4)
		expectTokens(t, "c", c, begin, 3, 4)
	})
}

func TestPromptsOfOneIterationAreBounded(t *testing.T) {
	p := tick()
	p.MaxNumSeqs, p.PerPrefillToken = 10, time.Millisecond
	inEngine(t, p, func(t *testing.T, e *Engine) {
		begin := time.Now()
		a, b := e.Submit(60, 0, 1), e.Submit(40, 0, 1) // 100 tokens: an iteration of 1.1 s
		c, d := e.Submit(90, 0, 1), e.Submit(20, 9, 1) // 90 and the 11 that are not cached: two iterations
		f := e.Submit(300, 0, 1)                       // more than an iteration may have: alone
		expectTokens(t, "a", a, begin, 1.1)
		expectTokens(t, "b", b, begin, 1.1)
		expectTokens(t, "c", c, begin, 2.19)
		expectTokens(t, "d", d, begin, 3.201)
		expectTokens(t, "f", f, begin, 4.501)
	})
}

func TestAnAbortedRequestFreesWhatItHad(t *testing.T) {
	p := tick()
	p.MaxNumSeqs, p.KVBlocks = 1, 10
	inEngine(t, p, func(t *testing.T, e *Engine) {
		begin := time.Now()
		a, b, c := e.Submit(100, 0, 60), e.Submit(100, 0, 60), e.Submit(100, 0, 2)
		time.Sleep(1500 * time.Millisecond)
		if got, want := e.State(), (State{1, 2, 1}); got != want {
			t.Errorf("while a runs: %+v, want %+v", got, want)
		}
		e.Abort(b) // from the queue
		e.Abort(a) // from its slot, during the second iteration
		e.Abort(a)
		if got, want := e.State(), (State{0, 1, 0}); got != want {
			t.Errorf("after the aborts: %+v, want %+v", got, want)
		}
		expectTokens(t, "c", c, begin, 3, 4)
		e.Abort(c)
		if got, want := e.State(), (State{}); got != want {
			t.Errorf("at the end: %+v, want %+v", got, want)
		}
		if len(a.Tokens) != 1 || len(b.Tokens) != 0 {
			t.Errorf("the aborted ones have %d and %d tokens, want 1 and 0", len(a.Tokens), len(b.Tokens))
		}
	})
}

func TestAStuckRequestHoldsItsSlot(t *testing.T) {
	inEngine(t, tick(), func(t *testing.T, e *Engine) {
		begin := time.Now()
		stuck := e.queue(&Sequence{Prompt: 10, Output: 2, stuck: true})
		a, b := e.Submit(10, 0, 2), e.Submit(10, 0, 2)
		expectTokens(t, "a, in the other slot", a, begin, 1, 2)
		expectTokens(t, "b, after it", b, begin, 3, 4)
		time.Sleep(time.Hour)
		if got := e.State(); got.Running != 1 || len(stuck.Tokens) != 0 {
			t.Errorf("%+v and %d tokens, want one that runs and none", got, len(stuck.Tokens))
		}
		e.Abort(stuck)
		if got, want := e.State(), (State{}); got != want {
			t.Errorf("after its abort: %+v, want %+v", got, want)
		}
	})
}

// Whatever the load and whoever leaves: never more sequences than slots, never
// more blocks than the cache has, first tokens in the order of arrival, one
// token in an iteration, and nothing held in the end.
func TestTheEngineKeepsItsLimits(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 2))
		p := Parameters{
			Base: 20 * time.Millisecond, PerSequence: time.Millisecond, PerPrefillToken: 50 * time.Microsecond,
			MaxNumSeqs: 1 + rng.IntN(12), MaxBatchedTokens: 1 + rng.IntN(300), KVBlocks: 20 + rng.IntN(60), MaxModelLen: 320,
		}
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		inEngine(t, p, func(t *testing.T, e *Engine) {
			ended := make(chan struct{})
			go watch(t, e, ended)
			var all []*Sequence
			for range 200 {
				time.Sleep(time.Duration(rng.ExpFloat64() * float64(30*time.Millisecond)))
				prompt := 1 + rng.IntN(250)
				all = append(all, e.Submit(prompt, rng.IntN(prompt), 1+rng.IntN(70)))
				if rng.IntN(4) == 0 {
					e.Abort(all[rng.IntN(len(all))])
				}
			}
			for e.State().Running+e.State().Waiting > 0 {
				time.Sleep(time.Second)
			}
			close(ended)
			if got, want := e.State(), (State{}); got != want {
				t.Errorf("%+v: at the end %+v, want %+v", p, got, want)
			}
			checkTokens(t, p, all)
		})
	}
}

// watch looks at an engine's limits twice in each iteration.
func watch(t *testing.T, e *Engine, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-time.After(e.p.Base / 2):
		}
		e.mu.Lock()
		held := 0
		for _, s := range e.running {
			held += s.need()
		}
		if len(e.running) > e.p.MaxNumSeqs || e.reserved != held || held > e.p.KVBlocks {
			t.Errorf("%d of %d slots, %d blocks held, %d reserved of %d", len(e.running), e.p.MaxNumSeqs, held, e.reserved, e.p.KVBlocks)
		}
		e.mu.Unlock()
	}
}

func checkTokens(t *testing.T, p Parameters, all []*Sequence) {
	t.Helper()
	prefill := map[time.Time][]int{} // the computed prompts of the iterations, by their ends
	var latest time.Time
	for _, s := range all {
		var tokens []time.Time
		for len(s.Tokens) > 0 {
			tokens = append(tokens, <-s.Tokens)
		}
		if len(tokens) != s.produced || !s.gone {
			t.Errorf("%d of %d tokens, gone: %v", len(tokens), s.produced, s.gone)
		}
		for i := range len(tokens) - 1 {
			if gap := tokens[i+1].Sub(tokens[i]); gap < p.Base {
				t.Errorf("two tokens within %s", gap)
			}
		}
		if len(tokens) == 0 {
			continue
		}
		if tokens[0].Before(latest) {
			t.Errorf("a first token at %s after one at %s of a request that came earlier", tokens[0], latest)
		}
		latest = tokens[0]
		prefill[latest] = append(prefill[latest], s.Prompt-s.Cached)
	}
	for _, computed := range prefill {
		sum := 0
		for _, n := range computed {
			sum += n
		}
		if len(computed) > 1 && sum > p.MaxBatchedTokens {
			t.Errorf("an iteration computed prompts of %v, more than %d tokens", computed, p.MaxBatchedTokens)
		}
	}
}
