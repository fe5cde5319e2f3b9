// Package daemon is the long-running prober: it makes the runs of all probes of
// a configuration, again and again, and serves what they found.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/internal/discovery"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// Options are what a Daemon needs.
type Options struct {
	// Load reads the configuration, at the start and at every reload.
	Load func() (*config.Config, error)
	// Registry holds what is to be served beside the daemon's own metrics.
	Registry *prometheus.Registry
	Logger   *slog.Logger
	// Observer is told what all probes see, beside the metrics; it may be nil.
	Observer prober.Observer
	// Records keeps the record of every run; it may be nil.
	Records *results.Store
	// Prober is how probers are made; its Observer, Logger and Discovery are the daemon's.
	Prober prober.Options
}

// Daemon makes the runs of the probes of a configuration.
type Daemon struct {
	o         Options
	metrics   *collector.Daemon
	page      *collector.Page
	discovery *discovery.Set
	// turn is held by the probe that is making a run: two runs at a time would
	// measure each other.
	turn chan struct{}

	// hard ends everything at once.
	hard context.Context
	cut  context.CancelFunc

	mu     sync.Mutex
	cfg    *config.Config
	probes map[string]*probe
	wait   sync.WaitGroup
	closed bool
}

// probe is one probe under way.
type probe struct {
	definition definition
	prober     *prober.Prober
	metrics    *collector.Probe
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
	found := discovery.New(o.Registry, o.Logger)
	o.Prober.Discovery = found
	d := &Daemon{
		o: o, metrics: collector.NewDaemon(found.Count), page: collector.NewPage(o.Registry), discovery: found,
		turn: make(chan struct{}, 1), probes: map[string]*probe{},
	}
	d.hard, d.cut = context.WithCancel(context.Background())
	o.Registry.MustRegister(d.metrics)
	return d
}

// Reload puts the configuration into force as it is now: all of it, or none
// where it has a mistake. Probes that did not change are not touched; a run of
// one that did is stopped.
func (d *Daemon) Reload() (err error) {
	defer func() {
		d.metrics.ReloadSuccessful.Set(0)
		if err == nil {
			d.metrics.ReloadSuccessful.Set(1)
			d.metrics.ReloadTimestamp.SetToCurrentTime()
		}
	}()
	cfg, err := d.o.Load()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
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
	discover()
	for name, old := range d.probes {
		if next[name] != old {
			old.prober.Stop()
			d.page.Remove(old.metrics)
		}
	}
	for name, p := range next {
		if d.probes[name] != p {
			d.page.Add(p.metrics)
			d.wait.Go(func() { d.repeat(p) })
		}
	}
	d.cfg, d.probes = cfg, next
	d.metrics.SetConfig(cfg)
	d.o.Logger.Info("configuration in force", "targets", len(cfg.Targets), "probes", len(cfg.Probes))
	return nil
}

// prepare makes what cfg has new and keeps what it has in common with what is in
// force. It changes nothing.
func (d *Daemon) prepare(cfg *config.Config) (map[string]*probe, error) {
	next := map[string]*probe{}
	for _, p := range cfg.Probes {
		definition := define(cfg, p)
		if old := d.probes[p.Name]; old != nil && reflect.DeepEqual(old.definition, definition) {
			next[p.Name] = old
			continue
		}
		made := &probe{definition: definition, metrics: collector.NewProbe(cfg, p)}
		o := d.o.Prober
		observers := prober.Observers{made.metrics}
		recorder, runs, err := d.record(cfg, p, made.metrics)
		if err != nil {
			return nil, err
		}
		if recorder != nil {
			observers = append(observers, recorder)
		}
		if d.o.Observer != nil {
			observers = append(observers, d.o.Observer)
		}
		o.Logger, o.Observer = d.o.Logger, observers
		if made.prober, err = prober.New(cfg, p, o); err != nil {
			return nil, err
		}
		for _, r := range runs {
			made.prober.Remember(r)
		}
		next[p.Name] = made
	}
	return next, nil
}

// pauseAfterFailure keeps a probe whose runs follow one another from hammering
// what is down.
const pauseAfterFailure = 10 * time.Second

// repeat makes a probe's runs until it is stopped.
func (d *Daemon) repeat(p *probe) {
	interval := p.definition.probe.Interval
	for next := time.Now(); ; {
		p.metrics.NextRun(next)
		if !p.prober.Sleep(d.hard, time.Until(next)) {
			return
		}
		select {
		case d.turn <- struct{}{}:
		case <-p.prober.Stopped():
			return
		case <-d.hard.Done():
			return
		}
		began := time.Now()
		_, err := p.prober.Run(d.hard)
		<-d.turn
		if err != nil {
			d.o.Logger.Error("run failed", "probe", p.definition.probe.Name, "err", err)
		}
		next = nextRun(began, time.Now(), interval)
		if err != nil {
			next = later(next, time.Now().Add(pauseAfterFailure))
		}
	}
}

// nextRun is the first start after now on the grid of interval that began lies
// on; a start that a long run has overrun is left out.
func nextRun(began, now time.Time, interval time.Duration) time.Time {
	if interval <= 0 {
		return now
	}
	return now.Add(interval - now.Sub(began)%interval)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Config is the configuration in force.
func (d *Daemon) Config() *config.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg
}

// Shutdown ends all runs: no more requests are sent, and those in flight may
// end until ctx does; then they are cut. It returns when all is over.
func (d *Daemon) Shutdown(ctx context.Context) {
	d.mu.Lock()
	d.closed = true
	for _, p := range d.probes {
		p.prober.Stop()
	}
	d.mu.Unlock()
	defer context.AfterFunc(ctx, d.cut)()
	d.wait.Wait()
	d.discovery.Stop()
	d.cut()
}
