package daemon

import (
	"math"
	"slices"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/results"
	"vllm_prober/internal/schedule"
	"vllm_prober/prober"
)

// record begins to keep the records of a probe, and lets it go on from those that
// were made with the same definition: its metrics show the latest of them, and it
// knows when the last run began. It returns these, the oldest first. It returns no
// recorder where no records are kept, and for a heartbeat, which makes no runs.
func (d *Daemon) record(cfg *config.Config, p *probe) (*results.Recorder, []*prober.RunResult, error) {
	c := p.definition.probe
	if d.o.Records == nil || c.Heartbeat != nil {
		return nil, nil, nil
	}
	recorder, err := d.o.Records.Recorder(cfg, c)
	if err != nil {
		return nil, nil, err
	}
	runs, current, err := recorder.Former()
	if err != nil { // the probe can do without
		p.log.Error("the latest results of a probe are not restored, nor is it known whether it missed a start", "err", err)
	}
	p.metrics.Restore(runs)
	// Nobody missed what another configuration would have begun, or what came while
	// the daemon ran without the probe.
	if current && d.cfg == nil {
		p.before = runs[len(runs)-1].StartedAt
	}
	return recorder, runs, nil
}

// spentToday is what a probe has spent of the day's budget, by its records.
func (d *Daemon) spentToday(p *probe, now time.Time) (spent schedule.Amount) {
	c := p.definition.probe
	if d.o.Records == nil || c.Schedule.Budget == (config.Budget{}) {
		return spent
	}
	today := p.account.Today(now)
	for r, err := range d.o.Records.Reaching(c.Name, today) {
		if err != nil {
			p.log.Error("what a probe has spent of the day's budget is not known, it begins with all of it", "err", err)
			return spent
		}
		for i := range r.Steps {
			if step := &r.Steps[i].StepResult; !step.EndedAt.Before(today) {
				spent = spent.Plus(p.sent(step))
			}
		}
		// Of a run that was cut, nobody knows what the step under way has sent.
		if r.EndedAt.IsZero() && !r.StartedAt.Before(today) {
			spent = spent.Plus(p.dearestStep())
		}
	}
	return spent
}

// sent is what a step has cost. Only the tokens of measured requests are recorded:
// the others count with the mean length.
func (p *probe) sent(step *prober.StepResult) schedule.Amount {
	requests := 0
	for _, outcomes := range step.Outcomes {
		for outcome, n := range outcomes {
			if outcome != prober.Connect && outcome != prober.TLS { // those were not sent
				requests += n
			}
		}
	}
	counted := step.Outcomes[prober.Window][prober.OK]
	if step.PromptTokens == 0 { // the server did not count
		counted = 0
	}
	others := math.Round(float64(requests-counted) * p.meanTokens)
	return schedule.Amount{Requests: requests, Tokens: step.PromptTokens + step.OutputTokens + int(others)}
}

// dearestStep is what the ladder's most expensive step may cost.
func (p *probe) dearestStep() schedule.Amount {
	c, highest := p.definition.probe, 0.0
	for _, a := range c.Arms {
		highest = max(highest, slices.Max(c.Rates(a)))
	}
	return p.cost(highest)
}
