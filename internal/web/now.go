package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"vllm_prober/internal/live"
	"vllm_prober/internal/report"
	"vllm_prober/prober"
)

// nowView is what a probe does at the moment.
type nowView struct {
	Name     string
	State    live.State
	At       time.Time
	Progress live.Progress
	// RunPercent is how much of the run is over, StepPercent of the step's warm-up and
	// window.
	RunPercent, StepPercent int
	TTFT, TPOT              spark
}

func nowOf(p *live.Probe, now time.Time) nowView {
	v := nowView{Name: p.Name(), State: p.State(), At: now, Progress: p.Progress(now)}
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

// The size of a spark line.
const (
	sparkWidth  = 240
	sparkHeight = 40
)

// spark is the means of a latency in the last minute, second by second.
type spark struct {
	Name string
	// Points are those of an SVG polyline; empty where there are none.
	Points string
	// X and Y are where the newest one is.
	X, Y float64
	// Last, Least and Most are in seconds.
	Last, Least, Most float64
}

// sparkOf draws a line from the least value to the most; a latency of 0 is none.
func sparkOf(name string, now time.Time, seconds []live.Second, value func(live.Second) float64) spark {
	s := spark{Name: name}
	seconds = slices.DeleteFunc(slices.Clone(seconds), func(s live.Second) bool { return value(s) == 0 })
	if len(seconds) == 0 {
		return s
	}
	s.Least = value(slices.MinFunc(seconds, func(a, b live.Second) int { return cmp.Compare(value(a), value(b)) }))
	s.Most = value(slices.MaxFunc(seconds, func(a, b live.Second) int { return cmp.Compare(value(a), value(b)) }))
	s.Last = value(seconds[len(seconds)-1])
	const margin = 4.0
	scale := (sparkHeight - 2*margin) / max(s.Most-s.Least, s.Most/10) // what moves by less than a tenth is flat
	var points []string
	for _, second := range seconds {
		s.X = sparkWidth - margin - now.Sub(second.At).Seconds()*(sparkWidth-2*margin)/60
		s.Y = sparkHeight - margin - (value(second)-s.Least)*scale
		points = append(points, fmt.Sprintf("%.1f,%.1f", s.X, s.Y))
	}
	s.Points = strings.Join(points, " ")
	return s
}

// Title says in words what the line shows.
func (s spark) Title() string {
	return fmt.Sprintf("%s in the last minute: now %s, from %s to %s", s.Name, milliseconds(s.Last), milliseconds(s.Least), milliseconds(s.Most))
}

func milliseconds(seconds float64) string {
	switch ms := seconds * 1000; {
	case ms >= 9999.5:
		return fmt.Sprintf("%.1f s", seconds)
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
