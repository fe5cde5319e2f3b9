package daemon

import (
	"errors"
	"fmt"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/schedule"
	"vllm_prober/prober"
)

// pauseAfterFailure keeps a probe whose runs follow one another from hammering
// what is down.
const pauseAfterFailure = 10 * time.Second

// repeat makes a probe's runs until it is stopped. Each start of its schedule is
// kept, or skipped for a reason that is counted, or made up for by a late run.
func (p *probe) repeat() {
	at := &position{from: p.origin}
	if !p.before.IsZero() {
		at.owed = p.tooLate(p.passed(p.before.Add(1), at.from), schedule.Missed, "the daemon was down", at.from)
	}
	for {
		start := p.next(at)
		asked, ok := p.await(start)
		switch {
		case !ok:
			return
		case asked:
			p.turnAndRun(at, time.Now().Round(0), true)
		default:
			p.keep(at, later(start, time.Now().Round(0)), start)
		}
		if p.ctx.Err() != nil {
			return
		}
	}
}

// position is how far a probe has come in its schedule.
type position struct {
	// from is the time before which all starts are dealt with; zero for a probe
	// that waits until it is resumed.
	from time.Time
	// owed says that a start was missed which a late run is to make up for.
	owed bool
	// rest is the time before which the probe does nothing, after a failure.
	rest time.Time
}

// next is when a probe does something next, which is zero for never.
func (p *probe) next(at *position) time.Time {
	start := at.from
	if !at.owed && !start.IsZero() {
		start = p.schedule.Next(start)
	}
	if !start.IsZero() {
		start = later(start, at.rest)
	}
	opens := p.opens(start)
	p.metrics.NextRun(opens)
	p.live.NextRun(opens)
	return start
}

// opens is the start itself, or the first one after the blackout that it lies in.
func (p *probe) opens(start time.Time) time.Time {
	if start.IsZero() || !p.schedule.Blackout(start) {
		return start
	}
	return p.schedule.NextOpen(start)
}

// keep makes the run of a start that has come, unless there is a reason not to.
func (p *probe) keep(at *position, now, start time.Time) {
	// What is due since, without a run between, was slept through by the machine.
	slept := p.passed(start.Add(1), now)
	switch {
	case slept > 0 && p.skips():
		p.skip(schedule.Missed, slept+1, "the machine was asleep", now)
		at.from = now
		return
	case slept > 0:
		p.skip(schedule.Missed, slept, "the machine was asleep, one run stands for all", now)
	}
	if p.refuse(at, now, false) {
		return
	}
	if ahead := p.turns.ahead(&turn{replicas: p.replicas()}); ahead != "" && p.skips() {
		at.from, at.owed = now.Add(1), false
		p.skip(schedule.Busy, 1, fmt.Sprintf("a run of probe %q holds a replica or waits for one", ahead), at.from)
		return
	}
	p.turnAndRun(at, now, false)
}

// refuse skips a start for which there is a reason, and says whether there was.
func (p *probe) refuse(at *position, now time.Time, asked bool) bool {
	reason, cause, until := p.reason(now, asked)
	if reason == "" {
		return false
	}
	at.owed = false
	at.from = now.Add(1)
	if p.schedule.Continuous() {
		at.from = until
	}
	p.skip(reason, 1, cause, at.from)
	return true
}

// reason is why no run may begin now, if there is one, and how long it holds,
// which is zero where it does until the probe is resumed. A run that somebody
// asked for heeds the budget alone.
func (p *probe) reason(now time.Time, asked bool) (reason schedule.Reason, cause string, until time.Time) {
	switch {
	case !asked && p.isPaused():
		return schedule.Paused, "the probe is paused", time.Time{}
	case !asked && p.schedule.Blackout(now):
		return schedule.Blackout, "the start lies in a blackout", p.schedule.Open(now)
	case !p.account.Affords(now, p.firstStep()):
		return schedule.Budget, fmt.Sprintf("the budget of the day, of which %s are spent, does not bear the first step", p.spent(now)),
			p.account.Renewed(now)
	}
	return "", "", time.Time{}
}

