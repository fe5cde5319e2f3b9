package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// Cron is the times that a cron expression means by the clocks of a zone. Where
// the clocks are put forward, what falls into the time that they leave out comes
// as much later as they are put forward; where they are put back, what falls into
// the time that they show twice comes twice.
type Cron struct {
	shown cron.Schedule // the times that the clocks show, as if they were UTC
	zone  *time.Location
}

// fiveFields reads cron expressions as crontab does: where both the day of the
// month and the day of the week are restricted, either suffices.
var fiveFields = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom)

// ParseCron reads a cron expression of five fields.
func ParseCron(expression string, zone *time.Location) (*Cron, error) {
	if len(strings.Fields(expression)) != 5 || strings.Contains(expression, "=") {
		return nil, fmt.Errorf("%q has not five fields", expression)
	}
	shown, err := fiveFields.Parse(expression)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", expression, err)
	}
	shown.(*cron.SpecSchedule).Location = time.UTC
	return &Cron{shown, zone}, nil
}

// Next is the first time at or after t, or the zero time where none comes within
// five years.
func (c *Cron) Next(t time.Time) time.Time {
	// The library works out what clocks show that are never put forward or back,
	// and here follows what they show between two such changes: its own handling
	// of changes loses what falls on a midnight that is left out.
	for t = t.In(c.zone); ; {
		since, until := t.ZoneBounds()
		ahead := offset(t)
		next := c.at(t, ahead)
		if !since.IsZero() {
			before := offset(since.Add(-1))
			if left := since.Add(ahead - before); t.Before(left) {
				if late := c.at(t, before); late.Before(left) && late.Before(next) {
					next = late
				}
			}
		}
		if next.IsZero() || until.IsZero() || next.Before(until) {
			return next
		}
		t = until
	}
}

// at is the first time at or after t for clocks that are so far ahead of UTC.
func (c *Cron) at(t time.Time, ahead time.Duration) time.Time {
	next := c.shown.Next(t.UTC().Add(ahead - 1)) // is after what it is given
	if next.IsZero() {
		return next
	}
	return next.Add(-ahead).In(c.zone)
}

// offset is how far the clocks are ahead of UTC.
func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}
