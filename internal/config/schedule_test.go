package config

import (
	"math"
	"testing"
	"time"
)

// A cron expression means what the clocks of its zone show, also on the days on
// which they are put forward, at 2:00 to 3:00, and back, at 3:00 to 2:00.
func TestCronByTheClocks(t *testing.T) {
	for name, c := range map[string]struct {
		zone, expression, from string
		want                   []string
	}{
		"weekdays": {
			"Europe/Berlin", "30 9 * * mon-fri", "2026-07-03T00:00:00+02:00", // a Friday
			[]string{"2026-07-03T09:30:00+02:00", "2026-07-06T09:30:00+02:00", "2026-07-07T09:30:00+02:00"},
		},
		"either day suffices": {
			"Europe/Berlin", "0 0 1 * sun", "2026-10-24T00:00:00+02:00",
			[]string{"2026-10-25T00:00:00+02:00", "2026-11-01T00:00:00+01:00", "2026-11-08T00:00:00+01:00", "2026-11-15T00:00:00+01:00"},
		},
		"an hour that is not there comes an hour later": {
			"Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00+01:00",
			[]string{"2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"},
		},
		"but once, where a start is there already": {
			"Europe/Berlin", "30 * * * *", "2026-03-29T01:00:00+01:00",
			[]string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-29T04:30:00+02:00"},
		},
		"an hour that is there twice comes twice": {
			"Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00+02:00",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-26T02:30:00+01:00"},
		},
		"a midnight that is not there comes at one": {
			"Africa/Cairo", "0 0 * * *", "2026-04-23T12:00:00+02:00",
			[]string{"2026-04-24T01:00:00+03:00", "2026-04-25T00:00:00+03:00"},
		},
		"half an hour that is not there": {
			"Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00:00+10:30",
			[]string{"2026-10-04T02:45:00+11:00", "2026-10-05T02:15:00+11:00"},
		},
		"a day that is not there": {
			"Pacific/Apia", "0 12 30 * *", "2011-12-01T00:00:00-10:00",
			[]string{"2011-12-31T12:00:00+14:00", "2012-01-30T12:00:00+14:00"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			zone, err := Location(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := ParseCron(c.expression, zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, c.from)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if at = parsed.Next(at.Add(1)); at.In(zone).Format(time.RFC3339) != want {
					t.Fatalf("got %s, want %s", at.In(zone).Format(time.RFC3339), want)
				}
			}
		})
	}
}

// Whatever stands in a cron expression, it is read or refused, and what is read
// comes after the time that it is asked for.
func FuzzParseCron(f *testing.F) {
	for _, s := range []string{"0 * * * *", "*/15 9-17 1,15 jan-mar mon-fri", "59 23 31 12 7", "0 0 30 2 *", "60 * * * *", "TZ=UTC 0 * * *", "1-0/0 * * * *", "? 22-2 */2 * sun#1"} {
		f.Add(s)
	}
	zone, err := Location("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 3, 29, 0, 59, 59, 1, time.UTC) // a second before the clocks are put forward
	f.Fuzz(func(t *testing.T, expression string) {
		parsed, err := ParseCron(expression, zone)
		if err != nil {
			return
		}
		if next := parsed.Next(now); !next.IsZero() && next.Before(now) {
			t.Errorf("%q comes at %s, before %s", expression, next, now)
		}
	})
}

func TestMeanTokens(t *testing.T) {
	for name, c := range map[string]struct {
		length Length
		want   float64
	}{
		"fixed":   {Length{Fixed: 64}, 64},
		"uniform": {Length{Uniform: &UniformTokens{Min: 100, Max: 201}}, 150.5},
		// Limits far out leave the whole distribution, with the mean exp(μ + σ²/2).
		"lognormal": {Length{Lognormal: &LognormalTokens{Median: 1000, Sigma: 0.5, Min: 1, Max: 1_000_000}}, 1000 * math.Exp(0.125)},
		// A narrow cut of a wide distribution is nearly uniform in ln x: 1/x, whose
		// mean from a to b is (b − a) / ln(b/a).
		"cut": {Length{Lognormal: &LognormalTokens{Median: 150, Sigma: 10, Min: 100, Max: 200}}, 101 / math.Log(200.5/99.5)},
	} {
		if got := c.length.MeanTokens(); math.Abs(got-c.want) > 1e-3*c.want {
			t.Errorf("%s: %g, want %g", name, got, c.want)
		}
	}
}

func TestStepCost(t *testing.T) {
	p := Probe{Ladder: Ladder{Warmup: 10 * time.Second, Window: 30 * time.Second, Drain: time.Minute, Cooldown: time.Hour}}
	if got := p.StepCost(2.5); got != 250 {
		t.Errorf("%d requests, want 2.5 a second for 100 s", got)
	}
	p.Ladder.Rates, p.Arms = []float64{1, 20}, []Arm{{}, {Rates: []float64{3, 4}}, {Rates: []float64{2}}}
	if got := p.FirstStepCost(); got != 300 {
		t.Errorf("%d requests, want the 3 a second of the second arm", got)
	}
	p.Search = &Search{MaxWindow: 2 * time.Minute}
	if got := p.StepCost(2.5); got != 475 {
		t.Errorf("%d requests with a search, want 2.5 a second for 190 s", got)
	}
}
