package prober

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
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

	soft context.Context
	stop context.CancelFunc

	underway underway
	beat     heartbeat // of a probe that is one
}

// Options are what a Prober needs beside its configuration.
type Options struct {
	Observer Observer
	Logger   *slog.Logger
	// Before is asked before each step whether it may begin; its error ends the
	// run. It may be nil.
	Before func(Step) error
	// Dial makes connections; nil is TCP.
	Dial Dialer
	// Synthetic says that time is a test's: the prober then waits by Go's
	// timers, and does not judge itself by the machine's real scheduler.
	Synthetic bool
}

// New makes a Prober for one of cfg's probes.
func New(cfg *config.Config, probe config.Probe, o Options) (*Prober, error) {
	probe.Ladder = probe.Steps()
	p := &Prober{probe: probe, o: o}
	p.soft, p.stop = context.WithCancel(context.Background())
	clients := map[string]*client{}
	for _, a := range probe.Arms {
		target, ok := cfg.Target(a.Target)
		if !ok {
			return nil, fmt.Errorf("probe %q: there is no target %q", probe.Name, a.Target)
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
		target: target, rates: probe.Rates(a), balance: target.Balance, client: c, model: ArmModel{Model: target.Model},
	}
	for _, replica := range target.Replicas[:made.Arm.Replicas] {
		u, err := url.Parse(replica)
		if err != nil {
			return nil, fmt.Errorf("replica of target %q: %w", target.Name, err)
		}
		made.replicas = append(made.replicas, u.JoinPath("/")) // paths are joined to it, and an empty one would stay relative
	}
	return made, nil
}

// ArmOf says which arm a configuration means.
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

// Run makes one run. The result holds what was measured also when an error says
// why the run could not begin or end.
func (p *Prober) Run(ctx context.Context) (*RunResult, error) {
	ctx, soft, over := p.underway.begin(ctx, p.soft)
	defer over()
	plan := p.plan()
	run := Run{
		ID:    time.Now().UTC().Format("20060102T150405Z") + fmt.Sprintf("-%04x", rand.N(1<<16)),
		Probe: p.probe.Name, Seed: p.probe.Seed, StartedAt: time.Now(), Steps: len(plan),
	}
	for run.Seed == 0 {
		run.Seed = rand.Uint64() >> 11 // a whole number that JSON readers keep exactly
	}
	result := &RunResult{Run: run}
	p.o.Observer.RunStarted(run)
	err := p.makeSteps(ctx, soft, result, plan)
	result.Outcome = outcomeOf(err)
	if err != nil {
		result.Err = err.Error()
	}
	result.EndedAt = time.Now()
	p.o.Observer.RunEnded(result)
	return result, err
}

// planned is one step of a plan.
type planned struct {
	arm  *arm
	rate float64
}

// plan orders the steps: the arms take turns, from their lowest rates to their
// highest, so that a drift of the service meets all of them.
func (p *Prober) plan() []planned {
	var plan []planned
	for i, more := 0, true; more; i++ {
		more = false
		for _, a := range p.arms {
			if i < len(a.rates) {
				plan = append(plan, planned{a, a.rates[i]})
				more = true
			}
		}
	}
	return plan
}

func (p *Prober) makeSteps(ctx, soft context.Context, result *RunResult, plan []planned) error {
	if err := p.preflight(ctx, result); err != nil {
		if ctx.Err() != nil {
			return early(ctx, soft)
		}
		return err
	}
	for i, next := range plan {
		if i > 0 && !sleep(ctx, soft, p.probe.Ladder.Cooldown) {
			return early(ctx, soft)
		}
		// The seed follows the rate alone: all arms get the same arrivals and
		// lengths at a rate, which takes that variance out of their difference.
		seed := stepSeed(result.Seed, next.rate)
		requests, err := workload.New(p.probe.Workload, next.arm.model.Model, fmt.Sprintf("%s-%d", result.ID, i+1), seed)
		if err != nil {
			return fmt.Errorf("preparing the workload of probe %q: %w", p.probe.Name, err)
		}
		s := &stepRun{
			step: Step{
				RunID: result.ID, Probe: p.probe.Name, Number: i + 1, Arm: next.arm.Arm,
				RequestRate: next.rate, Seed: seed,
				Warmup: p.probe.Ladder.Warmup, Window: p.probe.Ladder.Window, MaxDrain: p.probe.Ladder.Drain,
			},
			arm: next.arm, probe: p.probe, requests: requests, observer: p.o.Observer,
			alarm: alarm.New, delays: func() func() time.Duration { return newSchedWatch().p99 },
		}
		if p.o.Synthetic {
			s.alarm, s.delays = alarm.NewTimer, func() func() time.Duration { return func() time.Duration { return 0 } }
		}
		if p.o.Before != nil {
			if err := p.o.Before(s.step); err != nil {
				return err
			}
		}
		r := s.run(ctx, soft)
		p.report(r)
		p.o.Observer.StepEnded(r)
		result.Results = append(result.Results, *r)
		if ctx.Err() != nil || soft.Err() != nil {
			return early(ctx, soft)
		}
	}
	return nil
}

// stepSeed mixes a run's seed with a rate, by the finalizer of SplitMix64
// (Steele, Lea and Flood, OOPSLA 2014), so that near rates get unlike seeds.
func stepSeed(seed uint64, rate float64) uint64 {
	x := seed + uint64(rate*1000)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return (x ^ x>>31) >> 11
}

// sleep waits, and says false as soon as one of the contexts ends.
func sleep(hard, soft context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hard.Done():
	case <-soft.Done():
	}
	return hard.Err() == nil && soft.Err() == nil
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
