package live

import (
	"fmt"
	"time"

	"vllm_prober/prober"
)

// RunStarted implements prober.Observer.
func (p *Probe) RunStarted(r prober.Run) {
	p.changeResults(func() { p.run = &prober.RunResult{Run: r} })
	p.note(r.ID, "run began", "steps", fmt.Sprint(r.Steps), "seed", fmt.Sprint(r.Seed))
}

// Preparing implements prober.Observer.
func (p *Probe) Preparing(a prober.Arm) { p.change(func() { p.preparing = &a }) }

// StepStarted implements prober.Observer.
func (p *Probe) StepStarted(s prober.Step) {
	p.sent.Store(0)
	p.ended.Store(0)
	p.failed.Store(0)
	p.change(func() { p.step, p.preparing = &s, nil })
	if p.Current() != nil {
		p.note(s.RunID, "step began", "step", fmt.Sprint(s.Number), "target", s.Arm.Target,
			"gpus", fmt.Sprint(s.Arm.GPUs), "request_rate", fmt.Sprint(s.RequestRate))
	}
}

// RequestSent implements prober.Observer.
func (p *Probe) RequestSent(prober.Step) { p.sent.Add(1) }

// RequestEnded implements prober.Observer.
func (p *Probe) RequestEnded(_ prober.Step, o *prober.Observation) {
	p.ended.Add(1)
	switch o.Outcome {
	case prober.OK:
		p.seconds.add(time.Now(), o)
	case prober.Aborted: // the step's own end cuts these
	default:
		p.failed.Add(1)
	}
}

// StepEnded implements prober.Observer.
func (p *Probe) StepEnded(r *prober.StepResult) {
	kept := *r
	kept.Measured, kept.ITL = nil, nil // all requests of a run would take much memory
	change := p.change
	if p.Current() != nil {
		change = p.changeResults
	}
	change(func() {
		p.step = nil
		if p.run != nil {
			p.run.Results = append(p.run.Results, kept)
			return
		}
		from := max(0, len(p.beats)+1-windows)
		p.beats = append(append(make([]prober.StepResult, 0, windows), p.beats[from:]...), kept)
	})
}

// GuardTripped implements prober.Observer. The log has it from the prober.
func (p *Probe) GuardTripped(prober.Trip) {}

// RunEnded implements prober.Observer.
func (p *Probe) RunEnded(r *prober.RunResult) {
	ended := *r
	p.changeResults(func() {
		if p.run != nil {
			ended.Results = p.run.Results
		}
		p.run, p.step, p.preparing = nil, nil, nil
		p.end(&ended)
		p.board.ended.Add(1)
	})
	p.note(r.ID, "run ended", "outcome", string(r.Outcome), "took", r.EndedAt.Sub(r.StartedAt).Round(time.Second).String())
}
