// Package live keeps what the daemon does at the moment, for the web pages to show:
// the run and step under way of each probe, its schedule, its latest result and the
// newest lines of its log. It is told of all that and asks nobody.
package live

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Board holds the probes of the configuration in force.
type Board struct {
	version, results, ended atomic.Uint64

	mu     sync.Mutex
	probes []*Probe
	logs   map[string]*log // by probe
}

// NewBoard returns a board without probes.
func NewBoard() *Board { return &Board{logs: map[string]*log{}} }

// Set says which probes there are, in the order of the configuration.
func (b *Board) Set(probes []*Probe) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probes = slices.Clone(probes)
	for name := range b.logs {
		if !slices.ContainsFunc(probes, func(p *Probe) bool { return p.name == name }) {
			delete(b.logs, name)
		}
	}
	b.ended.Add(1)
	b.results.Add(1)
	b.version.Add(1)
}

// Probes are those of the configuration in force, in its order.
func (b *Board) Probes() []*Probe {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.probes)
}

// Probe is the one of a name, nil where there is none.
func (b *Board) Probe(name string) *Probe {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.probes, func(p *Probe) bool { return p.name == name }); i >= 0 {
		return b.probes[i]
	}
	return nil
}

// Version rises whenever something has changed that stays so: when a run begins, a
// step or a run ends, or a probe's schedule moves on.
func (b *Board) Version() uint64 { return b.version.Load() }

// Results rises with the results of runs: what was made of the board's and of the
// records' holds until then. The windows of heartbeats are none.
func (b *Board) Results() uint64 { return b.results.Load() }

// Ended rises when a run ends: what was made of runs that have ended holds until then.
func (b *Board) Ended() uint64 { return b.ended.Load() }
