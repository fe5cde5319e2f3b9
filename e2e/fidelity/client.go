package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/pprof"
	"sync"
	"time"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// client is something that measures TTFT.
type client struct {
	name    string
	measure func(ctx context.Context, server string, rate float64, t times) (measurement, error)
}

// measurement is what a client found, and what that cost.
type measurement struct {
	Samples []sample `json:"samples"`
	// Lags are the send lags in seconds; empty where the client does not tell them.
	Lags []float64 `json:"lags"`
	// Lost counts measured requests that were not sent or not answered well.
	Lost int `json:"lost"`
	// Broken are the promises that vllm_prober says it did not keep.
	Broken []string `json:"broken"`
	// Tokens counts all that were streamed to the client, in warm-up and drain too.
	Tokens int `json:"tokens"`
	// PeakRSS is the most resident memory in bytes, CPU the processor time of
	// the whole process from its start to its end; 0 is not known.
	PeakRSS int64         `json:"peak_rss_bytes"`
	CPU     time.Duration `json:"-"`
}

// sample is one request as a client measured it.
type sample struct {
	ID   string  `json:"id"`
	TTFT float64 `json:"ttft_seconds"`
}

// vllmProber is vllm_prober in a process of its own on the client's core.
func vllmProber(profile string) client {
	return client{"vllm_prober", func(ctx context.Context, server string, rate float64, t times) (measurement, error) {
		return load(ctx, order{Server: server, Rate: rate, Warmup: t.warmup, Window: t.window, Profile: profile})
	}}
}

// order is what the process of a client is told.
type order struct {
	Server  string        `json:"server"`
	Rate    float64       `json:"rate"`
	Warmup  time.Duration `json:"warmup"`
	Window  time.Duration `json:"window"`
	Bare    bool          `json:"bare"`    // to be bare sockets
	Profile string        `json:"profile"` // the file for a CPU profile; may be empty
	Collect string        `json:"collect"` // replicas to collect from beside; may be empty
}

// load runs the process of a client.
func load(ctx context.Context, o order) (measurement, error) {
	var m measurement
	argument, err := json.Marshal(o)
	if err != nil {
		return m, fmt.Errorf("ordering a load: %w", err)
	}
	cmd, err := part(ctx, clientCore, "load", string(argument))
	if err != nil {
		return m, err
	}
	m.CPU, err = outcome(cmd, &m)
	return m, err
}

// loadPart is that process.
func loadPart(argument string) error {
	var o order
	if err := json.Unmarshal([]byte(argument), &o); err != nil {
		return fmt.Errorf("reading the order of a load: %w", err)
	}
	if o.Profile != "" {
		file, err := os.Create(o.Profile)
		if err != nil {
			return fmt.Errorf("profiling: %w", err)
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("profiling: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	run := runStep
	if o.Bare {
		run = runBareStep
	}
	m, err := run(o)
	if err != nil {
		return err
	}
	if m.PeakRSS, err = memory("self", "VmHWM"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(m)
}

// runStep makes one step with what the daemon has: the prober, and the metrics
// as its observer. Another observer keeps the single requests.
func runStep(o order) (measurement, error) {
	cfg := o.config()
	r := &recorder{}
	options := prober.Options{
		Observer: prober.Observers{collector.NewProbe(cfg, cfg.Probes[0]), r},
		Logger:   slog.New(slog.DiscardHandler),
	}
	if o.Collect != "" {
		beside, err := startCollectors(o.Collect)
		if err != nil {
			return measurement{}, err
		}
		defer beside.stop()
		options.ReadGPUs = beside.metering(cfg)
	}
	p, err := prober.New(cfg, cfg.Probes[0], options)
	if err != nil {
		return measurement{}, err
	}
	result, err := p.Run(context.Background())
	if err != nil {
		return measurement{}, fmt.Errorf("running the step: %w", err)
	}
	step := result.Results[0]
	if o.Collect != "" && (step.GPU == nil || step.GPU.PowerWatts == nil) {
		return measurement{}, errors.New("running the step: its GPUs were not read")
	}
	r.m.Lost = step.Offered - len(r.m.Samples)
	for _, b := range step.Broken {
		r.m.Broken = append(r.m.Broken, string(b.Promise))
	}
	return r.m, nil
}

// config is the configuration of the step.
func (o order) config() *config.Config {
	target := config.DefaultTarget()
	target.Name, target.Replicas = "fixed", []string{o.Server}
	probe := config.DefaultProbe()
	probe.Name, probe.Arms = "fidelity", []config.Arm{{Target: target.Name}}
	probe.Workload.PromptTokens = config.Length{Fixed: promptTokens}
	probe.Workload.OutputTokens = config.Length{Fixed: outputTokens}
	probe.Ladder.Rates = []float64{o.Rate}
	probe.Ladder.Warmup, probe.Ladder.Window = o.Warmup, o.Window
	return &config.Config{Targets: []config.Target{target}, Probes: []config.Probe{probe}}
}

// recorder keeps the measured requests of a step.
type recorder struct {
	prober.Silent

	mu sync.Mutex
	m  measurement
}

// RequestEnded implements prober.Observer.
func (r *recorder) RequestEnded(_ prober.Step, o *prober.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.m.Tokens += o.OutputTokens
	if o.Phase == prober.Window && o.Outcome == prober.OK {
		r.m.Samples = append(r.m.Samples, sample{o.ID, o.TTFT().Seconds()})
		r.m.Lags = append(r.m.Lags, o.SendLag().Seconds())
	}
}
