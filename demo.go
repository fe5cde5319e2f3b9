package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/internal/daemon"
	"vllm_prober/internal/gpu"
	"vllm_prober/internal/progress"
	"vllm_prober/internal/report"
	"vllm_prober/internal/results"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// The demo's ladder spans the request rates of the field report, in twelve steps
// that take less than two minutes and are long enough for the batch to fill.
var (
	demoBatchSizes = []int{16, 32}
	demoRates      = []float64{10, 20, 40, 60}
	demoOneGPU     = []float64{10, 20}
)

const demoReplicas = 4

func addDemo(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("demo", "Probe simulated replicas with 1 and 4 GPUs and batch sizes 16 and 32, with nothing to install.")
	once := cmd.Flag("once", "End after the first run.").Bool()
	lag := cmd.Flag("max-send-lag", "How late requests may be sent before a step is invalid: more of it suits a busy machine.").
		Default(config.DefaultProbe().MaxSendLag.String()).Duration()
	storage := cmd.Flag("storage.path", "The folder to keep records of the runs in; without it none are kept.").String()
	gpus := &gpuFlags{}
	gpus.add(cmd)
	webFlags := kingpinflag.AddFlags(cmd, defaultAddress)
	commands[cmd.FullCommand()] = func(env environment, logging *promslog.Config) error {
		return demo(env, logging, webFlags, gpus, demoOptions{*once, *lag, *storage})
	}
}

// demoOptions are the flags that only the demo has.
type demoOptions struct {
	once       bool
	maxSendLag time.Duration
	storage    string
}

func demo(env environment, logging *promslog.Config, webFlags *webFlags, gpus *gpuFlags, o demoOptions) error {
	cfg := &config.Config{Probes: []config.Probe{demoProbe(o.maxSendLag)}}
	var replicas []*simulator.Replica
	for _, size := range demoBatchSizes {
		fleet, err := simulator.Start("127.0.0.1", 0, demoReplicas, simulator.Options{Parameters: simulator.FieldReport()})
		if err != nil {
			return fmt.Errorf("starting the simulator: %w", err)
		}
		defer fleet.Close()
		target := config.DefaultTarget()
		target.Name, target.BatchSize, target.Replicas = fmt.Sprintf("bs%d", size), size, fleet.URLs
		for _, replica := range fleet.Replicas {
			target.GPUUUIDs = append(target.GPUUUIDs, []string{simulator.GPUUUID(len(replicas))})
			replicas = append(replicas, replica)
		}
		cfg.Targets = append(cfg.Targets, target)
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	tables := &tablePrinter{env: env, once: o.once, done: make(chan error, 1)}
	if logging.Level.String() == "info" {
		_ = logging.Level.Set("warn") // the progress says what info would
	}
	logger := promslog.New(logging)
	poller, endGPUs, err := gpus.watch(func() (gpu.Source, error) { return simulator.GPUs(replicas) }, logger)
	if err != nil {
		return err
	}
	defer endGPUs()
	var records *results.Store
	if o.storage != "" {
		if records, err = results.Open(o.storage, results.Retention{}, logger); err != nil {
			return err
		}
		defer records.Close()
	}
	d := daemon.New(daemon.Options{
		Load:     func() (*config.Config, error) { return cfg, nil },
		Registry: newRegistry(), Logger: logger,
		Observer: prober.Observers{progress.New(env.stderr, isTerminal(env.stderr)), tables},
		Replicas: collector.NewReplicas(collector.DefaultReplicaInterval, nil, logger), GPUs: poller, Records: records,
	})
	server, err := listen(d.Handler(), webFlags, logger)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "Probing %d simulated replicas; Ctrl-C ends it. Look at it: http://%s/\n",
		len(replicas), shownAddress((*webFlags.WebListenAddresses)[0]))
	return serve(env, d, cfg, server, time.Second, logger, tables.done)
}

// demoProbe is the ladder of the field report.
func demoProbe(maxSendLag time.Duration) config.Probe {
	p := config.DefaultProbe()
	p.Name, p.MaxSendLag = "ladder", maxSendLag
	for _, size := range demoBatchSizes {
		name := fmt.Sprintf("bs%d", size)
		p.Arms = append(p.Arms, config.Arm{Target: name, Replicas: 1, Rates: demoOneGPU}, config.Arm{Target: name})
	}
	p.Workload.PromptTokens = config.Length{Fixed: simulator.FieldReportPrompt}
	p.Workload.OutputTokens = config.Length{Fixed: simulator.FieldReportOutput}
	p.Ladder = config.Ladder{
		Rates: demoRates, Warmup: 3500 * time.Millisecond, Window: 3500 * time.Millisecond,
		Drain: 10 * time.Second, Cooldown: 100 * time.Millisecond, Repeats: 1,
	}
	// In windows this short, the counts of random arrivals would differ from the
	// offered ones by a fifth.
	p.Pacing = config.Pacing{Process: config.Constant}
	p.SLO.TTFT, p.SLO.TPOT = 500*time.Millisecond, 50*time.Millisecond
	p.Schedule.Interval = 150 * time.Second
	return p
}

// tablePrinter prints the table of each run that ends.
type tablePrinter struct {
	prober.Silent
	env  environment
	once bool
	done chan error
}

// RunEnded implements prober.Observer.
func (t *tablePrinter) RunEnded(r *prober.RunResult) {
	err := report.Write(t.env.stdout, report.Table, r)
	if err == nil && r.Err != "" {
		err = errors.New(r.Err)
	}
	if t.once {
		t.done <- err
	}
}

// shownAddress is a listen address as a link wants it.
func shownAddress(address string) string {
	if strings.HasPrefix(address, ":") {
		return "localhost" + address
	}
	return address
}
