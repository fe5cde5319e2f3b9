package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/promslog"
	"golang.org/x/term"

	"vllm_prober/internal/config"
	"vllm_prober/internal/discovery"
	"vllm_prober/internal/gpu"
	"vllm_prober/internal/prepare"
	"vllm_prober/internal/progress"
	"vllm_prober/internal/replica"
	"vllm_prober/internal/report"
	"vllm_prober/internal/results"
	"vllm_prober/internal/serving"
	"vllm_prober/prober"
)

// runFlags are the flags of the command run.
type runFlags struct {
	file, probe string
	output      string
	storage     string
	commands    bool
	gpus        gpuFlags

	targets    []string
	rates      string
	model      string
	apiKeyFile string
	defaults   config.Probe

	// own are the flags that make a probe, and whether they were given.
	own []ownFlag
}

// ownFlag is a flag that says what a configuration says itself.
type ownFlag struct {
	name  string
	given *bool
}

// flag adds such a flag.
func (f *runFlags) flag(cmd *kingpin.CmdClause, name, help string) *kingpin.FlagClause {
	own := ownFlag{"--" + name, new(bool)}
	f.own = append(f.own, own)
	return cmd.Flag(name, help).IsSetByUser(own.given)
}

// given are the names of those that were given.
func (f *runFlags) given() (names []string) {
	for _, own := range f.own {
		if *own.given {
			names = append(names, own.name)
		}
	}
	return names
}

func addRun(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("run", "Make one run now, and print its table.")
	f := &runFlags{defaults: config.DefaultProbe()}
	p := &f.defaults
	cmd.Flag("config.file", "The configuration; or give --target, --rates and what stands below them.").StringVar(&f.file)
	cmd.Flag("probe", "The probe of the configuration to run; may be left out where there is one.").StringVar(&f.probe)
	cmd.Flag("output", "The form of the result: "+strings.Join(report.Formats(), ", ")+".").
		Default(string(report.Table)).EnumVar(&f.output, report.Formats()...)
	cmd.Flag("storage.path", "The folder to keep a record of the run in; without it none is kept.").StringVar(&f.storage)
	addCommands(cmd, &f.commands)
	f.gpus.addForRun(cmd)
	f.flag(cmd, "target", "Base URL of a replica, such as http://127.0.0.1:8000; again for each further replica.").
		PlaceHolder("URL").StringsVar(&f.targets)
	f.flag(cmd, "rates", "Request rates, rising, in requests per second: 10,20,30.").StringVar(&f.rates)
	search := f.flag(cmd, "search", "Go on after the highest rate until the capacity is known.").Bool()
	f.flag(cmd, "model", "The model; the first that /v1/models lists if left out.").StringVar(&f.model)
	f.flag(cmd, "api-key-file", "File with the API key.").StringVar(&f.apiKeyFile)
	endpoint := f.flag(cmd, "endpoint", "What to ask: completions, chat.").Default(string(p.Workload.Endpoint)).
		Enum(string(config.Completions), string(config.Chat))
	f.flag(cmd, "prompt-tokens", "Length of each prompt.").Default(strconv.Itoa(p.Workload.PromptTokens.Fixed)).
		IntVar(&p.Workload.PromptTokens.Fixed)
	f.flag(cmd, "output-tokens", "Length of each answer.").Default(strconv.Itoa(p.Workload.OutputTokens.Fixed)).
		IntVar(&p.Workload.OutputTokens.Fixed)
	f.flag(cmd, "warmup", "Load before the window.").Default(p.Ladder.Warmup.String()).DurationVar(&p.Ladder.Warmup)
	f.flag(cmd, "window", "The measured time of each step.").Default(p.Ladder.Window.String()).DurationVar(&p.Ladder.Window)
	f.flag(cmd, "drain", "The longest time that the load goes on after the window.").Default(p.Ladder.Drain.String()).DurationVar(&p.Ladder.Drain)
	f.flag(cmd, "cooldown", "Time without load between steps.").Default(p.Ladder.Cooldown.String()).DurationVar(&p.Ladder.Cooldown)
	f.flag(cmd, "max-send-lag", "How late requests may be sent before a step is invalid: more of it suits a busy machine.").
		Default(p.MaxSendLag.String()).DurationVar(&p.MaxSendLag)
	f.flag(cmd, "seed", "Repeat a run's arrivals and lengths; 0 takes a new seed.").Uint64Var(&p.Seed)
	commands[cmd.FullCommand()] = func(env environment, logging *promslog.Config) error {
		p.Workload.Endpoint = config.Endpoint(*endpoint)
		if *search {
			s := config.DefaultSearch()
			s.MaxWindow = max(s.MaxWindow, p.Ladder.Window)
			p.Search = &s
		}
		return runOnce(env, logging, f)
	}
}

