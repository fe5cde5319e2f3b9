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
	"vllm_prober/internal/live"
	"vllm_prober/internal/prepare"
	"vllm_prober/internal/replica"
	"vllm_prober/internal/schedule"
	"vllm_prober/internal/serving"
	"vllm_prober/internal/workload"
	"vllm_prober/prober"
)

// probe is one probe under way.
type probe struct {
	definition definition
	prober     *prober.Prober
	metrics    *collector.Probe
	live       *live.Probe
	turns      *turns
	log        *slog.Logger

	schedule *schedule.Schedule
	origin   time.Time // of the schedule
	account  *schedule.Account
	// before is when the latest run began that another process made of the probe as
	// it is; zero where none is known.
	before time.Time
	// meanTokens are those of a request and its answer, where the budget counts them.
	meanTokens float64
	// pulse is that of the heartbeat whose TTFT the guard limits, and recent how old it
	// may be; nil where there is no such limit.
	pulse  func() (prober.Pulse, bool)
	recent time.Duration
	found  func(target string) []string // the replicas that were discovered
	state  state

	// ctx ends when the probe is to make no more runs, hard when the one under
	// way is to be cut.
	ctx, hard context.Context
	cancel    context.CancelFunc
}

// newProbe makes a probe that does nothing yet. old is the one whose place it is
// to take, if there is one.
func (d *Daemon) newProbe(cfg *config.Config, definition definition, old *probe) (*probe, error) {
	c := definition.probe
	p := &probe{
		definition: definition, metrics: collector.NewProbe(cfg, c), live: d.board.NewProbe(c.Name),
		turns: &d.turns, log: d.o.Logger.With("probe", c.Name),
		found: d.discovery.Replicas, state: newState(), hard: d.hard,
	}
	o := d.o.Prober
	observers := prober.Observers{p.metrics}
	if c.Heartbeat == nil {
		if err := p.plan(); err != nil {
			return nil, fmt.Errorf("probe %q: %w", c.Name, err)
		}
		observers = append(observers, spending{probe: p})
		o.Before = p.afford
		watcher, err := replica.NewWatcher(cfg, c, o.Dial, d.o.Logger)
		if err != nil {
			return nil, err
		}
		if c.Guard.HeartbeatTTFT > 0 {
			p.pulse, p.recent = d.pulseOf(cfg, c.Guard.Heartbeat)
			watcher.Feel(p.pulse)
		}
		o.Watcher, o.Prepare = watcher, prepare.New(watcher, d.o.Logger)
	}
	if d.o.GPUs != nil {
		o.ReadGPUs = serving.Reader(d.o.GPUs, definition.targets)
	}
	recorder, runs, err := d.record(cfg, p)
	if err != nil {
		return nil, err
	}
	if recorder != nil {
		observers = append(observers, recorder)
	}
	observers = append(observers, p.live) // after the records, which the pages are then made of
	if d.o.Observer != nil {
		observers = append(observers, d.o.Observer)
	}
	if d.o.Replicas != nil {
		observers = append(observers, d.o.Replicas)
	}
	o.Logger, o.Observer = d.o.Logger, observers
	if p.prober, err = prober.New(cfg, c, o); err != nil {
		return nil, err
	}
	for _, r := range runs {
		p.prober.Remember(r)
	}
	p.live.Restore(runs)
	if p.account != nil && !old.hasAccount() {
		now := time.Now()
		p.account.Spend(now, d.spentToday(p, now))
	}
	p.ctx, p.cancel = context.WithCancel(d.hard)
	return p, nil
}

// hasAccount says whether a probe knows what is spent of the day's budget.
func (p *probe) hasAccount() bool { return p != nil && p.account != nil }

// follow lets a probe that takes another one's place go on with what that has spent of
// the day's budget, and paused if that is: whoever paused it has not said otherwise.
func (p *probe) follow(old *probe) {
	if old == nil {
		return
	}
	p.setPaused(old.isPaused())
	if now := time.Now(); p.account != nil && old.hasAccount() {
		p.account.Spend(now, old.account.Spent(now))
	}
}

// replicas are the URLs of the replicas that all arms of the probe use.
func (p *probe) replicas() []string {
	return p.replicasOf(p.definition.probe.Arms, p.definition.targets)
}

// replicasOf are those that arms of targets use. Of a target whose replicas are
// discovered they are all that there are now, and the target itself, for those that
// are still to come.
func (p *probe) replicasOf(arms []config.Arm, targets []config.Target) []string {
	var urls []string
	for i, t := range targets {
		if t.IsDiscovered() {
			urls = append(append(urls, "target "+t.Name), p.found(t.Name)...)
			continue
		}
		urls = append(urls, t.Replicas[:prober.ArmOf(arms[i], t).Replicas]...)
	}
	slices.Sort(urls)
	return slices.Compact(urls)
}

// plan makes the probe's schedule and opens its account.
func (p *probe) plan() (err error) {
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
	return p.amount(p.definition.probe.StepCost(rate))
}

// firstStep is what a run costs at the least.
func (p *probe) firstStep() schedule.Amount { return p.amount(p.definition.probe.FirstStepCost()) }

// amount is what so many requests may cost.
func (p *probe) amount(requests int) schedule.Amount {
	return schedule.Amount{Requests: requests, Tokens: int(math.Ceil(float64(requests) * p.meanTokens))}
}

// afford ends a run before a step that the budget does not bear.
func (p *probe) afford(rate float64) error {
	if now := time.Now(); !p.account.Affords(now, p.cost(rate)) {
		return &prober.EarlyError{Outcome: prober.RunStopped, Why: fmt.Sprintf(
			"the budget of the day, of which %s are spent, does not bear the step at %g requests per second", p.spent(now), rate)}
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
