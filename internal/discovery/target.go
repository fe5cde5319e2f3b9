package discovery

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

const (
	// settling is how long nothing new must come for the first list to be taken
	// as complete: Kubernetes is told of object by object.
	settling = time.Second
	// firstLimit is how long the first list is waited for at the most. What does
	// not answer then is as good as empty.
	firstLimit = 30 * time.Second
)

// target is the discovery of one target's replicas.
type target struct {
	discovery config.Discovery
	ways      []discovery.Discoverer
	logger    *slog.Logger
	changed   func() // may be nil

	ctx  context.Context
	stop context.CancelFunc
	// first is closed once the first list is complete, or was waited for in vain.
	first chan struct{}

	mu       sync.Mutex
	settle   *time.Timer // closes first,
	limit    time.Time   // and not later than this
	heard    map[int]bool
	groups   map[origin]*targetgroup.Group
	replicas []string // sorted
	refused  []string // why some of what was found is no replica
	watches  map[*watch]struct{}
}

// origin is where a group comes from: its name among those of one of the ways.
type origin struct {
	way    int
	source string
}

// watch gathers the changes since it began.
type watch struct{ changes []prober.Change }

func newTarget(d config.Discovery, logger *slog.Logger, changed func()) *target {
	t := &target{
		discovery: d, logger: logger, changed: changed, first: make(chan struct{}),
		heard: map[int]bool{}, groups: map[origin]*targetgroup.Group{}, watches: map[*watch]struct{}{},
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// start begins to discover, until stop is called.
func (t *target) start() {
	t.limit = time.Now().Add(firstLimit)
	t.settle = time.AfterFunc(firstLimit, sync.OnceFunc(func() { close(t.first) }))
	context.AfterFunc(t.ctx, func() { t.settle.Stop() })
	for i, way := range t.ways {
		updates := make(chan []*targetgroup.Group)
		go way.Run(t.ctx, updates)
		go t.follow(i, updates)
	}
}

// follow takes what one of the ways finds.
func (t *target) follow(way int, updates <-chan []*targetgroup.Group) {
	for {
		select {
		case groups, more := <-updates:
			if !more { // there will be nothing else
				return
			}
			if t.take(way, groups, time.Now()) && t.changed != nil {
				t.changed()
			}
		case <-t.ctx.Done():
			return
		}
	}
}

// take puts the groups in the place of those of the same names, and says whether
// replicas came or went by that.
func (t *target) take(way int, groups []*targetgroup.Group, at time.Time) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range groups {
		switch {
		case g == nil: // as some of Prometheus's packages send
		case len(g.Targets) == 0:
			delete(t.groups, origin{way, g.Source})
		default:
			t.groups[origin{way, g.Source}] = g
		}
	}
	found, refused := replicasOf(t.groups, t.discovery.RelabelConfigs)
	for _, reason := range refused {
		if !slices.Contains(t.refused, reason) {
			t.logger.Warn("what was discovered is no replica", "reason", reason)
		}
	}
	changes := difference(t.replicas, found, at)
	for w := range t.watches {
		w.changes = append(w.changes, changes...)
	}
	if len(changes) > 0 {
		t.logger.Info("the replicas changed", "replicas", len(found), "before", len(t.replicas))
	}
	t.replicas, t.refused = found, refused
	isNews := len(changes) > 0 || !t.heard[way]
	if t.heard[way] = true; isNews && len(t.heard) == len(t.ways) && !t.isComplete() {
		t.settle.Reset(min(settling, time.Until(t.limit)))
	}
	return len(changes) > 0
}

// isComplete says whether the first list is.
func (t *target) isComplete() bool {
	select {
	case <-t.first:
		return true
	default:
		return false
	}
}

// awaitFirst waits until the first list is complete.
func (t *target) awaitFirst(ctx context.Context) {
	select {
	case <-t.first:
	case <-ctx.Done():
	case <-t.ctx.Done():
	}
}

func (t *target) found() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.replicas)
}

// watch is as prober.Discovery's Watch, with the first list as it is now.
func (t *target) watch() (replicas []string, changes func() []prober.Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &watch{}
	t.watches[w] = struct{}{}
	return slices.Clone(t.replicas), func() []prober.Change {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.watches, w)
		return w.changes
	}
}

// difference is what came and went between two sorted lists.
func difference(before, after []string, at time.Time) (changes []prober.Change) {
	for _, replica := range before {
		if _, still := slices.BinarySearch(after, replica); !still {
			changes = append(changes, prober.Change{Replica: replica, At: at})
		}
	}
	for _, replica := range after {
		if _, already := slices.BinarySearch(before, replica); !already {
			changes = append(changes, prober.Change{Replica: replica, Came: true, At: at})
		}
	}
	return changes
}
