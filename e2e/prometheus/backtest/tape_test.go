package backtest

import (
	"sync"
	"time"

	"vllm_prober/prober"
)

// tape is an observer that keeps what it is told, to be played at other times.
type tape struct {
	prober.Silent
	began time.Time

	mu     sync.Mutex
	events []event
}

// event is what an observer was told, at so much time from the tape's beginning.
type event struct {
	at time.Duration
	// tell tells it to another observer as if it had happened so much later.
	tell func(o prober.Observer, later time.Duration)
}

func (t *tape) keep(tell func(prober.Observer, time.Duration)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, event{time.Since(t.began), tell})
}

// RunStarted implements prober.Observer.
func (t *tape) RunStarted(r prober.Run) {
	t.keep(func(o prober.Observer, later time.Duration) {
		r := r
		r.StartedAt = r.StartedAt.Add(later)
		o.RunStarted(r)
	})
}

// StepStarted implements prober.Observer.
func (t *tape) StepStarted(s prober.Step) {
	t.keep(func(o prober.Observer, later time.Duration) {
		s := s
		s.StartedAt = s.StartedAt.Add(later)
		o.StepStarted(s)
	})
}

// StepEnded implements prober.Observer. The single requests are left out: they make
// histograms alone, of which no alert of a regression asks, as newServer sees to.
func (t *tape) StepEnded(r *prober.StepResult) {
	kept := *r
	kept.Measured, kept.ITL = nil, &prober.Histogram{}
	t.keep(func(o prober.Observer, later time.Duration) {
		r := kept
		r.StartedAt, r.EndedAt = r.StartedAt.Add(later), r.EndedAt.Add(later)
		o.StepEnded(&r)
	})
}

// RunEnded implements prober.Observer.
func (t *tape) RunEnded(r *prober.RunResult) {
	kept := *r
	kept.Results = nil // the steps were told one by one
	t.keep(func(o prober.Observer, later time.Duration) {
		r := kept
		r.StartedAt, r.EndedAt = r.StartedAt.Add(later), r.EndedAt.Add(later)
		o.RunEnded(&r)
	})
}
