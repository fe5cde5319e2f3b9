package web

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"time"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/live"
	"vllm_prober/internal/report"
	"vllm_prober/prober"
)

// nowView is what a probe does at the moment.
type nowView struct {
	Name     string
	State    live.State
	Progress live.Progress
	// RunPercent is how much of the run is over, StepPercent of the step's warm-up and
	// window.
	RunPercent, StepPercent int
	TTFT, TPOT              spark
}

func nowOf(p *live.Probe, now time.Time) nowView {
	v := nowView{Name: p.Name(), State: p.State(), Progress: p.Progress(now)}
	if known := v.Progress.StepsKnown; known > 0 {
		v.RunPercent = 100 * v.Progress.StepsEnded / known
	}
	if s := v.Progress.Step; s != nil && s.Planned > 0 {
		v.StepPercent = int(100 * min(s.Elapsed/s.Planned, 1))
	}
	v.TTFT = sparkOf("TTFT", now, v.Progress.Seconds, func(s live.Second) float64 { return s.TTFT })
	v.TPOT = sparkOf("TPOT", now, v.Progress.Seconds, func(s live.Second) float64 { return s.TPOT })
	return v
}

// spark is the means of a latency in the last minute, second by second.
type spark struct {
	Name string
	SVG  template.HTML // empty where there are none
	// Last is the newest one in seconds; all lie from Least to Most.
	Last, Least, Most float64
}

// sparkOf draws the latencies of the last minute; 0 is none. Seconds in which no
// answer ended lie on the line between those beside them.
func sparkOf(name string, now time.Time, seconds []live.Second, value func(live.Second) float64) (s spark) {
	s.Name = name
	line := make([]float64, live.Minute)
	for i := range line {
		line[i] = math.NaN()
	}
	least, most, from := math.Inf(1), 0.0, 0
	for _, second := range seconds {
		y, i := value(second), live.Minute-1-int(now.Unix()-second.At.Unix())
		if y == 0 || i < 0 || i >= live.Minute {
			continue
		}
		line[i], s.Last, least, most = y, y, min(least, y), max(most, y)
		for between := from + 1; between < i; between++ { // from a gap on it stays one
			line[between] = line[from] + (y-line[from])*float64(between-from)/float64(i-from)
		}
		from = i
	}
	if s.Last > 0 {
		s.Least, s.Most = least, most
		s.SVG = template.HTML(chart.Sparkline{ //nolint:gosec // the chart escapes its texts
			Title:       name + " in the last minute",
			Description: fmt.Sprintf("now %s, from %s to %s", milliseconds(s.Last), milliseconds(least), milliseconds(most)),
			Values:      line, Width: 160, Height: 32,
		}.SVG())
	}
	return s
}

func milliseconds(seconds float64) string {
	switch ms := seconds * 1000; {
	case ms >= 9995:
		return fmt.Sprintf("%.1f s", seconds)
	case ms >= 999.5:
		return fmt.Sprintf("%.2f s", seconds)
	case ms >= 99.5:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f ms", ms)
	}
}

// arm names an arm with all that tells it from others.
func arm(a prober.Arm) string {
	text := a.Target + ", " + report.Count(a.GPUs, "GPU")
	if a.BatchSize > 0 {
		text += fmt.Sprintf(", batch %d", a.BatchSize)
	}
	return text
}

// skippedOf are the reasons for which starts were left out.
func skippedOf(s live.State) (all []skipped) {
	for reason, n := range s.Skipped {
		all = append(all, skipped{string(reason), n})
	}
	slices.SortFunc(all, func(a, b skipped) int { return cmp.Compare(a.Reason, b.Reason) })
	return all
}
