package prober

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// heartbeat is how far a heartbeat has come.
type heartbeat struct {
	id      string
	windows int
	seed    uint64
	// inspected says that all replicas have answered as they should, and that no
	// request has failed since.
	inspected bool

	mu     sync.Mutex
	pulses map[int]Pulse // by the number of the arm
}

// Pulse is what a window of a heartbeat found.
type Pulse struct {
	// TTFT is the median one, and Unanswered where no request was OK.
	TTFT time.Duration
	// At is when the window ended.
	At time.Time
}

// Unanswered is the TTFT of a window without an answer: longer than any.
const Unanswered = time.Duration(math.MaxInt64)

// Pulse is that of the slowest arm of a heartbeat, of the latest valid window of
// each. It says false until there is one of all arms. Other goroutines may call it.
func (p *Prober) Pulse() (slowest Pulse, ok bool) {
	p.beat.mu.Lock()
	defer p.beat.mu.Unlock()
	for _, each := range p.beat.pulses {
		if each.TTFT >= slowest.TTFT {
			slowest = each
		}
	}
	return slowest, len(p.beat.pulses) == len(p.arms)
}

// feel notes what a window has found.
func (b *heartbeat) feel(arm int, r *StepResult) {
	if !r.Valid() || r.Offered == 0 {
		return
	}
	felt := Pulse{TTFT: Unanswered, At: r.EndedAt}
	if r.Latencies.TTFT.Count > 0 {
		felt.TTFT = time.Duration(r.Latencies.TTFT.P50 * float64(time.Second))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pulses[arm] = felt
}

// Window makes one window of a heartbeat against the arm of that number: a run of
// one step, which the observer is told of as a step alone. One that is warm
// follows right after another, and needs no warm-up. What the replicas do is no
// error: one that is down or hangs is what a heartbeat is there to tell.
func (p *Prober) Window(ctx context.Context, arm int, warm bool) (*StepResult, error) {
	ctx, over := p.underway.begin(ctx, p.soft)
	defer over()
	b := &p.beat
	if b.windows == 0 {
		b.id = time.Now().UTC().Format("20060102T150405Z") + fmt.Sprintf("-%04x", rand.N(1<<16))
		b.seed = p.probe.Seed
		for b.seed == 0 {
			b.seed = rand.Uint64() >> 11
		}
	}
	b.windows++
	p.probe.Ladder.Warmup = p.probe.Steps().Warmup
	if warm {
		p.probe.Ladder.Warmup = 0
	}
	// Each window has arrivals of its own: the same ones again and again would
	// always ask at the same moments.
	result := &RunResult{Run: Run{
		ID: fmt.Sprintf("%s-%d", b.id, b.windows), Probe: p.probe.Name, Seed: b.seed + uint64(b.windows), StartedAt: time.Now(), Steps: 1,
	}}
	arms, err := p.muster(ctx, p.arms[arm:arm+1])
	if err == nil {
		err = p.makeSteps(ctx, result, arms, newPlan(p.probe, arms, nil, result.Seed))
	}
	if len(result.Results) == 0 {
		return nil, err
	}
	r := &result.Results[0]
	b.feel(arm, r)
	if len(r.Failures) > 0 {
		b.inspected = false
	}
	return r, err
}

// preflight looks at the replicas before a run, which it can keep from beginning.
// A heartbeat looks at them before its first window and after failures, and goes
// on whatever it finds.
func (p *Prober) preflight(ctx context.Context, result *RunResult, arms []*arm) error {
	if p.probe.Heartbeat == nil {
		return p.inspect(ctx, result, arms)
	}
	if p.beat.inspected {
		return nil
	}
	err := p.inspect(ctx, result, arms)
	p.beat.inspected = err == nil
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		p.o.Logger.Warn("replicas do not answer as they should, the heartbeat goes on", "probe", p.probe.Name, "err", err)
	}
	return nil
}
