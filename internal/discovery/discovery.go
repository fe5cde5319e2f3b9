// Package discovery finds the replicas of targets while the program runs, by
// Prometheus's own service discovery and relabelling.
package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"k8s.io/klog/v2"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// Set is the targets whose replicas are discovered. It is a prober.Discovery.
type Set struct {
	logger  *slog.Logger
	metrics *discovery.SDMetrics
	changed func() // may be nil

	mu      sync.Mutex
	targets map[string]*target
}

// New returns a set of no target. It puts Prometheus's own metrics of service
// discovery into the registry, which must not have them yet. changed is called
// whenever replicas came or went, from other goroutines; it may be nil.
func New(registry prometheus.Registerer, logger *slog.Logger, changed func()) *Set {
	metrics, err := discovery.CreateAndRegisterSDMetrics(registry)
	if err != nil {
		panic(fmt.Sprintf("registering the metrics of service discovery: %v", err))
	}
	klog.SetSlogLogger(logger) // Kubernetes's client has one for the whole program
	return &Set{logger: logger, metrics: metrics, changed: changed, targets: map[string]*target{}}
}

// Prepare makes what targets need to be discovered and the set does not have. It
// changes nothing until begin is called: then the set is these targets, and those
// that it had and whose discovery is still the same go on.
//
// Prometheus's discovery.Manager is not used. It tells of changes seconds after
// they were found, which could be in another step, and only logs a discovery that
// cannot be made.
func (s *Set) Prepare(targets []config.Target) (begin func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := map[string]*target{}
	for _, t := range targets {
		if !t.IsDiscovered() {
			continue
		}
		if old := s.targets[t.Name]; old != nil && reflect.DeepEqual(old.discovery, t.Discovery) {
			next[t.Name] = old
			continue
		}
		if next[t.Name], err = s.newTarget(t); err != nil {
			return nil, err
		}
	}
	return func() { s.replace(next) }, nil
}

// newTarget returns a target whose discovery has not begun.
func (s *Set) newTarget(t config.Target) (*target, error) {
	made := newTarget(t.Discovery, s.logger.With("target", t.Name), s.changed)
	for _, way := range t.Discovery.Ways() {
		d, err := way.NewDiscoverer(discovery.DiscovererOptions{
			Logger:  made.logger.With("discovery", way.Name()),
			Metrics: s.metrics.MechanismMetrics[way.Name()], SetName: t.Name,
		})
		if err != nil {
			return nil, fmt.Errorf("setting up the %s discovery of target %q: %w", way.Name(), t.Name, err)
		}
		made.ways = append(made.ways, d)
	}
	return made, nil
}

func (s *Set) replace(next map[string]*target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, old := range s.targets {
		if next[name] != old {
			old.stop()
		}
	}
	for name, t := range next {
		if s.targets[name] != t {
			t.start()
		}
	}
	s.targets = next
}

// Stop ends all discovery.
func (s *Set) Stop() { s.replace(nil) }

func (s *Set) target(name string) *target {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.targets[name]
}

// Replicas are those that a target has now; none of one that is not in the set.
func (s *Set) Replicas(name string) []string {
	if t := s.target(name); t != nil {
		return t.found()
	}
	return nil
}

// Count is how many these are.
func (s *Set) Count(name string) int { return len(s.Replicas(name)) }

// Watch implements prober.Discovery.
func (s *Set) Watch(ctx context.Context, name string) (replicas []string, changes func() []prober.Change) {
	t := s.target(name)
	if t == nil {
		return nil, func() []prober.Change { return nil }
	}
	t.awaitFirst(ctx)
	return t.watch()
}
