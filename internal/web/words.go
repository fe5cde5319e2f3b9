package web

import (
	"fmt"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/report"
	"vllm_prober/prober"
)

// inWords says when the runs of a probe begin.
func inWords(p config.Probe) string {
	s := p.Schedule
	switch {
	case p.Heartbeat != nil:
		return fmt.Sprintf("always, at %g req/s", p.Heartbeat.Rate)
	case s.Cron != "":
		return fmt.Sprintf("cron %s (%s)", s.Cron, s.TimeZone)
	case s.Interval > 0:
		return "every " + inShort(s.Interval)
	default:
		return "one run after the other"
	}
}

// armsOf are the arms of a probe as far as they are known: one that uses all replicas
// of a discovered target has none yet.
func armsOf(cfg *config.Config, p config.Probe) []prober.Arm {
	arms := []prober.Arm{}
	for _, a := range p.Arms {
		if target, ok := cfg.Target(a.Target); ok {
			arms = append(arms, prober.ArmOf(a, target))
		}
	}
	return arms
}

// inShort writes a duration without zeros: 1h, 90s, 2m30s.
func inShort(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d >= 48*time.Hour:
		return report.Count(int(d.Hours()/24), "day")
	case d >= time.Hour && d%time.Hour < time.Minute:
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute && d%time.Minute == 0, d >= 10*time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
}
