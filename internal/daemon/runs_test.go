package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/schedule"
	"vllm_prober/prober"
)

// planned is a probe whose runs are one step at a request each 10 s, against a
// target of its choice, and take a time. The window ends between two requests, so
// that what a run sends, and when it ends, is known beforehand: so many requests as
// the time has tens of seconds.
func planned(name, target, cron string, took time.Duration) config.Probe {
	p := probeNamed(name, 0)
	p.Schedule.Cron = cron
	p.Arms[0].Target = target
	p.Ladder = config.Ladder{Rates: []float64{0.1}, Window: took - watched, Drain: 100 * time.Second, Repeats: 1}
	return p
}

// watched is how long the watch over a replica takes before and after a step.
const watched = time.Second / 2

// days reads times of a test's days as 13:07:30, or 1+00:00:00 for the next day.
func days(t *testing.T, texts ...string) []time.Duration {
	t.Helper()
	var times []time.Duration
	for _, text := range texts {
		day, h, m, s := 0, 0, 0, 0
		if before, after, found := strings.Cut(text, "+"); found {
			if _, err := fmt.Sscan(before, &day); err != nil {
				t.Fatal(err)
			}
			text = after
		}
		if _, err := fmt.Sscanf(text, "%d:%d:%d", &h, &m, &s); err != nil {
			t.Fatal(err)
		}
		times = append(times, time.Duration(((day*24+h)*60+m)*60+s)*time.Second)
	}
	return times
}

