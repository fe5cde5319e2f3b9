package schedule

import (
	"slices"
	"testing"
	"time"

	"vllm_prober/internal/config"
)

// origin is a Friday, two days before the clocks of Berlin are put forward.
var origin = time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)

func made(t *testing.T, cfg config.Schedule) *Schedule {
	t.Helper()
	if cfg.TimeZone == "" {
		cfg.TimeZone = "UTC"
	}
	s, err := New(cfg, origin, 42)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestNextOnTheGridOfAnInterval(t *testing.T) {
	s := made(t, config.Schedule{Interval: time.Minute})
	for name, c := range map[string]struct{ from, want time.Duration }{
		"before its origin": {-time.Hour, 0},
		"at its origin":     {0, 0},
		"after a start":     {1, time.Minute},
		"at a start":        {5 * time.Minute, 5 * time.Minute},
		"between two":       {150 * time.Second, 180 * time.Second},
	} {
		if got := s.Next(origin.Add(c.from)).Sub(origin); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := slices.Collect(s.Between(origin, origin.Add(3*time.Minute))); len(got) != 3 || !got[2].Equal(origin.Add(2*time.Minute)) {
		t.Errorf("the starts of three minutes are %v", got)
	}
}

func TestRunsFollowOneAnother(t *testing.T) {
	s := made(t, config.Schedule{})
	if now := origin.Add(12345); !s.Continuous() || !s.Next(now).Equal(now) {
		t.Errorf("the next start is %s, want now", s.Next(now))
	}
	if got := slices.Collect(s.Between(origin, origin.Add(time.Hour))); got != nil {
		t.Errorf("there are the starts %v to be missed", got)
	}
}

// Every start is delayed by less than jitter, differently, the same again from
// the same seed, and in the order of what is due.
func TestJitterKeepsTheOrder(t *testing.T) {
	const jitter = 50 * time.Minute
	for name, cfg := range map[string]config.Schedule{
		"interval": {Interval: time.Hour, Jitter: jitter},
		// Gaps of 10 and 50 minutes: the shorter ones bound their delays.
		"cron": {Cron: "0,10 * * * *", Jitter: jitter},
	} {
		plain := cfg
		plain.Jitter = 0
		due, again := made(t, plain), made(t, cfg)
		other, err := New(inUTC(cfg), origin, 43)
		if err != nil {
			t.Fatal(err)
		}
		s, from, differ := made(t, cfg), origin, 0
		for range 1000 {
			want := due.Next(from)
			following := due.Next(want.Add(1))
			start := s.Next(from)
			if delay := start.Sub(want); delay < 0 || delay >= min(jitter, following.Sub(want)) {
				t.Fatalf("%s: what is due at %s begins at %s", name, want, start)
			}
			if !again.Next(want).Equal(start) {
				t.Fatalf("%s: the start %s is not the same again", name, start)
			}
			if !other.Next(want).Equal(start) {
				differ++
			}
			if next := s.Next(start.Add(1)); !next.After(start) || next.Before(following) {
				t.Fatalf("%s: after %s comes %s", name, start, next)
			}
			from = following
		}
		if differ < 990 {
			t.Errorf("%s: with another seed, %d of 1000 starts are the same", name, 1000-differ)
		}
	}
}

func inUTC(cfg config.Schedule) config.Schedule {
	cfg.TimeZone = "UTC"
	return cfg
}

// A blackout is a matter of what the clocks show, night, week and summer time.
func TestBlackouts(t *testing.T) {
	weekend := config.Blackout{Days: []config.Day{"sat", "sun"}, From: 22 * 60, To: 6 * 60}
	for name, c := range map[string]struct {
		blackout config.Blackout
		zone     string
		inside   []string
		outside  []string
	}{
		"over midnight, on the days it begins": {
			weekend, "UTC",
			[]string{"2026-03-28T22:00:00Z", "2026-03-29T05:59:59Z", "2026-03-29T23:00:00Z", "2026-03-30T00:00:00Z"},
			[]string{"2026-03-28T21:59:59Z", "2026-03-28T05:00:00Z", "2026-03-29T06:00:00Z", "2026-03-30T06:00:00Z", "2026-03-30T22:00:00Z"},
		},
		"whole days": {
			config.Blackout{Days: []config.Day{"sun"}, To: config.EndOfDay},
			"UTC",
			[]string{"2026-03-29T00:00:00Z", "2026-03-29T23:59:59Z"},
			[]string{"2026-03-28T23:59:59Z", "2026-03-30T00:00:00Z"},
		},
		"from a time to the same is a whole day": {
			config.Blackout{Days: []config.Day{"fri"}, From: 9 * 60, To: 9 * 60},
			"UTC",
			[]string{"2026-03-27T09:00:00Z", "2026-03-28T08:59:59Z"},
			[]string{"2026-03-27T08:59:59Z", "2026-03-28T09:00:00Z"},
		},
		"the clocks of the schedule's zone": {
			config.Blackout{From: 2 * 60, To: 4 * 60},
			"Europe/Berlin",
			// In winter from 1:00 UTC to 3:00, in summer from 0:00 to 2:00, and on the
			// day of the change from 1:00, at which they show 3:00, to 2:00.
			[]string{"2026-03-28T01:00:00Z", "2026-03-28T02:59:59Z", "2026-03-29T01:00:00Z", "2026-03-29T01:59:59Z", "2026-03-30T00:00:00Z"},
			[]string{"2026-03-28T00:59:59Z", "2026-03-28T03:00:00Z", "2026-03-29T00:59:59Z", "2026-03-29T02:00:00Z", "2026-03-30T02:00:00Z"},
		},
		"an hour that they show twice": {
			config.Blackout{From: 2 * 60, To: 2*60 + 30},
			"Europe/Berlin",
			[]string{"2026-10-25T00:00:00Z", "2026-10-25T00:29:59Z", "2026-10-25T01:00:00Z", "2026-10-25T01:29:59Z"},
			[]string{"2026-10-24T23:59:59Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		},
		"clocks of their own": {
			config.Blackout{From: 9 * 60, To: 17 * 60, TimeZone: "America/New_York"},
			"Europe/Berlin",
			[]string{"2026-03-27T13:00:00Z", "2026-03-27T20:59:59Z"},
			[]string{"2026-03-27T12:59:59Z", "2026-03-27T21:00:00Z"},
		},
	} {
		s := made(t, config.Schedule{TimeZone: c.zone, Blackouts: []config.Blackout{c.blackout}})
		for _, text := range c.inside {
			if !s.Blackout(at(t, text)) {
				t.Errorf("%s: %s is not inside", name, text)
			}
		}
		for _, text := range c.outside {
			if s.Blackout(at(t, text)) {
				t.Errorf("%s: %s is inside", name, text)
			}
		}
	}
}

func TestOpen(t *testing.T) {
	night := config.Blackout{From: 22 * 60, To: 2*60 + 30}
	s := made(t, config.Schedule{Interval: time.Hour, TimeZone: "Europe/Berlin", Blackouts: []config.Blackout{night}})
	for from, want := range map[string]string{
		"2026-03-27T12:00:30Z": "2026-03-27T12:00:30Z",
		"2026-03-27T21:00:30Z": "2026-03-28T01:30:00Z", // 22:00 there, to 2:30
		"2026-03-28T21:00:00Z": "2026-03-29T01:00:00Z", // the clocks go from 2:00 to 3:00
	} {
		if got := s.Open(at(t, from)); !got.Equal(at(t, want)) {
			t.Errorf("after %s it ends at %s, want %s", from, got, want)
		}
	}
	// The grid has its starts on the hour.
	if got := s.NextOpen(at(t, "2026-03-27T21:00:00Z")); !got.Equal(at(t, "2026-03-28T02:00:00Z")) {
		t.Errorf("the next start outside is %s", got)
	}
	always := config.Blackout{To: config.EndOfDay}
	s = made(t, config.Schedule{Interval: time.Hour, Blackouts: []config.Blackout{always}})
	if got := s.NextOpen(origin); !got.IsZero() {
		t.Errorf("out of a blackout without end comes a start at %s", got)
	}
	// The starts lie in one blackout after the other, for ever.
	s = made(t, config.Schedule{Cron: "0 12 * * *", Blackouts: []config.Blackout{{From: 11 * 60, To: 13 * 60}}})
	if got := s.NextOpen(origin); !got.IsZero() {
		t.Errorf("a start that always lies in a blackout comes at %s", got)
	}
}

func TestAccount(t *testing.T) {
	a, err := NewAccount(config.Schedule{TimeZone: "Europe/Berlin", Budget: config.Budget{RequestsPerDay: 100, TokensPerDay: 5000}})
	if err != nil {
		t.Fatal(err)
	}
	noon := at(t, "2026-03-28T12:00:00+01:00")
	a.Spend(noon, Amount{60, 1000})
	for _, c := range []struct {
		cost Amount
		want bool
	}{{Amount{40, 4000}, true}, {Amount{41, 0}, false}, {Amount{0, 4001}, false}} {
		if got := a.Affords(noon, c.cost); got != c.want {
			t.Errorf("after 60 requests and 1000 tokens, %+v: %t", c.cost, got)
		}
	}
	// The day of the change has 23 hours.
	midnight := at(t, "2026-03-29T00:00:00+01:00")
	if got := a.Renewed(noon); !got.Equal(midnight) {
		t.Errorf("the budget is renewed at %s", got)
	}
	if got := a.Renewed(midnight).Sub(a.Today(midnight)); got != 23*time.Hour {
		t.Errorf("the day has %s", got)
	}
	if a.Affords(midnight.Add(-1), Amount{Requests: 41}) || !a.Affords(midnight, Amount{Requests: 100}) {
		t.Error("the budget is not renewed at midnight")
	}
	if got := a.Spent(midnight); got != (Amount{}) {
		t.Errorf("on the new day %+v is spent", got)
	}
	// What ends after midnight is of the new day, also if the old one looks back.
	a.Spend(midnight, Amount{Requests: 5})
	a.Spend(midnight.Add(-time.Second), Amount{Requests: 1})
	if got := a.Spent(midnight); got.Requests != 6 {
		t.Errorf("%d requests are spent", got.Requests)
	}
	if open, err := NewAccount(config.Schedule{TimeZone: "UTC"}); err != nil || !open.Affords(noon, Amount{1 << 40, 1 << 40}) {
		t.Errorf("without a budget there is a limit: %v", err)
	}
}
