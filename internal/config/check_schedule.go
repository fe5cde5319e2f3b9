package config

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// schedule checks when runs are to begin. The ladder's lengths are right.
func (k *checks) schedule(p *Probe, path string) {
	s := &p.Schedule
	zone, zoneOK := k.timeZone(s.TimeZone, path+".time_zone")
	if s.Cron == "" {
		k.interval(p, path)
	} else {
		k.need(s.Interval == 0, path+".interval", "is of no use beside cron", "one of the two")
		if zoneOK {
			k.cron(s.Cron, zone, path+".cron")
		}
	}
	if k.notNegative(s.Jitter, path+".jitter") && s.Interval > 0 {
		k.need(s.Jitter < s.Interval, path+".jitter", s.Jitter.String(), "less than interval, "+s.Interval.String())
	}
	for i, b := range s.Blackouts {
		k.blackout(b, item(path+".blackouts", i))
	}
	k.oneOf(string(s.Missed), path+".missed", string(Skip), string(CatchUp))
	if planned := p.Planned(); s.MaxRunDuration != 0 {
		k.need(s.MaxRunDuration >= planned, path+".max_run_duration", s.MaxRunDuration.String(),
			"at least what a run is planned to take, "+planned.String())
	}
	k.budget(p, path+".budget")
}

func (k *checks) interval(p *Probe, path string) {
	if planned := p.Planned(); p.Schedule.Interval != 0 {
		k.need(p.Schedule.Interval >= planned, path+".interval", p.Schedule.Interval.String(),
			"0s for runs that follow one another, or at least what a run is planned to take, "+planned.String())
	}
}

func (k *checks) timeZone(name, path string) (*time.Location, bool) {
	zone, err := Location(name)
	return zone, k.need(err == nil, path, show(name), "the IANA name of a time zone, such as UTC or Europe/Berlin")
}

func (k *checks) cron(expression string, zone *time.Location, path string) {
	const allowed = `minute, hour, day of the month, month and day of the week, such as "30 */2 * * mon-fri"`
	parsed, err := ParseCron(expression, zone)
	if k.need(err == nil, path, show(expression), allowed) {
		k.need(!parsed.Next(time.Now()).IsZero(), path, show(expression)+" comes never", allowed)
	}
}

func (k *checks) blackout(b Blackout, path string) {
	for i, day := range b.Days {
		k.oneOf(string(day), item(path+".days", i), days...)
	}
	k.need(b.From < EndOfDay, path+".from", b.From.String(), "a time of day before 24:00")
	if b.TimeZone != "" {
		k.timeZone(b.TimeZone, path+".time_zone")
	}
}

// budget checks that a run can make its first step, lest the probe never run.
func (k *checks) budget(p *Probe, path string) {
	first := p.FirstStepCost()
	if first <= 0 {
		return // there is no step, which is a mistake of its own
	}
	requests, tokens := p.Schedule.Budget.RequestsPerDay, p.Schedule.Budget.TokensPerDay
	k.need(requests == 0 || requests >= first, path+".requests_per_day", strconv.Itoa(requests),
		fmt.Sprintf("%d or more, which a run's first step may cost", first))
	if w := p.Workload; w.PromptsFile == "" { // the lengths in a file of prompts are not known here
		least := int(math.Ceil(float64(first) * (w.PromptTokens.MeanTokens() + w.OutputTokens.MeanTokens())))
		k.need(tokens == 0 || tokens >= least, path+".tokens_per_day", strconv.Itoa(tokens),
			fmt.Sprintf("%d or more, which a run's first step may cost", least))
	} else {
		k.need(tokens >= 0, path+".tokens_per_day", strconv.Itoa(tokens), "1 or more, or left out")
	}
}
