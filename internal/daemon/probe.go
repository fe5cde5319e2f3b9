package daemon

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math"
	"slices"
	"time"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/internal/schedule"
	"vllm_prober/internal/workload"
	"vllm_prober/prober"
)

// probe is one probe under way.
type probe struct {
	definition definition
	prober     *prober.Prober
	metrics    *collector.Probe
	turns      *turns
	log        *slog.Logger

	schedule *schedule.Schedule
	origin   time.Time // of the schedule
	account  *schedule.Account
	past     Past
	// meanTokens are those of a request and its answer, where the budget counts them.
	meanTokens float64
	replicas   []string
	state      state

	// ctx ends when the probe is to make no more runs, hard when the one under
	// way is to be cut.
	ctx, hard context.Context
	cancel    context.CancelFunc
}

// newProbe makes a probe that does nothing yet.
func (d *Daemon) newProbe(cfg *config.Config, definition definition) (*probe, error) {
	c := definition.probe
	p := &probe{
		definition: definition, metrics: collector.NewProbe(cfg, c), turns: &d.turns, log: d.o.Logger.With("probe", c.Name),
		replicas: replicasOf(c.Arms, definition.targets), state: newState(), hard: d.hard,
	}
	o := d.o.Prober
	observers := prober.Observers{p.metrics}
	if d.o.Observer != nil {
		observers = append(observers, d.o.Observer)
	}
	if c.Heartbeat == nil {
		if err := p.plan(d.o.Past); err != nil {
			return nil, fmt.Errorf("probe %q: %w", c.Name, err)
		}
		observers = append(observers, spending{probe: p})
		o.Before = p.afford
	}
	o.Logger, o.Observer = d.o.Logger, observers
	var err error
	if p.prober, err = prober.New(cfg, c, o); err != nil {
		return nil, err
	}
	p.ctx, p.cancel = context.WithCancel(d.hard)
	return p, nil
}

// replicasOf are the URLs that arms of targets use.
func replicasOf(arms []config.Arm, targets []config.Target) []string {
	var urls []string
	for i, t := range targets {
		urls = append(urls, t.Replicas[:prober.ArmOf(arms[i], t).Replicas]...)
	}
	slices.Sort(urls)
	return slices.Compact(urls)
}

// plan makes the probe's schedule and opens its account.
func (p *probe) plan(past func(string, time.Time) Past) (err error) {
	c := p.definition.probe
	// The delays of a probe's starts are its own, and the same after a restart.
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, c.Name, c.Seed)
	now := time.Now().Round(0)
	p.origin = now
	if p.schedule, err = schedule.New(c.Schedule, now, h.Sum64()); err != nil {
		return err
	}
	if p.account, err = schedule.NewAccount(c.Schedule); err != nil {
		return err
	}
	if past != nil {
		p.past = past(c.Name, p.account.Today(now))
		p.account.Spend(now, p.past.Spent)
	}
	if c.Schedule.Budget.TokensPerDay > 0 {
		requests, err := workload.New(c.Workload, "", "", 1)
		if err != nil {
			return err
		}
		prompt, output := requests.MeanTokens()
		p.meanTokens = prompt + output
	}
	return nil
}

// goOn makes runs, or the windows of a heartbeat, until the probe is stopped.
func (p *probe) goOn() {
	if p.definition.probe.Heartbeat != nil {
		p.beat()
	} else {
		p.repeat()
	}
}

// stop lets the run under way end early and cleanly, and no other begin.
func (p *probe) stop() {
	p.cancel()
	p.prober.Stop()
}

// cost is what a step at a rate may cost.
func (p *probe) cost(rate float64) schedule.Amount {
	n := p.definition.probe.StepCost(rate)
	return schedule.Amount{Requests: n, Tokens: int(math.Ceil(float64(n) * p.meanTokens))}
}

// firstStep is what a run costs at the least.
func (p *probe) firstStep() schedule.Amount {
	c := p.definition.probe
	return p.cost(c.Rates(c.Arms[0])[0])
}

// afford ends a run before a step that the budget does not bear.
func (p *probe) afford(s prober.Step) error {
	if now := time.Now(); !p.account.Affords(now, p.cost(s.RequestRate)) {
		return &prober.EarlyError{Outcome: prober.RunStopped, Why: fmt.Sprintf(
			"the budget of the day, of which %s are spent, does not bear the step at %g requests per second", p.spent(now), s.RequestRate)}
	}
	return nil
}

func (p *probe) spent(now time.Time) string {
	spent := p.account.Spent(now)
	if p.meanTokens > 0 {
		return fmt.Sprintf("%d requests and %d tokens", spent.Requests, spent.Tokens)
	}
	return fmt.Sprintf("%d requests", spent.Requests)
}

// spending books what was sent. An answer that is not whole counts with the mean
// length, for the server may have worked on it all the same.
type spending struct {
	prober.Silent
	probe *probe
}

// RequestEnded implements prober.Observer.
func (s spending) RequestEnded(_ prober.Step, o *prober.Observation) {
	if o.Sent == 0 {
		return
	}
	tokens := int(math.Round(s.probe.meanTokens))
	if o.Outcome == prober.OK && o.PromptTokens > 0 {
		tokens = o.PromptTokens + o.OutputTokens
	}
	s.probe.account.Spend(time.Now(), schedule.Amount{Requests: 1, Tokens: tokens})
}
