package live

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"vllm_prober/internal/schedule"
	"vllm_prober/prober"
)

// Activity is what a probe does at a moment.
type Activity string

// The activities.
const (
	// Idle: until its next start.
	Idle Activity = "idle"
	// Waiting: for its turn at the replicas.
	Waiting Activity = "waiting"
	// Running: a run, or a window of a heartbeat, is under way.
	Running Activity = "running"
)

// windows is how many windows of a heartbeat are kept, for they have no records.
const windows = 120

// Probe is what one probe does. It is a prober.Observer; its other methods may be
// called by many goroutines at once, too.
type Probe struct {
	name  string
	board *Board

	// A request changes these alone, and once a second.
	sent, ended, failed atomic.Int64
	seconds             pulse

	mu        sync.Mutex
	state     State
	run       *prober.RunResult // under way, with the steps that have ended
	step      *prober.Step
	preparing *prober.Arm
	latest    *prober.RunResult   // that has ended and made a step
	last      *prober.RunResult   // that has ended, whatever it made
	beats     []prober.StepResult // the newest windows of a heartbeat, the oldest first
}

// State is what a probe is about to do, and what it has left out.
type State struct {
	Activity Activity `json:"activity"`
	Paused   bool     `json:"paused"`
	// Next is when its next run begins, zero where none does until it is resumed.
	Next time.Time `json:"next_run_at,omitzero"`
	// LastSuccess is when its latest run ended that made all its steps.
	LastSuccess time.Time `json:"last_success_at,omitzero"`
	// Skipped counts the starts since the process began that were left out.
	Skipped map[schedule.Reason]int `json:"skipped"`
	// LastSkip is the latest time that starts were left out.
	LastSkip *Skip `json:"last_skip,omitempty"`
}

// Skip is starts that were left out for one reason.
type Skip struct {
	At     time.Time       `json:"at"`
	Reason schedule.Reason `json:"reason"`
	Count  int             `json:"count"`
	Cause  string          `json:"cause"`
}

// Progress is how far a run has come.
type Progress struct {
	// Run is nil for a heartbeat, which makes windows without runs, and between runs.
	Run *prober.Run `json:"run,omitempty"`
	// StepsEnded of StepsKnown steps have ended; a search adds to these.
	StepsEnded int `json:"steps_ended"`
	StepsKnown int `json:"steps_known"`
	// Preparing is the arm whose engines a command makes.
	Preparing *prober.Arm `json:"preparing,omitempty"`
	// Step is the one under way; nil between steps.
	Step *StepProgress `json:"step,omitempty"`
	// Seconds are the newest ones in which answers ended, at most a minute of them.
	Seconds []Second `json:"seconds"`
}

// StepProgress is how far a step has come.
type StepProgress struct {
	prober.Step
	// Phase is that of requests which are now intended.
	Phase prober.Phase `json:"phase"`
	// Elapsed is the time since the step's beginning; warm-up and window take
	// Planned, the drain as long as it takes.
	Elapsed float64 `json:"elapsed_seconds"`
	Planned float64 `json:"planned_seconds"`
	// Sent, Ended and Failed count requests; those that the prober cuts have not failed.
	Sent   int64 `json:"requests_sent"`
	Ended  int64 `json:"requests_ended"`
	Failed int64 `json:"requests_failed"`
}

// InFlight is how many requests have been sent and have not ended.
func (s *StepProgress) InFlight() int64 { return s.Sent - s.Ended }

// NewProbe returns a probe that does nothing yet, and that the board does not show
// until it is set.
func (b *Board) NewProbe(name string) *Probe {
	return &Probe{name: name, board: b, state: State{Activity: Idle, Skipped: map[schedule.Reason]int{}}}
}

// Name is the probe's name.
func (p *Probe) Name() string { return p.name }

// State is a copy of the probe's state.
func (p *Probe) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	s.Skipped = maps.Clone(s.Skipped)
	return s
}

// Latest is the latest run that has ended in this process or was restored, and made a
// step, nil where there is none. It is not to be changed.
func (p *Probe) Latest() *prober.RunResult {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest
}

// Last is the run that ended last in this process or was restored, though it may have
// made no step, nil where there is none. It is not to be changed.
func (p *Probe) Last() *prober.RunResult {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Current is the run under way with the steps that have ended, nil where there is
// none.
func (p *Probe) Current() *prober.RunResult {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil {
		return nil
	}
	run := *p.run // its steps are only ever added to
	return &run
}

// Windows are the newest windows of a heartbeat, the oldest first.
func (p *Probe) Windows() []prober.StepResult {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.beats // which are never changed, but replaced
}

// Progress is how far the probe has come at a time.
func (p *Probe) Progress(now time.Time) Progress {
	progress := Progress{Seconds: p.seconds.newest(now)}
	p.mu.Lock()
	defer p.mu.Unlock()
	progress.Preparing = p.preparing
	if p.run != nil {
		run := p.run.Run
		progress.Run = &run
		progress.StepsEnded, progress.StepsKnown = len(p.run.Results), max(run.Steps, len(p.run.Results))
	}
	if p.step == nil {
		return progress
	}
	progress.StepsKnown = max(progress.StepsKnown, p.step.Known)
	elapsed, planned := now.Sub(p.step.StartedAt), p.step.Warmup+p.step.Window
	phase := prober.Drain
	switch {
	case elapsed < p.step.Warmup:
		phase = prober.Warmup
	case elapsed < planned:
		phase = prober.Window
	}
	progress.Step = &StepProgress{
		Step: *p.step, Phase: phase, Elapsed: max(elapsed, 0).Seconds(), Planned: planned.Seconds(),
		Sent: p.sent.Load(), Ended: p.ended.Load(), Failed: p.failed.Load(),
	}
	return progress
}

// change makes a change that pages are to show.
func (p *Probe) change(do func()) {
	p.mu.Lock()
	do()
	p.mu.Unlock()
	p.board.version.Add(1)
}

// changeResults makes a change of what runs have found.
func (p *Probe) changeResults(do func()) {
	p.change(do)
	p.board.results.Add(1)
}

// Enter tells what the probe does now.
func (p *Probe) Enter(a Activity) { p.change(func() { p.state.Activity = a }) }

// SetPaused tells whether the probe is paused.
func (p *Probe) SetPaused(paused bool) { p.change(func() { p.state.Paused = paused }) }

// NextRun tells when the next run begins; the zero time means not until the probe is
// resumed.
func (p *Probe) NextRun(at time.Time) { p.change(func() { p.state.Next = at }) }

// RunsSkipped tells that starts were left out.
func (p *Probe) RunsSkipped(reason schedule.Reason, n int, cause string) {
	p.change(func() {
		p.state.Skipped[reason] += n
		p.state.LastSkip = &Skip{At: time.Now().UTC(), Reason: reason, Count: n, Cause: cause}
	})
}

// Restore tells what runs before this process have found; the oldest comes first.
func (p *Probe) Restore(runs []*prober.RunResult) {
	p.changeResults(func() {
		for _, r := range runs {
			if !r.EndedAt.IsZero() { // a run that was cut has no end
				p.end(r)
			}
		}
		p.board.ended.Add(1)
	})
}

// end notes the latest run. One without a step has nothing to show but how it ended.
func (p *Probe) end(r *prober.RunResult) {
	p.last = r
	if r.Outcome == prober.RunSuccess {
		p.state.LastSuccess = r.EndedAt
	}
	if len(r.Results) > 0 {
		p.latest = r
	}
}
