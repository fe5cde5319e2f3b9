package backtest

import (
	"slices"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/rules"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
)

// epoch is when all worlds begin: the time that synthetic clocks begin with.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// world is probers that play tapes, and a Prometheus that scrapes them.
type world struct {
	*server
	// interval is the time between scrapes, and between evaluations of the groups of
	// rules that name none of their own.
	interval time.Duration
	probes   []*probe
	now      time.Time
}

// probe is a probe whose events come from tapes.
type probe struct {
	name     string
	metrics  *collector.Probe
	registry *client.Registry
	every    time.Duration // from one run to the next; 0 for a heartbeat
	due      []placed      // in the order of time
	scraped  []sample      // by the latest scrape
}

// placed is an event, when it is told, and how much later than on its tape.
type placed struct {
	event
	at    time.Time
	later time.Duration
}

func newWorld(t *testing.T, interval time.Duration) *world {
	t.Helper()
	return &world{server: newServer(t, interval, ruleFiles...), interval: interval, now: epoch}
}

// add adds the first probe of cfg under another name.
func (w *world) add(name string, cfg *config.Config) *probe {
	of := cfg.Probes[0]
	of.Name = name
	p := &probe{name: name, metrics: collector.NewProbe(cfg, of), registry: client.NewRegistry(), every: of.Schedule.Interval}
	p.registry.MustRegister(p.metrics)
	w.probes = append(w.probes, p)
	return p
}

// place lets a tape begin at a time that has not yet come.
func (p *probe) place(begin time.Time, tape *tape) {
	for _, e := range tape.events {
		p.due = append(p.due, placed{e, begin.Add(e.at), begin.Sub(epoch)})
	}
	slices.SortStableFunc(p.due, func(a, b placed) int { return a.at.Compare(b.at) })
}

// play tells what has happened until now, and says whether that was anything.
func (p *probe) play(now time.Time) (changed bool) {
	for len(p.due) > 0 && !p.due[0].at.After(now) {
		e := p.due[0]
		p.due = p.due[1:]
		e.tell(p.metrics, e.later)
		if p.every > 0 {
			p.metrics.NextRun(e.at.Truncate(p.every).Add(p.every))
		}
		changed = true
	}
	return changed
}

// pass lets time pass: scrapes are made, and rules are evaluated at their intervals.
func (w *world) pass(until time.Time, groups []*rules.Group) {
	w.t.Helper()
	for ; w.now.Before(until); w.now = w.now.Add(w.interval) {
		for _, p := range w.probes {
			if p.play(w.now) || p.scraped == nil { // else a scrape brings what the one before brought
				p.scraped = w.scrape(p.registry)
			}
			w.store(w.now, p.scraped)
		}
		w.judge(w.now, groups)
	}
}
