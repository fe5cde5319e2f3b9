package config

import (
	"fmt"
	"math"
	"time"
	_ "time/tzdata" // the image has no time zones of its own

	"go.yaml.in/yaml/v3"
)

// Schedule says when the runs of a probe begin: on the grid of an interval, or as
// a cron expression says.
type Schedule struct {
	// Interval is the time from one run's start to the next one's; 0 means that
	// runs follow one another. It is of no use beside Cron.
	Interval time.Duration `yaml:"interval,omitempty"`
	// Cron is minute, hour, day of the month, month and day of the week, as the
	// clocks of TimeZone show them.
	Cron string `yaml:"cron,omitempty"`
	// TimeZone is the IANA name of the zone of Cron, of blackouts that name none,
	// and of the budget's day.
	TimeZone string `yaml:"time_zone"`
	// Jitter is the longest random delay of a start.
	Jitter time.Duration `yaml:"jitter,omitempty"`
	// Blackouts are the times in which no run begins.
	Blackouts []Blackout `yaml:"blackouts,omitempty"`
	// Missed says what becomes of a start that could not be kept.
	Missed Missed `yaml:"missed"`
	// MaxRunDuration is how long a run may take until it is ended; 0 is no limit.
	MaxRunDuration time.Duration `yaml:"max_run_duration,omitempty"`
	// Budget is what the probe may spend.
	Budget Budget `yaml:"budget,omitempty"`
}

// Missed is a way to treat a start that could not be kept, because another run
// held a replica, the probe's own run was under way, or the daemon was down.
type Missed string

// The ways to treat missed starts.
const (
	// Skip leaves a missed start out.
	Skip Missed = "skip"
	// CatchUp makes one run, as soon as it can begin, for all that were missed.
	CatchUp Missed = "catch_up"
)

// Blackout is a time of the week in which no run begins. A start is inside while
// the clocks of its zone show a time from From on and before To.
type Blackout struct {
	// Days are the days on which the blackout begins; none means all.
	Days []Day `yaml:"days,omitempty"`
	// From and To are times of day. A To that is not after From is on the next day.
	From Clock `yaml:"from"`
	To   Clock `yaml:"to"`
	// TimeZone is the IANA name of the clocks' zone; empty means the schedule's.
	TimeZone string `yaml:"time_zone,omitempty"`
}

// Day is a day of the week.
type Day string

// days are the names of the days, in the order of time.Weekday.
var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Weekday is the day as Go counts it. It must be a name of one.
func (d Day) Weekday() time.Weekday {
	for i, name := range days {
		if name == string(d) {
			return time.Weekday(i)
		}
	}
	return -1
}

// Clock is a time of day, in minutes after midnight.
type Clock int

// EndOfDay is 24:00.
const EndOfDay Clock = 24 * 60

// String is the time of day as 22:00.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// MarshalYAML gives a time of day as it is read.
func (c Clock) MarshalYAML() (any, error) { return c.String(), nil }

// UnmarshalYAML reads 22:00.
func (c *Clock) UnmarshalYAML(node *yaml.Node) error {
	if node.Value == EndOfDay.String() {
		*c = EndOfDay
		return nil
	}
	at, err := time.Parse("15:04", node.Value)
	if err != nil || len(node.Value) != len("15:04") {
		return fmt.Errorf("%q is no time of day", node.Value)
	}
	*c = Clock(at.Hour()*60 + at.Minute())
	return nil
}

// Budget is what a probe may spend on a day of the schedule's time zone; a zero
// is no limit.
type Budget struct {
	RequestsPerDay int `yaml:"requests_per_day,omitempty"`
	// TokensPerDay counts those of prompts and answers.
	TokensPerDay int `yaml:"tokens_per_day,omitempty"`
}

// Location is the time zone of that name, which must be IANA's; the empty name
// and the machine's own zone are not.
func Location(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone of IANA's", name)
	}
	return time.LoadLocation(name)
}

// StepCost is how many requests a step at a rate costs at the most, on average:
// the load is offered through warm-up and window, which a search may extend, and
// may go on until the drain limit.
func (p Probe) StepCost(rate float64) int {
	l := p.Steps()
	window := l.Window
	if p.Search != nil {
		window = max(window, p.Search.MaxWindow)
	}
	return int(math.Ceil(rate * (l.Warmup + window + l.Drain).Seconds()))
}

// FirstStepCost is how many requests the first step of a run costs at the most, on
// average. Chance says which arm makes it, so that it is the dearest of theirs.
func (p Probe) FirstStepCost() int {
	cost := 0
	for _, a := range p.Arms {
		if rates := p.Rates(a); len(rates) > 0 {
			cost = max(cost, p.StepCost(rates[0]))
		}
	}
	return cost
}