// has checks the starts of a probe, and the skips of its log, which are written
// as "TIME REASON" or "TIME REASON COUNT".
func (b *bubble) has(t *testing.T, probe string, starts, skips []string) {
	t.Helper()
	if got, want := b.begun(probe), days(t, starts...); !slices.Equal(got, want) {
		t.Errorf("runs of %s began at\n%v, want\n%v", probe, got, want)
	}
	var got, want []string
	counts := map[string]int{}
	for _, s := range b.skips(t, probe) {
		got = append(got, fmt.Sprintf("%s %s %d", s.Time.Sub(b.epoch), s.Reason, s.Count))
		counts[s.Reason] += s.Count
	}
	for _, text := range skips {
		fields := strings.Fields(text)
		if len(fields) == 2 {
			fields = append(fields, "1")
		}
		want = append(want, fmt.Sprintf("%s %s %s", days(t, fields[0])[0], fields[1], fields[2]))
	}
	if !slices.Equal(got, want) {
		t.Errorf("starts of %s were skipped at\n%s\nwant\n%s", probe, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, reason := range schedule.Reasons() {
		series := fmt.Sprintf(`vllm_prober_runs_skipped_total{probe=%q,reason=%q}`, probe, reason)
		if got := b.value(t, series); got != float64(counts[string(reason)]) {
			t.Errorf("%s is %g, and %d are in the log", series, got, counts[string(reason)])
		}
	}
}

// A day with probes that overlap, a blackout and a budget that runs out.
func TestADayOfSchedules(t *testing.T) {
	// Runs of 4:55, each of 29 requests, reckoned at (295 + 100) s / 10 s, so 40. The
	// budget bears the first step after k runs while 29k + 40 ≤ 500: sixteen times.
	// In the blackout, at 3:00 and 4:00, none begins. The sixteen are at 0:00 to 2:00
	// and at 5:00 to 17:00.
	hourly := planned("hourly", "shared", "", 295*time.Second)
	hourly.Schedule.Interval = time.Hour
	hourly.Schedule.Budget.RequestsPerDay = 500
	hourly.Schedule.Blackouts = []config.Blackout{{From: 3 * 60, To: 5 * 60}}
	// Falls into the runs above except at 18:02, at which there is none.
	yielding := planned("yielding", "shared", "2 */6 * * *", 25*time.Second)
	yielding.Schedule.Missed = config.Skip
	// Falls into one too, and waits; two more of its starts pass before that ends.
	waiting := planned("waiting", "shared", "2-4 2 * * *", 25*time.Second)
	// Takes a replica of its own, and no notice.
	apart := planned("apart", "other", "3 0 * * *", 25*time.Second)
	// Its runs of 7:55 overrun a start.
	overrunning := planned("overrunning", "third", "0,5,10 12 * * *", 475*time.Second)
	overrunning.Schedule.Missed = config.Skip
	// Its runs overrun two, for which one is made at once, which overruns none.
	late := planned("late", "fourth", "0,3,6,20 12 * * *", 475*time.Second)
	// In its blackout are one start that comes by itself and one that is overrun.
	dark := planned("dark", "fifth", "0,5,10 12 * * *", 475*time.Second)
	dark.Schedule.Blackouts = []config.Blackout{{From: 12*60 + 5, To: 12*60 + 6}, {From: 12*60 + 10, To: 12*60 + 11}}

	midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	inBubbleFrom(t, midnight, Options{}, withProbes(hourly, yielding, waiting, apart, overrunning, late, dark), func(b *bubble) {
		time.Sleep(24*time.Hour + time.Minute)
		b.has(t, "hourly", []string{
			"0:00:00", "1:00:00", "2:00:00", "5:00:00", "6:00:00", "7:00:00", "8:00:00", "9:00:00", "10:00:00", "11:00:00",
			"12:00:00", "13:00:00", "14:00:00", "15:00:00", "16:00:00", "17:00:00", "1+00:00:00",
		}, []string{
			"3:00:00 blackout", "4:00:00 blackout", "18:00:00 budget", "19:00:00 budget", "20:00:00 budget", "21:00:00 budget",
			"22:00:00 budget", "23:00:00 budget",
		})
		b.has(t, "yielding", []string{"18:02:00"}, []string{"0:02:00 busy", "6:02:00 busy", "12:02:00 busy"})
		b.has(t, "waiting", []string{"2:04:55"}, []string{"2:04:55 busy 2"})
		b.has(t, "apart", []string{"0:03:00"}, nil)
		b.has(t, "overrunning", []string{"12:00:00", "12:10:00"}, []string{"12:07:55 overran"})
		b.has(t, "late", []string{"12:00:00", "12:07:55", "12:20:00"}, []string{"12:07:55 overran"})
		b.has(t, "dark", []string{"12:00:00"}, []string{"12:07:55 blackout", "12:10:00 blackout"})
		// Each skip says when the next run begins: after the blackout, and after midnight.
		skips := b.skips(t, "hourly")
		for i, want := range map[int]string{0: "2000-01-01T05:00:00Z", 1: "2000-01-01T05:00:00Z", 2: "2000-01-01T19:00:00Z"} {
			if skips[i].Next != want {
				t.Errorf("after skip %d, the next run is said to begin at %s, want %s", i, skips[i].Next, want)
			}
		}
	})
}

// The days on which the clocks of Berlin are put forward, and back, with probes
// that overlap, a blackout and a budget that runs out.
func TestDaysOfChangingClocks(t *testing.T) {
	// Each hour at half past but for the blackout. A run sends 2 requests and is
	// reckoned at (25 + 100) s / 10 s, so 13; 2k + 13 ≤ 41 bears fifteen of them a day.
	hourly := planned("hourly", "a", "30 * * * *", 25*time.Second)
	hourly.Schedule.TimeZone = "Europe/Berlin"
	hourly.Schedule.Blackouts = []config.Blackout{{From: 2 * 60, To: 4 * 60}}
	hourly.Schedule.Budget.RequestsPerDay = 41
	// Once a day, in the hour that is not there, or is twice.
	nightly := planned("nightly", "b", "30 2 * * *", 25*time.Second)
	nightly.Schedule.TimeZone = "Europe/Berlin"
	// Shares the replica of the first, whose start at 5:30 waits until 5:34:55.
	sharing := planned("sharing", "a", "25 5 * * *", 595*time.Second)
	sharing.Schedule.TimeZone = "Europe/Berlin"
	// Shares it too, and waits for nobody.
	yielding := planned("yielding", "a", "31 5 * * *", 25*time.Second)
	yielding.Schedule.TimeZone, yielding.Schedule.Missed = "Europe/Berlin", config.Skip
	all := withProbes(hourly, nightly, sharing, yielding)

	// All times are from midnight on, in hours that pass, not as the clocks show.
	t.Run("forward", func(t *testing.T) {
		midnight := time.Date(2000, 3, 25, 23, 0, 0, 0, time.UTC)
		inBubbleFrom(t, midnight, Options{}, all, func(b *bubble) {
			time.Sleep(25 * time.Hour)
			b.has(t, "hourly", []string{
				"0:30:00", "1:30:00", // and next the clocks show 3:30
				"3:30:00", "4:34:55", "5:30:00", "6:30:00", "7:30:00", "8:30:00", "9:30:00", "10:30:00", "11:30:00", "12:30:00",
				"13:30:00", "14:30:00", "15:30:00", // fifteen: they show 16:30
				"23:30:00", "24:30:00", // the next day's, at 0:30 and 1:30
			}, []string{
				"2:30:00 blackout", "16:30:00 budget", "17:30:00 budget", "18:30:00 budget", "19:30:00 budget", "20:30:00 budget",
				"21:30:00 budget", "22:30:00 budget",
			})
			b.has(t, "nightly", []string{"2:30:00"}, nil) // they show 3:30
			b.has(t, "sharing", []string{"4:25:00"}, nil)
			b.has(t, "yielding", nil, []string{"4:31:00 busy"})
		})
	})
	t.Run("back", func(t *testing.T) {
		midnight := time.Date(2000, 10, 28, 22, 0, 0, 0, time.UTC)
		inBubbleFrom(t, midnight, Options{}, all, func(b *bubble) {
			time.Sleep(26 * time.Hour)
			b.has(t, "hourly", []string{
				"0:30:00", "1:30:00", // and next they show 2:30, 2:30 and 3:30
				"5:30:00", "6:34:55", "7:30:00", "8:30:00", "9:30:00", "10:30:00", "11:30:00", "12:30:00",
				"13:30:00", "14:30:00", "15:30:00", "16:30:00", "17:30:00", // fifteen: they show 16:30
				"25:30:00",
			}, []string{
				"2:30:00 blackout", "3:30:00 blackout", "4:30:00 blackout", "18:30:00 budget", "19:30:00 budget", "20:30:00 budget",
				"21:30:00 budget", "22:30:00 budget", "23:30:00 budget", "24:30:00 budget",
			})
			b.has(t, "nightly", []string{"2:30:00", "3:30:00"}, nil)
			b.has(t, "sharing", []string{"6:25:00"}, nil)
			b.has(t, "yielding", nil, []string{"6:31:00 busy"})
		})
	})
}

// A probe whose runs follow one another goes on when the blackout is over, and
// when the day is.
func TestContinuousRunsWaitForBlackoutAndBudget(t *testing.T) {
	p := planned("p", "t", "", 1195*time.Second)
	p.Schedule.Blackouts = []config.Blackout{{From: 30, To: 4*60 + 30}}
	// 119 requests a run, reckoned at 130: 119k + 130 ≤ 400 bears three of them.
	p.Schedule.Budget.RequestsPerDay = 400
	inBubble(t, withProbes(p), func(b *bubble) {
		time.Sleep(24*time.Hour + time.Minute)
		b.has(t, "p", []string{"0:00:00", "0:19:55", "4:30:00", "24:00:00"}, []string{"0:39:50 blackout", "4:49:55 budget"})
	})
}

// A run that reaches its longest duration is ended cleanly, and says so.
func TestMaxRunDuration(t *testing.T) {
	p := probeNamed("bounded", time.Hour)
	p.Ladder.Rates = []float64{2, 4, 8}
	p.Schedule.MaxRunDuration = 15 * time.Second // within the second step
	inBubble(t, withProbes(p), func(b *bubble) {
		time.Sleep(time.Minute)
		r := b.result("bounded")
		if r == nil || r.Outcome != prober.RunStopped || r.Err != "the run reached max_run_duration, 15s" || len(r.Results) != 2 {
			t.Fatalf("the result is %+v", r)
		}
		if end := b.ended("bounded")[0]; end < 15*time.Second || end > 16*time.Second {
			t.Errorf("the run ended at %s, want when the requests in flight at 15s had ended", end)
		}
		if last := r.Results[1]; last.Valid() || last.Outcomes[prober.Window][prober.Aborted] > 0 {
			t.Errorf("the step under way is valid: %t, outcomes %v", last.Valid(), last.Outcomes)
		}
		if x := b.value(t, `vllm_prober_runs_total{probe="bounded",result="stopped"}`); x != 1 {
			t.Errorf("%g runs are stopped", x)
		}
		time.Sleep(time.Hour)
		if n := len(b.begun("bounded")); n != 2 {
			t.Errorf("%d runs, want another one after an hour", n)
		}
	})
}

// A run ends before the step that the budget does not bear.
func TestABudgetEndsARunBeforeAStep(t *testing.T) {
	// Requests have a prompt of 128 tokens and an answer of 1. The first step is
	// reckoned at 0.1·(25 + 100), so 13 requests, and sends 2: 258 tokens. The second,
	// at 0.2 a second, is reckoned at 25 requests: 3225 tokens, which make 3483.
	for limit, want := range map[int]int{3482: 1, 3483: 2} {
		p := planned("p", "t", "", 25*time.Second)
		p.Schedule.Interval = time.Hour
		p.Ladder.Rates = []float64{0.1, 0.2}
		p.Schedule.Budget.TokensPerDay = limit
		inBubble(t, withProbes(p), func(b *bubble) {
			time.Sleep(5 * time.Minute)
			r := b.result("p")
			if len(r.Results) != want {
				t.Errorf("with %d tokens a day: %d steps, want %d", limit, len(r.Results), want)
			}
			if want == 1 && (r.Outcome != prober.RunStopped || !strings.Contains(r.Err, "2 requests and 258 tokens are spent")) {
				t.Errorf("the result says %s: %s", r.Outcome, r.Err)
			}
		})
	}
}

// What the machine slept through is one start that is late and others that are
// missed, or all missed.
func TestAMachineThatSleeps(t *testing.T) {
	for policy, want := range map[config.Missed]struct{ runs, missed int }{
		config.CatchUp: {runs: 1, missed: 2},
		config.Skip:    {runs: 0, missed: 3},
	} {
		c := planned("sleeper", "t", "0 * * * *", 25*time.Second)
		c.Schedule.Missed = policy
		midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		inBubbleFrom(t, midnight, Options{}, withProbes(probeNamed("awake", 24*time.Hour)), func(b *bubble) {
			cfg := withProbes(c)
			p, err := b.newProbe(cfg, define(cfg, c), nil)
			if err != nil {
				t.Fatal(err)
			}
			b.page.Add(p.metrics)
			time.Sleep(3*time.Hour + 30*time.Minute)
			at := &position{}
			p.keep(at, time.Now(), midnight.Add(time.Hour)) // the timer for 1:00 has ended now
			if n := len(b.begun("sleeper")); n != want.runs {
				t.Errorf("%s: %d runs, want %d", policy, n, want.runs)
			}
			if n := b.value(t, `vllm_prober_runs_skipped_total{probe="sleeper",reason="missed"}`); int(n) != want.missed {
				t.Errorf("%s: %g starts are missed, want %d", policy, n, want.missed)
			}
			if next := p.schedule.Next(at.from); !next.Equal(midnight.Add(4 * time.Hour)) {
				t.Errorf("%s: the next start is %s, want 4:00", policy, next)
			}
		})
	}
}
