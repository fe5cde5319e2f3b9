// Package schedule says when the runs of a probe begin, and when they must not.
// It knows no clock: all times are told to it.
package schedule

import (
	"fmt"
	"hash/fnv"
	"iter"
	"time"

	"vllm_prober/internal/config"
)

// Schedule is the starts of a probe.
type Schedule struct {
	interval  time.Duration
	cron      *config.Cron // nil where there is an interval
	origin    time.Time    // of the interval's grid
	jitter    time.Duration
	seed      uint64
	blackouts []blackout
}

// New makes a schedule of a valid configuration. The grid of an interval begins
// at origin; seed decides the delays of starts.
func New(cfg config.Schedule, origin time.Time, seed uint64) (*Schedule, error) {
	zone, err := config.Location(cfg.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	// The wall clock decides, as it does for cron: the monotonic one stands still
	// while a machine sleeps.
	s := &Schedule{interval: cfg.Interval, origin: origin.Round(0), jitter: cfg.Jitter, seed: seed}
	if cfg.Cron != "" {
		if s.cron, err = config.ParseCron(cfg.Cron, zone); err != nil {
			return nil, fmt.Errorf("schedule: %w", err)
		}
	}
	for _, b := range cfg.Blackouts {
		made, err := newBlackout(b, zone)
		if err != nil {
			return nil, fmt.Errorf("schedule: blackout: %w", err)
		}
		s.blackouts = append(s.blackouts, made)
	}
	return s, nil
}

// Continuous says whether runs follow one another: every moment is then a start.
func (s *Schedule) Continuous() bool { return s.cron == nil && s.interval == 0 }

// Next is the first start at or after t, its delay included, or the zero time
// where there is none.
func (s *Schedule) Next(t time.Time) time.Time {
	t = t.Round(0)
	if s.Continuous() {
		return t.Add(s.delay(t, s.jitter))
	}
	// A start that is due before t can be delayed to t or later.
	for due := s.due(t.Add(-s.jitter)); !due.IsZero(); {
		following := s.due(due.Add(1))
		if start := s.start(due, following); !start.Before(t) {
			return start
		}
		due = following
	}
	return time.Time{}
}

// Between yields the starts from one time on and before another. There are none
// where runs follow one another.
func (s *Schedule) Between(from, to time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		if s.Continuous() {
			return
		}
		for at := s.Next(from); !at.IsZero() && at.Before(to) && yield(at); {
			at = s.Next(at.Add(1))
		}
	}
}

// due is the first time at or after t that interval or cron expression means.
func (s *Schedule) due(t time.Time) time.Time {
	switch {
	case s.cron != nil:
		return s.cron.Next(t)
	case t.Before(s.origin):
		return s.origin
	default:
		into := t.Sub(s.origin) % s.interval
		return t.Add((s.interval - into) % s.interval)
	}
}

// start is when what is due begins: delayed, but before what is due next, so that
// starts keep their order.
func (s *Schedule) start(due, following time.Time) time.Time {
	limit := s.jitter
	if !following.IsZero() {
		limit = min(limit, following.Sub(due))
	}
	return due.Add(s.delay(due, limit))
}

// delay is a random part of limit, the same again for the same time and seed.
func (s *Schedule) delay(at time.Time, limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, s.seed, at.UnixNano())
	return time.Duration(h.Sum64() % uint64(limit))
}

// Open is the first time at or after t that lies in no blackout, or the zero time
// where blackouts leave none.
func (s *Schedule) Open(t time.Time) time.Time {
	// Blackouts begin and end at whole minutes, and all recur after a week, which
	// a change of the clocks can move by an hour or two.
	for end := t.Add(8 * 24 * time.Hour); s.Blackout(t); {
		if t = t.Truncate(time.Minute).Add(time.Minute); t.After(end) {
			return time.Time{}
		}
	}
	return t
}

// Blackout says whether a start at t lies in a blackout.
func (s *Schedule) Blackout(t time.Time) bool {
	for _, b := range s.blackouts {
		if b.holds(t) {
			return true
		}
	}
	return false
}

// NextOpen is the first start at or after t that lies in no blackout, as far as
// it comes within a year, or the zero time.
func (s *Schedule) NextOpen(t time.Time) time.Time {
	for end := t.AddDate(1, 0, 0); ; {
		t = s.Open(t)
		if t.IsZero() || t.After(end) {
			return time.Time{}
		}
		start := s.Next(t)
		if start.IsZero() || !s.Blackout(start) {
			return start
		}
		t = start
	}
}
