package prober

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"vllm_prober/internal/alarm"
	"vllm_prober/internal/config"
	"vllm_prober/internal/workload"
)

// Prober makes the runs of one probe.
type Prober struct {
	probe config.Probe
	arms  []*arm
	o     Options
	// made is the arm whose command made the engines that run; nil is none.
	made *arm
	// answers are the latest of the searches for each arm.
	answers map[Arm]Answer
	// unread is why an arm's GPUs were not read, as it was logged last.
	unread map[Arm]string

	soft context.Context
	stop context.CancelFunc

	underway underway
	beat     heartbeat // of a probe that is one
}

// Options are what a Prober needs beside its configuration.
type Options struct {
	Observer Observer
	Logger   *slog.Logger
	// Before is asked before each step at a request rate whether it may begin; its
	// error ends the run. It may be nil.
	Before func(requestRate float64) error
	// Dial makes connections; nil is TCP.
	Dial Dialer
	// Watcher looks at the replicas of the probe while they are measured; it may
	// be nil, and there is then no guard.
	Watcher Watcher
	// ReadGPUs reads the GPUs of the replicas while they are measured; it may be nil.
	ReadGPUs ReadGPUs
	// Prepare makes an arm's engines by its command, and returns once they answer.
	// It may be nil where no arm has one.
	Prepare func(context.Context, Arm, Place, config.Prepare) error
	// Discovery knows the replicas of the targets that list none; it may be nil
	// where there is no such target.
	Discovery Discovery
	// Synthetic says that time is a test's: the prober then waits by Go's
	// timers, and does not judge itself by the machine's real scheduler.
	Synthetic bool
}

// New makes a Prober for one of cfg's probes.
func New(cfg *config.Config, probe config.Probe, o Options) (*Prober, error) {
	probe.Ladder = probe.Steps()
	p := &Prober{probe: probe, o: o, answers: map[Arm]Answer{}, unread: map[Arm]string{}, beat: heartbeat{pulses: map[int]Pulse{}}}
	p.soft, p.stop = context.WithCancel(context.Background())
	clients := map[string]*client{}
	for _, a := range probe.Arms {
		target, ok := cfg.Target(a.Target)
		if !ok {
			return nil, fmt.Errorf("probe %q: there is no target %q", probe.Name, a.Target)
		}
		if target.IsDiscovered() && o.Discovery == nil {
			return nil, fmt.Errorf("probe %q: nothing discovers target %q", probe.Name, a.Target)
		}
		c := clients[target.Name]
		if c == nil {
			var err error
			if c, err = newClient(target, probe.Timeouts, o.Dial); err != nil {
				return nil, fmt.Errorf("probe %q: %w", probe.Name, err)
			}
			clients[target.Name] = c
		}
		made, err := newArm(a, target, probe, c)
		if err != nil {
			return nil, fmt.Errorf("probe %q: %w", probe.Name, err)
		}
		if made.prepare != nil && o.Prepare == nil {
			return nil, fmt.Errorf("probe %q: target %q: its arm has a prepare command, and commands are not enabled", probe.Name, target.Name)
		}
		p.arms = append(p.arms, made)
	}
	return p, nil
}

func newArm(a config.Arm, target config.Target, probe config.Probe, c *client) (*arm, error) {
	made := &arm{
		Arm:    ArmOf(a, target),
		target: target, wanted: a.Replicas, rates: probe.Rates(a), balance: target.Balance, client: c,
		prepare: a.Prepare, model: ArmModel{Model: target.Model}, asked: map[string]bool{},
	}
	if target.IsDiscovered() {
		return made, nil // it gets its replicas when a run begins
	}
	for _, replica := range target.Replicas[:made.Arm.Replicas] {
		u, err := parseReplica(replica)
		if err != nil {
			return nil, fmt.Errorf("replica of target %q: %w", target.Name, err)
		}
		made.replicas = append(made.replicas, u)
	}
	return made, nil
}

// ArmOf says which arm a configuration means. One that uses all replicas of a
// discovered target has as many as are found when a run begins, and none before.
func ArmOf(a config.Arm, target config.Target) Arm {
	target = a.On(target)
	n := a.Replicas
	if n == 0 {
		n = len(target.Replicas)
	}
	return Arm{Target: target.Name, Replicas: n, GPUs: n * target.GPUsPerReplica, BatchSize: target.BatchSize}
}

// Stop lets the running step end early and cleanly: no more requests are sent,
// those in flight may end. Run then returns; to cut them, end its context.
func (p *Prober) Stop() { p.stop() }

