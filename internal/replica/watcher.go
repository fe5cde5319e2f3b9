package replica

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// Watcher is the prober.Watcher of one probe.
type Watcher struct {
	guard   config.Guard
	limits  []config.GuardLimit // those of replicas that are set
	targets map[string]*target
	// pulse is that of the guard's heartbeat; nil where there is none to be felt.
	pulse func() (prober.Pulse, bool)
	log   *slog.Logger
}

// target is how the replicas of a target are read, and what is known of those that
// were.
type target struct {
	client *client

	mu       sync.Mutex
	replicas map[string]*replica // by name
}

// replica is one replica's place.
type replica struct {
	url  *url.URL
	name string // as in the configuration, or as discovered
	// blind says that it could not be read in the latest step, which is logged
	// once.
	blind bool
}

// Feel lets the guard's limit on the TTFT of a heartbeat be held within steps.
// Without it that limit is none.
func (w *Watcher) Feel(pulse func() (prober.Pulse, bool)) { w.pulse = pulse }

// NewWatcher makes the Watcher of one of cfg's probes. dial makes connections;
// nil is TCP.
func NewWatcher(cfg *config.Config, probe config.Probe, dial prober.Dialer, log *slog.Logger) (*Watcher, error) {
	w := &Watcher{guard: probe.Guard, targets: map[string]*target{}, log: log.With("probe", probe.Name)}
	for _, limit := range ofReplicas() {
		if _, set := w.guard.Limit(limit); set {
			w.limits = append(w.limits, limit)
		}
	}
	for _, a := range probe.Arms {
		t, ok := cfg.Target(a.Target)
		if !ok {
			return nil, fmt.Errorf("probe %q: there is no target %q", probe.Name, a.Target)
		}
		if w.targets[t.Name] != nil {
			continue
		}
		made := &target{replicas: map[string]*replica{}}
		var err error
		if made.client, err = newClient(t, dial); err != nil {
			return nil, fmt.Errorf("probe %q: %w", probe.Name, err)
		}
		w.targets[t.Name] = made
	}
	return w, nil
}

// replicas are those in a place.
func (w *Watcher) replicas(place prober.Place) []*replica {
	t := w.targets[place.Target]
	t.mu.Lock()
	defer t.mu.Unlock()
	replicas := make([]*replica, len(place.Replicas))
	for i, u := range place.Replicas {
		name := prober.ReplicaName(u)
		if t.replicas[name] == nil {
			t.replicas[name] = &replica{url: u, name: name}
		}
		replicas[i] = t.replicas[name]
	}
	return replicas
}

// Check implements prober.Watcher. It takes a second for limits that are of a
// time, and no longer than a reading for others.
func (w *Watcher) Check(ctx context.Context, places []prober.Place) *prober.Trip {
	if len(w.limits) == 0 {
		return nil
	}
	trips := map[*replica]*prober.Trip{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, place := range places {
		for _, r := range w.replicas(place) {
			mu.Lock()
			_, asked := trips[r]
			trips[r] = nil
			mu.Unlock()
			if asked {
				continue
			}
			wait.Go(func() {
				trip := w.check(ctx, w.targets[place.Target].client, r)
				mu.Lock()
				defer mu.Unlock()
				trips[r] = trip
			})
		}
	}
	wait.Wait()
	for _, place := range places {
		for _, r := range w.replicas(place) {
			if trips[r] != nil {
				return trips[r]
			}
		}
	}
	return nil
}

// check holds one replica against the limits, without any request of the
// prober's.
func (w *Watcher) check(ctx context.Context, c *client, r *replica) *prober.Trip {
	var samples []Sample
	for {
		s, err := c.read(ctx, r.url)
		if err != nil {
			return w.unseen(w.limits[0], r, err.Error())
		}
		samples = append(samples, s)
		if !slices.Contains(w.limits, config.PreemptionsPerSecond) || len(samples) == 2 {
			break
		}
		pause(ctx, time.Second)
	}
	for _, limit := range w.limits {
		figure := seen(limit, samples, 0)
		if !figure.Known {
			return w.unseen(limit, r, "GET /metrics does not tell it")
		}
		if t := w.trip(limit, r.name, figure.Value); t.Value > t.Allowed {
			return t
		}
	}
	return nil
}

func (w *Watcher) trip(limit config.GuardLimit, replica string, value float64) *prober.Trip {
	allowed, _ := w.guard.Limit(limit)
	return &prober.Trip{Limit: limit, Action: w.guard.Action, Replica: replica, Value: value, Allowed: allowed}
}

// unseen is the trip of a limit of which nothing is known.
func (w *Watcher) unseen(limit config.GuardLimit, r *replica, why string) *prober.Trip {
	t := w.trip(limit, r.name, 0)
	t.Unseen = why
	return t
}

// pause waits, but no longer than ctx lasts.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
