// Package daemon is the long-running prober: it makes the runs of all probes of
// a configuration, again and again, and serves what they found.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/internal/discovery"
	"vllm_prober/internal/gpu"
	"vllm_prober/internal/live"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// Options are what a Daemon needs.
type Options struct {
	// Load reads the configuration at every reload.
	Load func() (*config.Config, error)
	// Registry holds what is to be served beside the daemon's own metrics.
	Registry *prometheus.Registry
	Logger   *slog.Logger
	// Observer is told what all probes see, beside the metrics; it may be nil.
	Observer prober.Observer
	// Records keeps the record of every run, and says what the daemon did before this
	// process; it may be nil.
	Records *results.Store
	// Replicas asks the replicas of the targets how they are; it may be nil.
	Replicas *collector.Replicas
	// GPUs reads this machine's GPUs; it may be nil.
	GPUs *gpu.Poller
	// Prober is how probers are made; its Observer, Watcher, ReadGPUs, Discovery, Logger and
	// Before are the daemon's.
	Prober prober.Options
	// Lifecycle enables the endpoints that change what the daemon does.
	Lifecycle bool
}

// Daemon makes the runs of the probes of a configuration.
type Daemon struct {
	o         Options
	discovery *discovery.Set
	metrics   *collector.Daemon
	page      *collector.Page
	board     *live.Board
	turns     turns

	// hard ends everything at once.
	hard context.Context
	cut  context.CancelFunc

	// applying is held while a configuration is put into force: for as long as disks
	// and discovery take.
	applying sync.Mutex
	closed   bool

	// mu is held for a moment at a time. What it guards is written with applying, too,
	// so that either is enough to read it.
	mu     sync.Mutex
	cfg    *config.Config
	probes map[string]*probe
	wait   sync.WaitGroup
}

// definition is all that makes a probe what it is: while it stays the same, the
// probe goes on through a reload and its series keep their values.
type definition struct {
	probe   config.Probe
	targets []config.Target
}

func define(cfg *config.Config, p config.Probe) definition {
	d := definition{probe: p}
	for _, a := range p.Arms {
		if t, ok := cfg.Target(a.Target); ok {
			d.targets = append(d.targets, t)
		}
	}
	return d
}

// New returns a daemon that does nothing yet.
func New(o Options) *Daemon {
	d := &Daemon{o: o, page: collector.NewPage(o.Registry), board: live.NewBoard(), probes: map[string]*probe{}}
	d.o.Logger = slog.New(d.board.Handler(o.Logger.Handler()))
	d.discovery = discovery.New(o.Registry, d.o.Logger, d.replicasChanged)
	d.o.Prober.Discovery = d.discovery
	d.metrics = collector.NewDaemon(d.discovery.Count)
	d.hard, d.cut = context.WithCancel(context.Background())
	o.Registry.MustRegister(d.metrics)
	if o.Replicas != nil {
		o.Registry.MustRegister(o.Replicas)
	}
	snapshot := func() (*gpu.Snapshot, bool) { return nil, false }
	if o.GPUs != nil {
		o.Registry.MustRegister(collector.NewGPU(o.GPUs))
		snapshot = o.GPUs.Fresh
	}
	o.Registry.MustRegister(collector.NewReplicaGPUs(d.targets, snapshot))
	return d
}

// Reload reads the configuration and puts it into force, as Apply does.
func (d *Daemon) Reload() error {
	cfg, err := d.o.Load()
	if err != nil {
		d.reloaded(err)
		return err
	}
	return d.Apply(cfg)
}