// Run makes one run. The result holds what was measured also when an error says
// why the run could not begin or end.
func (p *Prober) Run(ctx context.Context) (*RunResult, error) {
	ctx, over := p.underway.begin(ctx, p.soft)
	defer over()
	run := Run{
		ID:    time.Now().UTC().Format("20060102T150405Z") + fmt.Sprintf("-%04x", rand.N(1<<16)),
		Probe: p.probe.Name, Seed: p.probe.Seed, StartedAt: time.Now(),
	}
	for run.Seed == 0 {
		run.Seed = rand.Uint64() >> 11 // a whole number that JSON readers keep exactly
	}
	arms, err := p.muster(ctx, p.arms)
	plan := newPlan(p.probe, arms, p.answers, run.Seed)
	run.Steps = plan.known()
	result := &RunResult{Run: run}
	p.o.Observer.RunStarted(run)
	if err == nil {
		err = p.makeSteps(ctx, result, arms, plan)
	}
	result.Outcome = outcomeOf(err)
	if err != nil {
		result.Err = err.Error()
	}
	result.Answers, result.Comparison = plan.answers(), plan.found()
	p.Remember(result)
	result.EndedAt = time.Now()
	p.o.Observer.RunEnded(result)
	return result, err
}

// Remember lets the next run's searches begin at what a former run has found. It
// is not to be called while a run is under way.
func (p *Prober) Remember(r *RunResult) {
	for _, a := range r.Answers {
		if a.Capacity != nil {
			p.answers[a.Arm] = a
		}
	}
}

func (p *Prober) makeSteps(ctx context.Context, result *RunResult, arms []*arm, plan *plan) error {
	p.made = nil
	if err := p.preflight(ctx, result, arms); err != nil {
		if ctx.Err() != nil {
			return p.underway.early(ctx)
		}
		return err
	}
	if err := p.within(ctx, guardWait{}, running(arms)); err != nil {
		return err
	}
	for number := 1; ; number++ {
		known := number - 1 + plan.known()
		next, more := plan.next()
		if !more {
			return nil
		}
		if number > 1 && !p.underway.sleep(ctx, p.probe.Ladder.Cooldown) {
			return p.underway.early(ctx)
		}
		if err := p.may(next.rate); err != nil {
			return err
		}
		if err := p.makeEngines(ctx, result, next.arm); err != nil {
			return err
		}
		r, err := p.guardedStep(ctx, result, next, number, max(known, number))
		if r != nil {
			plan.ended(next, r)
		}
		if err != nil {
			return err
		}
	}
}

// may says why a step may not begin, or nothing.
func (p *Prober) may(rate float64) error {
	if p.o.Before == nil {
		return nil
	}
	return p.o.Before(rate)
}

// makeStep makes one step of a run that is known to have so many; repeated says
// that it is the second time.
func (p *Prober) makeStep(ctx context.Context, result *RunResult, next planned, number, known int, repeated bool) (*StepResult, error) {
	step := Step{
		RunID: result.ID, Probe: p.probe.Name, Number: number, Known: known, Repeated: repeated, Arm: next.arm.Arm,
		RequestRate: next.rate, Seed: stepSeed(result.Seed, next.rate, next.repeat),
		Warmup: p.probe.Ladder.Warmup, Window: p.probe.Ladder.Window, MaxDrain: p.probe.Ladder.Drain,
	}
	requests, err := workload.New(p.probe.Workload, next.arm.model.Model, step.id(), step.Seed)
	if err != nil {
		return nil, fmt.Errorf("preparing the workload of probe %q: %w", p.probe.Name, err)
	}
	s := &stepRun{
		step: step, arm: next.arm, probe: p.probe, requests: requests, base: next.base,
		observer: p.o.Observer, watcher: p.o.Watcher, readGPUs: p.o.ReadGPUs,
		alarm: alarm.New, delays: func() func() time.Duration { return newSchedWatch().p99 },
	}
	if s.changes, err = p.enlist(ctx, result, next.arm); err != nil {
		return nil, err
	}
	if p.probe.Search != nil {
		s.maxWindow = p.probe.Search.MaxWindow
	}
	if p.o.Synthetic {
		s.alarm, s.delays = alarm.NewTimer, func() func() time.Duration { return func() time.Duration { return 0 } }
	}
	r := s.run(ctx, p.underway.soft)
	p.report(r)
	p.reportGPUs(r, s.unread)
	p.o.Observer.StepEnded(r)
	if r.Guard != nil {
		p.tripped(r.Guard)
	}
	result.Results = append(result.Results, *r)
	if p.underway.isOver(ctx) {
		return r, p.underway.early(ctx)
	}
	return r, nil
}

// report logs what an operator has to know of a step.
func (p *Prober) report(r *StepResult) {
	log := p.o.Logger.With("probe", r.Probe, "run", r.RunID, "target", r.Arm.Target, "gpus", r.Arm.GPUs,
		"request_rate", r.RequestRate)
	for _, f := range r.Failures {
		log.Warn("requests failed", "outcome", f.Outcome, "count", f.Count, "example", f.Example)
	}
	for _, b := range r.Broken {
		log.Warn("step is invalid, its latencies are withheld", "promise", b.Promise, "detail", b.Detail)
	}
	log.Info("step ended", "step", r.Number, "throughput", r.Throughput, "offered", r.Offered,
		"completed", r.Completed, "valid", r.Valid())
}
