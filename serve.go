package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/internal/daemon"
	"vllm_prober/internal/gpu"
	"vllm_prober/internal/report"
	"vllm_prober/internal/results"
)

func addServe(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("serve", "Run the daemon (the default command).").Default()
	file := cmd.Flag("config.file", "The configuration.").Default("vllm_prober.yml").String()
	check := cmd.Flag("config.check", "Check the configuration, and the file of --web.config.file, and exit.").Bool()
	grace := cmd.Flag("shutdown.grace-period", "How long requests in flight may take to end after SIGTERM.").Default("30s").Duration()
	probing := cmd.Flag("prober", "Probe. With --no-prober there is no configuration and no record: the process exports this machine's GPUs alone.").
		Default("true").Bool()
	gpus := &gpuFlags{}
	gpus.add(cmd)
	var commandsEnabled bool
	addCommands(cmd, &commandsEnabled)
	storage := &storageFlags{}
	storage.add(cmd)
	lifecycle := cmd.Flag("web.enable-lifecycle", "Enable /-/run, /-/pause, /-/resume and /-/abort.").Bool()
	replicas := &replicaFlags{}
	replicas.add(cmd)
	webFlags := kingpinflag.AddFlags(cmd, defaultAddress)
	commands[cmd.FullCommand()] = func(env environment, logging *promslog.Config) error {
		load := func() (*config.Config, error) { return load(*file, commandsEnabled) }
		if !*probing {
			load = func() (*config.Config, error) { return &config.Config{}, nil }
		}
		cfg, err := load() // before a folder is made for the records of what cannot run
		if err != nil {
			return err
		}
		if err := checkWebConfig(webFlags); err != nil {
			return err
		}
		if *check {
			_, err := fmt.Fprintf(env.stdout, "%s is valid: %s, %s\n", *file,
				report.Count(len(cfg.Targets), "target"), report.Count(len(cfg.Probes), "probe"))
			return err
		}
		logger := promslog.New(logging)
		logger.Info("starting vllm_prober", "version", version.Info(), "build", version.BuildContext())
		asked, err := replicas.open(logger)
		if err != nil {
			return err
		}
		registry := newRegistry()
		var records *results.Store
		if *probing {
			if records, err = storage.open(logger); err != nil {
				return err
			}
		}
		if records != nil {
			defer records.Close()
			registry.MustRegister(collector.NewRecords(records))
		}
		poller, endGPUs, err := gpus.watch(gpu.NVML, logger)
		if err != nil {
			return err
		}
		defer endGPUs()
		d := daemon.New(daemon.Options{
			Load: load, Registry: registry, Logger: logger, Records: records, Replicas: asked, GPUs: poller, Lifecycle: *lifecycle,
		})
		server, err := listen(d.Handler(), webFlags, logger)
		if err != nil {
			return err
		}
		return serve(env, d, cfg, server, *grace, logger, nil)
	}
}

// addCommands adds the flag that lets a configuration run commands.
func addCommands(cmd *kingpin.CmdClause, enabled *bool) {
	cmd.Flag("prober.enable-commands", "Run the prepare commands of the configuration's arms.").BoolVar(enabled)
}

// load reads a configuration, and refuses one with commands where they are not
// enabled: who may write the file may not thereby run programs.
func load(file string, commandsEnabled bool) (*config.Config, error) {
	cfg, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	if arms := cfg.Commands(); len(arms) > 0 && !commandsEnabled {
		return nil, fmt.Errorf("%s: %s: there is a prepare command, which only runs with --prober.enable-commands: add the flag, or remove prepare",
			file, strings.Join(arms, "; "))
	}
	return cfg, nil
}

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		versioncollector.NewCollector("vllm_prober"),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(),
	)
	return registry
}

// serve runs a daemon, with cfg to begin with, until a signal, the failure of its
// web server, or what comes from done ends it.
func serve(
	env environment, d *daemon.Daemon, cfg *config.Config, server *webServer, grace time.Duration, logger *slog.Logger, done <-chan error,
) error {
	defer server.close() // the runs are over by then; a scrape in flight may be cut
	if err := d.Apply(cfg); err != nil {
		return err
	}
	server.open()
	err := untilTold(env, d, server.failed, done, logger)

	ctx, cut := context.WithTimeout(context.Background(), grace)
	defer cut()
	over := make(chan struct{})
	go func() { // a second signal cuts what is still in flight
		for {
			select {
			case s := <-env.signals:
				if s != syscall.SIGHUP {
					logger.Warn("cutting what is in flight", "signal", s)
					cut()
				}
			case <-over:
				return
			}
		}
	}()
	d.Shutdown(ctx)
	close(over)
	return err
}

// untilTold reloads at each SIGHUP and returns at any other signal, or with the
// error of the web server.
func untilTold(env environment, d *daemon.Daemon, failed, done <-chan error, logger *slog.Logger) error {
	for {
		select {
		case s := <-env.signals:
			if s != syscall.SIGHUP {
				logger.Info("shutting down: no more requests are sent, those in flight may end", "signal", s)
				return nil
			}
			if err := d.Reload(); err != nil {
				logger.Error("reload failed, the configuration before it stays in force", "err", err)
			}
		case err := <-done:
			return err
		case err := <-failed:
			return ended(err)
		}
	}
}