// turnAndRun makes a run as soon as its turn has come, for the start that is due
// or because somebody asked for it.
func (p *probe) turnAndRun(at *position, due time.Time, asked bool) {
	p.enter(waiting)
	defer p.enter(idle)
	mine := &turn{probe: p.definition.probe.Name, replicas: p.replicas()}
	switch over, ok := p.takeCalm(mine); {
	case !ok:
		return
	case over != nil:
		at.from, at.owed = time.Now().Round(0).Add(1), false
		at.rest = at.from.Add(pauseAfterFailure)
		p.skip(schedule.Guard, 1, fmt.Sprintf("the guard waited for %s, and %s", p.definition.probe.Guard.WaitAtMost, over), at.rest)
		return
	}
	defer p.turns.give(mine)
	began := time.Now().Round(0)
	if began.After(due) {
		// The run that now begins stands for all that came while it waited.
		p.skip(schedule.Busy, p.passed(due.Add(1), began), "other runs held a replica, one run stands for all", began)
		if p.refuse(at, began, asked) {
			return
		}
	}
	p.enter(running)
	failed := p.run()
	at.from = time.Now().Round(0)
	if p.ctx.Err() != nil {
		return
	}
	at.owed = p.tooLate(p.passed(began.Add(1), at.from), schedule.Overran, "the probe's own run was under way", at.from)
	if failed {
		at.rest = at.from.Add(pauseAfterFailure)
	}
}

// run makes a run, and says whether it failed.
func (p *probe) run() (failed bool) {
	if limit := p.definition.probe.Schedule.MaxRunDuration; limit > 0 {
		defer time.AfterFunc(limit, func() { p.prober.End(fmt.Sprintf("the run reached max_run_duration, %s", limit)) }).Stop()
	}
	result, err := p.prober.Run(p.hard)
	log := p.log.With("run", result.ID)
	if early, ok := errors.AsType[*prober.EarlyError](err); ok {
		log.Info("run ended before its last step", "outcome", early.Outcome, "why", early.Why)
		return false
	}
	if err != nil {
		log.Error("run failed", "err", err)
	}
	return err != nil
}

// passed counts the starts from one time on and before another that no blackout
// holds. Those in blackouts are skipped for that.
func (p *probe) passed(from, to time.Time) (n int) {
	dark := 0
	for start := range p.schedule.Between(from, to) {
		if p.schedule.Blackout(start) {
			dark++
		} else {
			n++
		}
	}
	p.skip(schedule.Blackout, dark, "the starts lie in a blackout", to)
	return n
}

// tooLate skips n missed starts, but for one that it says is owed where they are
// caught up.
func (p *probe) tooLate(n int, reason schedule.Reason, cause string, now time.Time) (owed bool) {
	if n > 0 && !p.skips() {
		n, owed = n-1, true
	}
	p.skip(reason, n, cause, now)
	return owed
}

// skips says whether a start that cannot be kept is left out. A run that follows
// another has no time that could be missed.
func (p *probe) skips() bool {
	return p.definition.probe.Schedule.Missed == config.Skip && !p.schedule.Continuous()
}

// skip counts and logs n starts that are left out for a reason; the search for
// the next one begins at from, which is zero for a probe that is to be resumed.
func (p *probe) skip(reason schedule.Reason, n int, cause string, from time.Time) {
	if n == 0 {
		return
	}
	p.metrics.RunsSkipped(reason, n)
	p.live.RunsSkipped(reason, n, cause)
	next := "when resumed"
	if !from.IsZero() {
		next = p.opens(p.schedule.Next(from)).Format(time.RFC3339)
	}
	p.log.Info("run skipped", "reason", reason, "count", n, "cause", cause, "next", next)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
