package report

import (
	"fmt"
	"strings"
	"time"

	"vllm_prober/prober"
)

// gpuFigure is a figure of the GPUs, times a factor.
func gpuFigure(format string, factor float64, of func(*prober.GPUResult) *float64) func(*prober.StepResult) string {
	return func(r *prober.StepResult) string {
		if r.GPU == nil || of(r.GPU) == nil {
			return "–"
		}
		return fmt.Sprintf(format, factor**of(r.GPU))
	}
}

// joulesPerToken is the one figure of the GPUs that people see.
var joulesPerToken = gpuFigure("%.3f", 1, func(g *prober.GPUResult) *float64 { return g.JoulesPerOutputToken })

// notThrottled is, for programs, that nothing throttled the GPUs.
const notThrottled = "no"

// throttledBy are the reasons for which GPUs were throttled, for programs.
func throttledBy(r *prober.StepResult) string {
	switch {
	case r.GPU == nil || len(r.GPU.ThrottledSeconds) == 0:
		return "–"
	case len(r.GPU.Throttled()) == 0:
		return notThrottled
	}
	return strings.Join(r.GPU.Throttled(), " ")
}

// ofGPUs is a figure of the GPUs where they have it.
func ofGPUs(of func(*prober.GPUResult) *float64) func(*prober.StepResult) (float64, bool) {
	return func(r *prober.StepResult) (float64, bool) {
		if r.GPU == nil || of(r.GPU) == nil {
			return 0, false
		}
		return *of(r.GPU), true
	}
}

// throttledIn is what throttledBy says of several steps together, for people.
func (s speaker) throttledIn(steps []*prober.StepResult) string {
	together := prober.GPUResult{ThrottledSeconds: map[string]float64{}}
	for _, step := range steps {
		if step.GPU == nil {
			continue
		}
		for reason, seconds := range step.GPU.ThrottledSeconds {
			together.ThrottledSeconds[reason] += seconds
		}
	}
	if by := throttledBy(&prober.StepResult{GPU: &together}); by != notThrottled {
		return by
	}
	return s.say("throttled.none", nil)
}

// gpuNotes says in words how GPUs were throttled.
func (s speaker) gpuNotes(r *prober.StepResult) []string {
	if r.GPU == nil {
		return nil
	}
	var reasons []string
	for _, reason := range r.GPU.Throttled() {
		held := time.Duration(r.GPU.ThrottledSeconds[reason] * float64(time.Second))
		reasons = append(reasons, s.say("note.held", values{"reason": reason, "time": max(held.Round(time.Millisecond), time.Millisecond)}))
	}
	if len(reasons) == 0 {
		return nil
	}
	return []string{s.say("note.throttled", values{"reasons": strings.Join(reasons, ", ")})}
}
