package schedule

import (
	"time"

	"vllm_prober/internal/config"
)

// blackout is a time of the week, by the clocks of its zone.
type blackout struct {
	days     [7]bool // on which it begins
	from, to config.Clock
	zone     *time.Location
}

func newBlackout(cfg config.Blackout, zone *time.Location) (blackout, error) {
	b := blackout{from: cfg.From, to: cfg.To, zone: zone}
	if cfg.TimeZone != "" {
		var err error
		if b.zone, err = config.Location(cfg.TimeZone); err != nil {
			return b, err
		}
	}
	for day := range b.days {
		b.days[day] = len(cfg.Days) == 0
	}
	for _, day := range cfg.Days {
		b.days[day.Weekday()] = true
	}
	return b, nil
}

// holds says whether the clocks show a time of the blackout at t. They decide
// alone: an hour that they show twice is inside twice, and one that they leave
// out never.
func (b blackout) holds(t time.Time) bool {
	t = t.In(b.zone)
	today := b.days[t.Weekday()]
	shown := config.Clock(t.Hour()*60 + t.Minute())
	if b.from < b.to {
		return today && shown >= b.from && shown < b.to
	}
	yesterday := b.days[(t.Weekday()+6)%7]
	return today && shown >= b.from || yesterday && shown < b.to
}
