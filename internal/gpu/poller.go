package gpu

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// The defaults of polling.
const (
	// DefaultInterval is the time from one round's start to the next one's.
	DefaultInterval = 5 * time.Second
	// MinInterval is the shortest one: some figures are means over a second.
	MinInterval = time.Second
	// timeLimit is how long a round may take before it counts as hanging.
	timeLimit = 10 * time.Second
	// staleAfter is how many intervals old a snapshot may become.
	staleAfter = 3
)

// Poller reads the GPUs again and again and keeps the latest snapshot, so that
// nobody who looks at it waits for a driver.
type Poller struct {
	source   Source
	interval time.Duration
	logger   *slog.Logger
	// turn holds one thing while a call of the source is under way.
	turn chan struct{}

	mu     sync.Mutex
	latest Status
	err    string // the latest failure, which is logged once
}

// Status is how reading the GPUs goes.
type Status struct {
	// Snapshot is the latest one; nil before the first.
	Snapshot *Snapshot
	// Success says that the latest round read every GPU in time.
	Success bool
	// Duration is how long the latest round took; one that hangs is told when
	// it ends.
	Duration time.Duration
}

// NewPoller returns a poller that begins with Run.
func NewPoller(source Source, interval time.Duration, logger *slog.Logger) *Poller {
	return &Poller{source: source, interval: interval, logger: logger, turn: make(chan struct{}, 1)}
}

// Run polls until ctx ends. A round that hangs is waited for: no call to a driver
// in trouble is followed by another one.
func (p *Poller) Run(ctx context.Context) {
	ticker := time.NewTicker(p.interval)
	defer ticker.Stop()
	for p.round(ctx) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// round reads once, and says false where ctx ended before that did.
func (p *Poller) round(ctx context.Context) bool {
	done := make(chan struct{})
	began := time.Now()
	var snapshot *Snapshot
	var err error
	go func() {
		defer close(done)
		p.turn <- struct{}{}
		defer func() { <-p.turn }()
		snapshot, err = p.source.Read()
	}()
	limit := time.NewTimer(timeLimit)
	defer limit.Stop()
	select {
	case <-done:
	case <-ctx.Done():
		return false
	case <-limit.C:
		p.failed(fmt.Errorf("no answer for %s: the driver hangs, and is waited for", timeLimit))
		select {
		case <-done:
		case <-ctx.Done():
			return false
		}
	}
	p.ended(snapshot, err, time.Since(began))
	return true
}

// Measure reads some GPUs beside the rounds, and returns when ctx ends at the
// latest: a call that hangs is left to itself.
func (p *Poller) Measure(ctx context.Context, uuids []string) ([]Reading, error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the driver, which is busy: %w", ctx.Err())
	}
	type answer struct {
		readings []Reading
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		defer func() { <-p.turn }()
		readings, err := p.source.Measure(uuids)
		answers <- answer{readings, err}
	}()
	select {
	case a := <-answers:
		return a.readings, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("reading the GPUs: %w", ctx.Err())
	}
}

// ended keeps what a round brought.
func (p *Poller) ended(snapshot *Snapshot, err error, took time.Duration) {
	p.mu.Lock()
	p.latest.Duration = took
	if snapshot != nil {
		p.latest.Snapshot = snapshot
	}
	p.mu.Unlock()
	if err != nil {
		p.failed(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest.Success = true
	if p.err != "" {
		p.logger.Info("GPUs can be read again", "gpus", len(snapshot.GPUs))
		p.err = ""
	}
}

// failed tells of a failure, once while it stays the same.
func (p *Poller) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest.Success = false
	if p.err != err.Error() {
		p.err = err.Error()
		p.logger.Warn("reading the GPUs failed; it is tried again", "every", p.interval, "err", err)
	}
}

// Status says how reading goes.
func (p *Poller) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest
}

// Fresh returns the latest snapshot unless it is too old to be of use: a figure
// that stands still would look like a GPU that does.
func (p *Poller) Fresh() (*Snapshot, bool) {
	s := p.Status().Snapshot
	if s == nil || time.Since(s.At) > staleAfter*p.interval {
		return nil, false
	}
	return s, true
}
