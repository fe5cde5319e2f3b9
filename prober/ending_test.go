package prober_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"vllm_prober/prober"
)

// A run says how it ended, and why where it did not make all its steps.
func TestRunOutcomes(t *testing.T) {
	const why = "because"
	for name, tt := range map[string]struct {
		change  func(w *world)
		during  func(p *prober.Prober) // half a minute from the run's start, within its second step
		outcome prober.RunOutcome
		err     string
		steps   int // that were begun
	}{
		"all steps": {nil, nil, prober.RunSuccess, "", 3},
		"stopped":   {nil, (*prober.Prober).Stop, prober.RunStopped, "the run was stopped before its last step", 2},
		"ended":     {nil, func(p *prober.Prober) { p.End(why) }, prober.RunStopped, why, 2},
		"aborted":   {nil, func(p *prober.Prober) { p.Abort(why) }, prober.RunAborted, why, 2},
		"a step that may not begin": {func(w *world) {
			w.before = func(rate float64) error {
				if rate > 5 {
					return &prober.EarlyError{Outcome: prober.RunStopped, Why: why}
				}
				return nil
			}
		}, nil, prober.RunStopped, why, 1},
		"a step that fails": {func(w *world) {
			w.before = func(float64) error { return errors.New(why) }
		}, nil, prober.RunFailed, why, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(steady(10*time.Millisecond, time.Millisecond))
			w.probe().Ladder.Rates = []float64{5, 6, 7}
			if tt.change != nil {
				tt.change(w)
			}
			if tt.during != nil {
				w.during = func(p *prober.Prober) {
					time.Sleep(30 * time.Second)
					tt.during(p)
				}
			}
			result, err := w.run(t)
			if result.Outcome != tt.outcome || result.Err != tt.err || (err == nil) != (tt.err == "") || len(result.Results) != tt.steps {
				t.Errorf("the run is %s with %d steps: %q, %v; want %s with %d: %q",
					result.Outcome, len(result.Results), result.Err, err, tt.outcome, tt.steps, tt.err)
			}
			if len(w.runs) != 1 || w.runs[0].Outcome != tt.outcome {
				t.Errorf("the observer was told of %+v", w.runs)
			}
		})
	}
}

// No engines are made for a step that may not begin.
func TestNoEnginesForAStepThatMayNotBegin(t *testing.T) {
	w, made := prepared(&deployment{}, 16)
	w.probe().Ladder.Rates = []float64{5, 6}
	var asked []float64
	w.before = func(rate float64) error {
		asked = append(asked, rate)
		return errors.New("no")
	}
	if _, err := w.run(t); err == nil || len(*made) > 0 || !slices.Equal(asked, []float64{5}) {
		t.Errorf("%v, engines %v, asked for %v", err, *made, asked)
	}
}
