package prober

import (
	"context"
	"errors"
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
	// answers are the latest of the searches for each arm.
	answers map[Arm]Answer

	soft context.Context
	stop context.CancelFunc
}

// Options are what a Prober needs beside its configuration.
type Options struct {
	Observer Observer
	Logger   *slog.Logger
	// Dial makes connections; nil is TCP.
	Dial Dialer
	// Discovery knows the replicas of the targets that list none; it may be nil
	// where there is no such target.
	Discovery Discovery
	// Synthetic says that time is a test's: the prober then waits by Go's
	// timers, and does not judge itself by the machine's real scheduler.
	Synthetic bool
}

// New makes a Prober for one of cfg's probes.
func New(cfg *config.Config, probe config.Probe, o Options) (*Prober, error) {
	p := &Prober{probe: probe, o: o, answers: map[Arm]Answer{}}
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
		p.arms = append(p.arms, made)
	}
	return p, nil
}

func newArm(a config.Arm, target config.Target, probe config.Probe, c *client) (*arm, error) {
	made := &arm{
		Arm:    ArmOf(a, target),
		target: target, wanted: a.Replicas, rates: probe.Rates(a), balance: target.Balance, client: c,
		asked: map[string]bool{},
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
	n := a.Replicas
	if n == 0 {
		n = len(target.Replicas)
	}
	return Arm{Target: target.Name, Replicas: n, GPUs: n * target.GPUsPerReplica, BatchSize: target.BatchSize}
}

// Stop lets the running step end early and cleanly: no more requests are sent,
// those in flight may end. Run then returns; to cut them, end its context.
func (p *Prober) Stop() { p.stop() }

// Stopped is closed once Stop was called.
func (p *Prober) Stopped() <-chan struct{} { return p.soft.Done() }

// errStopped is why a run did not make all its steps.
var errStopped = errors.New("the run was stopped before its last step")

// Run makes one run. The result holds what was measured also when an error says
// why the run could not begin or end.
func (p *Prober) Run(ctx context.Context) (*RunResult, error) {
	run := Run{
		ID:    time.Now().UTC().Format("20060102T150405Z") + fmt.Sprintf("-%04x", rand.N(1<<16)),
		Probe: p.probe.Name, Seed: p.probe.Seed, StartedAt: time.Now(),
	}
	for run.Seed == 0 {
		run.Seed = rand.Uint64() >> 11 // a whole number that JSON readers keep exactly
	}
	arms, err := p.muster(ctx)
	plan := newPlan(p.probe, arms, p.answers, run.Seed)
	run.Steps = plan.known()
	result := &RunResult{Run: run}
	p.o.Observer.RunStarted(run)
	if err == nil {
		err = p.makeSteps(ctx, result, arms, plan)
	}
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
	if err := p.preflight(ctx, result, arms); err != nil {
		return err
	}
	for number := 1; ; number++ {
		known := number - 1 + plan.known()
		next, more := plan.next()
		if !more {
			return nil
		}
		if number > 1 && !p.Sleep(ctx, p.probe.Ladder.Cooldown) {
			return errStopped
		}
		s, err := p.prepare(result, next, number, max(known, number))
		if err != nil {
			return err
		}
		if s.changes, err = p.enlist(ctx, result, next.arm); err != nil {
			return err
		}
		r := s.run(ctx, p.soft)
		plan.ended(next, r)
		p.report(r)
		p.o.Observer.StepEnded(r)
		result.Results = append(result.Results, *r)
		if ctx.Err() != nil || p.soft.Err() != nil {
			return errStopped
		}
	}
}

// prepare makes a step ready, of a run that is known to have so many.
func (p *Prober) prepare(result *RunResult, next planned, number, known int) (*stepRun, error) {
	seed := stepSeed(result.Seed, next.rate, next.repeat)
	requests, err := workload.New(p.probe.Workload, next.arm.model.Model, fmt.Sprintf("%s-%d", result.ID, number), seed)
	if err != nil {
		return nil, fmt.Errorf("preparing the workload of probe %q: %w", p.probe.Name, err)
	}
	s := &stepRun{
		step: Step{
			RunID: result.ID, Probe: p.probe.Name, Number: number, Known: known, Arm: next.arm.Arm,
			RequestRate: next.rate, Seed: seed,
			Warmup: p.probe.Ladder.Warmup, Window: p.probe.Ladder.Window, MaxDrain: p.probe.Ladder.Drain,
		},
		arm: next.arm, probe: p.probe, requests: requests, observer: p.o.Observer, base: next.base,
		alarm: alarm.New, delays: func() func() time.Duration { return newSchedWatch().p99 },
	}
	if p.probe.Search != nil {
		s.maxWindow = p.probe.Search.MaxWindow
	}
	if p.o.Synthetic {
		s.alarm, s.delays = alarm.NewTimer, func() func() time.Duration { return func() time.Duration { return 0 } }
	}
	return s, nil
}

// Sleep waits, and says false as soon as ctx ends or Stop is called.
func (p *Prober) Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-p.soft.Done():
	}
	return ctx.Err() == nil && p.soft.Err() == nil
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