// configure finds the configuration and the probe that the flags mean.
func (f *runFlags) configure() (*config.Config, config.Probe, error) {
	if f.file != "" {
		if given := f.given(); len(given) > 0 {
			return nil, config.Probe{}, fmt.Errorf("--config.file says itself what %s would say: leave out either", strings.Join(given, ", "))
		}
		cfg, err := load(f.file, f.commands)
		if err != nil {
			return nil, config.Probe{}, err
		}
		probe, err := chooseProbe(cfg, f.probe)
		return cfg, probe, err
	}
	if len(f.targets) == 0 || f.rates == "" {
		return nil, config.Probe{}, errors.New("nothing to run: give --config.file, or --target and --rates")
	}
	if f.probe != "" {
		return nil, config.Probe{}, errors.New("--probe is of a configuration: give --config.file instead of --target and --rates")
	}
	target := config.DefaultTarget()
	target.Name, target.Replicas, target.Model = "target", f.targets, f.model
	if f.apiKeyFile != "" {
		target.HTTPClient.Authorization = &promconfig.Authorization{Type: "Bearer", CredentialsFile: f.apiKeyFile}
	}
	probe := f.defaults
	probe.Name, probe.Arms = "run", []config.Arm{{Target: target.Name}}
	for text := range strings.SplitSeq(f.rates, ",") {
		rate, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			return nil, probe, fmt.Errorf("--rates: %q is no number; allowed: requests per second with commas between them, such as 10,20,30", text)
		}
		probe.Ladder.Rates = append(probe.Ladder.Rates, rate)
	}
	if s := probe.Search; s != nil {
		const room = 4 // the capacity lies above the ladder, but seldom by more
		s.MaxRate = max(s.MaxRate, min(room*slices.Max(probe.Ladder.Rates), config.MaxRate))
	}
	cfg := &config.Config{Targets: []config.Target{target}, Probes: []config.Probe{probe}}
	return cfg, probe, inFlags(cfg.Validate())
}

// flagOf turns the paths of a configuration that flags made into the names of these.
var flagOf = strings.NewReplacer(
	"targets[0].replicas", "--target", "targets[0].model", "--model", "targets[0].http_client", "--api-key-file",
	"probes[0].ladder.", "--", "probes[0].workload.", "--", "probes[0].search", "--search",
	"probes[0].max_send_lag", "--max-send-lag", "_", "-",
)

// inFlags tells the mistakes of a configuration in the words of the flags that made
// it: nobody who gives --rates has a ladder.
func inFlags(err error) error {
	mistakes, are := errors.AsType[*config.Error](err)
	if !are {
		return err
	}
	for i, p := range mistakes.Problems {
		if name := flagOf.Replace(p.Path); strings.HasPrefix(name, "--") {
			mistakes.Problems[i].Path, _, _ = strings.Cut(name, "[") // which of the flag's values says the rest
		}
	}
	return mistakes
}

func chooseProbe(cfg *config.Config, name string) (config.Probe, error) {
	if name == "" && len(cfg.Probes) == 1 {
		return cfg.Probes[0], nil
	}
	var names []string
	for _, p := range cfg.Probes {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	if name == "" {
		return config.Probe{}, fmt.Errorf("the configuration has several probes: say with --probe which of %s to run", strings.Join(names, ", "))
	}
	return config.Probe{}, fmt.Errorf("--probe %q is none of the configuration's probes: %s", name, strings.Join(names, ", "))
}

// runOnce makes one run. The first signal ends it cleanly, a second at once;
// what was measured is printed in any case.
func runOnce(env environment, logging *promslog.Config, f *runFlags) error {
	cfg, probe, err := f.configure()
	if err != nil {
		return err
	}
	_ = logging.Level.Set("error") // the progress says it
	logger := promslog.New(logging)
	watcher, err := replica.NewWatcher(cfg, probe, nil, logger)
	if err != nil {
		return err
	}
	observers := prober.Observers{progress.New(env.stderr, isTerminal(env.stderr))}
	var former []*prober.RunResult
	if f.storage != "" {
		records, err := results.Open(f.storage, results.Retention{}, logger)
		if err != nil {
			return err
		}
		defer records.Close()
		recorder, err := records.Recorder(cfg, probe)
		if err != nil {
			return err
		}
		observers = append(observers, recorder)
		if former, _, err = recorder.Former(); err != nil {
			return err
		}
	}
	poller, endGPUs, err := f.gpus.watch(gpu.NVML, slog.New(slog.DiscardHandler)) // most machines that make a run have none
	if err != nil {
		return err
	}
	defer endGPUs()
	o := prober.Options{Observer: observers, Logger: logger, Watcher: watcher, Prepare: prepare.New(watcher, logger)}
	if poller != nil {
		o.ReadGPUs = serving.Reader(poller, cfg.TargetsOf(probe))
	}
	p, end, err := discoveringProber(cfg, probe, o)
	if err != nil {
		return err
	}
	defer end()
	for _, r := range former { // a search begins where the latest one has ended
		p.Remember(r)
	}
	ctx, cut := context.WithCancel(context.Background())
	defer cut()
	go endBySignals(ctx, env, p.Stop, cut)
	result, err := p.Run(ctx)
	if len(result.Results) > 0 || report.Format(f.output) == report.JSON {
		if werr := report.Write(env.stdout, report.Format(f.output), result); werr != nil {
			return fmt.Errorf("writing the result: %w", werr)
		}
	}
	return err
}

// endBySignals stops a run at the first signal and cuts it at the second, until ctx
// ends.
func endBySignals(ctx context.Context, env environment, stop, cut func()) {
	for stopping := false; ; {
		select {
		case s := <-env.signals:
			switch {
			case s == syscall.SIGHUP:
			case stopping:
				cut()
			default:
				stopping = true
				stop()
			}
		case <-ctx.Done():
			return
		}
	}
}

// discoveringProber returns a prober and begins to discover the replicas of its
// targets, until end is called.
func discoveringProber(cfg *config.Config, probe config.Probe, o prober.Options) (p *prober.Prober, end func(), err error) {
	found := discovery.New(prometheus.NewRegistry(), o.Logger, nil)
	begin, err := found.Prepare(cfg.TargetsOf(probe))
	if err != nil {
		return nil, nil, err
	}
	o.Discovery = found
	if p, err = prober.New(cfg, probe, o); err != nil {
		return nil, nil, err
	}
	begin()
	return p, found.Stop, nil
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
