package prober

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"vllm_prober/internal/config"
)

// Trip is a limit of the guard that was passed.
type Trip struct {
	Limit  config.GuardLimit  `json:"limit"`
	Action config.GuardAction `json:"action"`
	// Replica is the one that was over the limit; empty where the limit is of the
	// step as a whole.
	Replica string `json:"replica,omitempty"`
	// Value is what was seen, and Allowed the limit; in seconds where they are times.
	Value   float64 `json:"value"`
	Allowed float64 `json:"allowed"`
	// Unseen says why Value is not known where it could not be seen: what cannot
	// be seen is not known to be within its limit.
	Unseen string `json:"unseen,omitempty"`
}

// String says which limit was passed, by how much, and where.
func (t *Trip) String() string {
	text := fmt.Sprintf("%s is %s, more than %s", t.Limit, t.figure(t.Value), t.figure(t.Allowed))
	if t.Unseen != "" {
		text = fmt.Sprintf("%s cannot be seen: %s", t.Limit, t.Unseen)
	}
	if t.Replica != "" {
		text += " on " + t.Replica
	}
	return text
}

// figure writes a value of the limit's kind.
func (t *Trip) figure(x float64) string {
	switch {
	case t.Limit != config.HeartbeatTTFT:
		return strconv.FormatFloat(x, 'g', 4, 64)
	case x >= Unanswered.Seconds():
		return "endless, without any answer"
	default:
		return time.Duration(x * float64(time.Second)).Round(10 * time.Microsecond).String()
	}
}

// guardLook is how often the guard looks whether its limits are kept again.
const guardLook = time.Second

// guardWait is how to wait for the guard's limits to be kept.
type guardWait struct {
	told     bool // the trip of the limit was told before
	onlySeen bool // what cannot be seen is no reason to wait
}

// within waits until the replicas in places keep the guard's limits, for at most
// wait_at_most. Its error says which limit they did not keep.
func (p *Prober) within(ctx context.Context, how guardWait, places []Place) error {
	if p.o.Watcher == nil || len(places) == 0 {
		return nil
	}
	for began := time.Now(); ; how.told = true {
		trip := p.o.Watcher.Check(ctx, places)
		if trip == nil || how.onlySeen && trip.Unseen != "" {
			if how.told {
				p.o.Logger.Info("guard: the limits are kept again", "probe", p.probe.Name, "waited", time.Since(began))
			}
			return nil
		}
		trip.Action = config.Wait
		if !how.told {
			p.tripped(trip)
		}
		if limit := p.probe.Guard.WaitAtMost; time.Since(began) >= limit {
			return fmt.Errorf("the guard waited for %s, and %s: %s", limit, trip, trip.remedy())
		}
		if !p.underway.sleep(ctx, guardLook) {
			return p.underway.early(ctx)
		}
	}
}

// remedy says what to do about a limit that was passed for long.
func (t *Trip) remedy() string {
	if t.Unseen != "" {
		return fmt.Sprintf("let the target's http_client reach vLLM's own /metrics, or leave guard.%s out", t.Limit)
	}
	return fmt.Sprintf("probe at a quieter time, or raise guard.%s or guard.wait_at_most", t.Limit)
}

// guardedStep makes a step, and does what the guard is to do if it aborts it. The
// result is that of the last attempt; nil where there was none.
func (p *Prober) guardedStep(ctx context.Context, result *RunResult, next planned, number, known int) (*StepResult, error) {
	r, err := p.makeStep(ctx, result, next, number, known, false)
	if err != nil || r.Guard == nil {
		return r, err
	}
	switch r.Guard.Action {
	case config.AbortRun:
		return r, fmt.Errorf("the guard aborted the run: %s", r.Guard)
	case config.Wait:
		if !p.underway.sleep(ctx, p.probe.Ladder.Cooldown) {
			return r, p.underway.early(ctx)
		}
		if err := p.within(ctx, guardWait{told: true}, []Place{next.arm.place()}); err != nil {
			return r, err
		}
		if err := p.may(next.rate); err != nil {
			return r, err
		}
		return p.makeStep(ctx, result, next, number, known, true)
	default:
		return r, nil
	}
}

// tripped tells that a limit was passed.
func (p *Prober) tripped(t *Trip) {
	p.o.Logger.Warn("guard: a limit was passed", "probe", p.probe.Name, "limit", t.Limit, "action", t.Action, "replica", t.Replica,
		"detail", t.String())
	p.o.Observer.GuardTripped(*t)
}

// withdraw takes back what a step that the guard aborted has counted.
func (t *tally) withdraw(trip *Trip) {
	r := &t.result
	r.Guard = trip
	r.Unfinished, t.ended = 0, nil
	r.PromptTokens, r.OutputTokens, r.CachedTokens = 0, 0, 0
	t.measuredBegan, t.measuredEnded = 0, 0
	delete(t.failures, Aborted)
	r.Broken = append(r.Broken, Broken{PromiseGuard, fmt.Sprintf("the guard aborted the step: %s", trip)})
}