// Apply puts a configuration into force: all of it, or none where it cannot be.
// Probes that did not change are not touched; a run of one that did is stopped.
func (d *Daemon) Apply(cfg *config.Config) (err error) {
	defer func() { d.reloaded(err) }()
	d.applying.Lock()
	defer d.applying.Unlock()
	if d.closed {
		return errors.New("the daemon is shutting down")
	}

	next, err := d.prepare(cfg)
	if err != nil {
		return err
	}
	discover, err := d.discovery.Prepare(cfg.Targets)
	if err != nil {
		return err
	}
	if d.o.Replicas != nil {
		if err := d.o.Replicas.Set(d.found(cfg.Targets)); err != nil {
			return err
		}
	}
	discover()
	d.replace(cfg, next)
	d.o.Logger.Info("configuration in force", "targets", len(cfg.Targets), "probes", len(cfg.Probes))
	return nil
}

// replace puts probes in the place of those that there are.
func (d *Daemon) replace(cfg *config.Config, next map[string]*probe) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, old := range d.probes {
		if next[name] != old {
			old.stop()
			d.page.Remove(old.metrics)
		}
	}
	for name, p := range next {
		if old := d.probes[name]; old != p {
			p.follow(old)
			d.page.Add(p.metrics)
			d.wait.Go(p.goOn)
		}
	}
	d.cfg, d.probes = cfg, next
	d.board.Set(shown(cfg, next))
	d.metrics.SetConfig(cfg)
}

// shown is what the board is to show of probes, in the order of the configuration.
func shown(cfg *config.Config, probes map[string]*probe) []*live.Probe {
	all := make([]*live.Probe, len(cfg.Probes))
	for i, p := range cfg.Probes {
		all[i] = probes[p.Name].live
	}
	return all
}

// reloaded tells how an attempt to load a configuration has ended.
func (d *Daemon) reloaded(err error) {
	if err != nil {
		d.metrics.ReloadSuccessful.Set(0)
		return
	}
	d.metrics.ReloadSuccessful.Set(1)
	d.metrics.ReloadTimestamp.SetToCurrentTime()
}

// prepare makes what cfg has new and keeps what it has in common with what is in
// force. It changes nothing.
func (d *Daemon) prepare(cfg *config.Config) (map[string]*probe, error) {
	next := map[string]*probe{}
	for _, p := range cfg.Probes {
		definition := define(cfg, p)
		old := d.probes[p.Name]
		if old != nil && reflect.DeepEqual(old.definition, definition) {
			next[p.Name] = old
			continue
		}
		made, err := d.newProbe(cfg, definition, old)
		if err != nil {
			return nil, err
		}
		next[p.Name] = made
	}
	return next, nil
}

// found are targets with the replicas that they have now, discovered ones too.
func (d *Daemon) found(targets []config.Target) []config.Target {
	targets = slices.Clone(targets)
	for i := range targets {
		if t := &targets[i]; t.IsDiscovered() {
			t.Replicas = d.discovery.Replicas(t.Name)
		}
	}
	return targets
}

// replicasChanged lets the collector of replicas ask those that were discovered.
func (d *Daemon) replicasChanged() {
	d.applying.Lock()
	defer d.applying.Unlock()
	if d.o.Replicas == nil || d.cfg == nil || d.closed {
		return
	}
	if err := d.o.Replicas.Set(d.found(d.cfg.Targets)); err != nil {
		d.o.Logger.Error("replicas that were discovered are not asked how they are", "err", err)
	}
}

// inForce is the configuration in force; nil before the first.
func (d *Daemon) inForce() *config.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg
}

// targets are those of the configuration in force, with the replicas that they have
// now.
func (d *Daemon) targets() []config.Target {
	cfg := d.inForce()
	if cfg == nil {
		return nil
	}
	return d.found(cfg.Targets)
}

// Shutdown ends all runs: no more requests are sent, and those in flight may
// end until ctx does; then they are cut. It returns when all is over.
func (d *Daemon) Shutdown(ctx context.Context) {
	d.applying.Lock()
	d.closed = true
	for _, p := range d.probes {
		p.stop()
	}
	d.applying.Unlock()
	defer context.AfterFunc(ctx, d.cut)()
	d.wait.Wait()
	d.discovery.Stop()
	if d.o.Replicas != nil {
		d.o.Replicas.Close()
	}
	d.cut()
}
