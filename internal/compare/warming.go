package compare

import (
	"cmp"
	"math"
	"slices"

	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// enough is how many steps of an arm at a rate there have to be to tell a warm-up.
const enough = 6

// place is where the windows of steps can be laid on each other.
type place struct {
	arm          prober.Arm
	rate, window float64
	latency      string
}

// StillWarming is how windows begin too early: for so many seconds a latency, TTFT or
// TPOT, was by a share more, or less where that is below 0, than later.
type StillWarming struct {
	Seconds float64
	Latency string
	By      float64
}

func (StillWarming) detail() {}

// warming finds windows that begin before the warm-up has ended. Of all places that
// are looked at, one finding in a hundred is false.
func warming(steps []Step) (found []Finding) {
	var tested []Finding
	var changes []float64
	var p []float64
	places, windows := windowsOf(steps)
	for _, at := range places {
		if len(windows[at]) < enough {
			continue
		}
		parts, change, ok := stats.Warming(windows[at])
		if !ok {
			continue
		}
		by := change.Ratio(Confidence).Value - 1
		p, changes = append(p, change.P()), append(changes, math.Abs(by))
		tested = append(tested, Finding{Kind: WarmUp, Arm: at.arm, RequestRate: at.rate, Detail: StillWarming{
			Seconds: at.window * float64(parts) / stats.Parts, Latency: at.latency, By: by,
		}})
	}
	for i, shown := range stats.Holm(p, 0.01) {
		if shown && changes[i] > stats.Negligible {
			found = append(found, tested[i])
		}
	}
	return found
}

// windowsOf are the courses of the windows that have requests in all parts, by where
// they are.
func windowsOf(steps []Step) (places []place, windows map[place][][]float64) {
	windows = map[place][][]float64{}
	for _, s := range steps {
		for latency, means := range map[string][]float64{"TTFT": s.TTFT, "TPOT": s.TPOT} {
			if s.Saturated || len(means) != stats.Parts {
				continue
			}
			at := place{s.Arm, s.RequestRate, s.Window, latency}
			if windows[at] == nil {
				places = append(places, at)
			}
			windows[at] = append(windows[at], means)
		}
	}
	slices.SortStableFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.arm.Target, b.arm.Target), a.arm.Replicas-b.arm.Replicas, a.arm.BatchSize-b.arm.BatchSize,
			cmp.Compare(a.rate, b.rate), cmp.Compare(a.window, b.window), cmp.Compare(b.latency, a.latency))
	})
	return places, windows
}
