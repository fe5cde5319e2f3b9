package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/results"
	"vllm_prober/internal/schedule"
	"vllm_prober/prober"
)

// opened is a store in a folder of the test's.
func opened(t *testing.T) *results.Store {
	t.Helper()
	s, err := results.Open(t.TempDir(), results.Retention{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A daemon that is started anew makes up for what came while it was down, and has
// no more to spend than before.
func TestARestartForgetsNothing(t *testing.T) {
	// A run sends 2 requests and is reckoned at (25 + 100) s / 10 s, so 13;
	// 2k + 13 ≤ 17 bears three runs a day.
	p := planned("p", "a", "0 * * * *", 25*time.Second)
	p.Schedule.Budget.RequestsPerDay = 17
	skipping := planned("skipping", "b", "0 * * * *", 25*time.Second)
	skipping.Schedule.Missed = config.Skip
	midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	inBubbleFrom(t, midnight, Options{Records: opened(t)}, withProbes(p, skipping), func(b *bubble) {
		time.Sleep(90 * time.Minute)
		b.Shutdown(context.Background())
		time.Sleep(160 * time.Minute)
		b.start(t) // at 4:10
		time.Sleep(2 * time.Hour)
		b.has(t, "p", []string{"0:00:00", "1:00:00", "4:10:00"}, []string{"4:10:00 missed 2", "5:00:00 budget", "6:00:00 budget"})
		b.has(t, "skipping", []string{"0:00:00", "1:00:00", "5:00:00", "6:00:00"}, []string{"4:10:00 missed 3"})
	})
}

// A reload that changes a probe leaves it no more to spend, records or none, and
// nothing that it missed.
func TestAReloadForgetsNoBudget(t *testing.T) {
	for _, kept := range []bool{false, true} {
		t.Run(fmt.Sprintf("records %t", kept), func(t *testing.T) {
			p := planned("p", "t", "0 * * * *", 25*time.Second)
			p.Schedule.Budget.RequestsPerDay = 17 // three runs, as above
			o := Options{}
			if kept {
				o.Records = opened(t)
			}
			midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
			inBubbleFrom(t, midnight, o, withProbes(p), func(b *bubble) {
				for _, cron := range []string{"30 * * * *", "0 * * * *"} { // and back again
					time.Sleep(70 * time.Minute) // to 1:10, and to 2:20
					p.Schedule.Cron = cron
					b.cfg = withProbes(p)
					if err := b.Reload(); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Hour)
				b.has(t, "p", []string{"0:00:00", "1:00:00", "1:30:00"}, []string{"3:00:00 budget"})
			})
		})
	}
}

// counted are the outcomes of a step whose window has so many requests that were ok,
// beside one of the warm-up and one that was not ok.
func counted(ok int) map[prober.Phase]map[prober.Outcome]int {
	return map[prober.Phase]map[prober.Outcome]int{
		prober.Warmup: {prober.OK: 1}, prober.Window: {prober.OK: ok, prober.TimeoutStall: 1},
	}
}

// What is spent of a day is what the day's steps have sent, also those of a run
// that began on the day before.
func TestSpentToday(t *testing.T) {
	midnight := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)
	p := planned("p", "t", "0 * * * *", 25*time.Second) // a prompt of 128 tokens, an answer of 1
	p.Ladder.Rates = []float64{0.1, 0.2}                // reckoned at 13 and 25 requests
	p.Schedule.Budget.TokensPerDay = 100_000
	type run struct {
		probe string
		began time.Duration // from midnight on
		steps []time.Duration
		cut   bool
	}
	for name, c := range map[string]struct {
		runs []run
		want schedule.Amount
	}{
		"nothing": {},
		// 12 requests: 10 measured, of 1000 + 20 tokens, and 2 of 129.
		"a run of today": {
			[]run{{"p", time.Hour, []time.Duration{2 * time.Hour}, false}}, schedule.Amount{Requests: 12, Tokens: 1278},
		},
		"a run around midnight": {
			[]run{{"p", -time.Hour, []time.Duration{-time.Minute, time.Minute}, false}}, schedule.Amount{Requests: 12, Tokens: 1278},
		},
		"runs of yesterday": {
			[]run{{"p", -3 * time.Hour, []time.Duration{-2 * time.Hour}, false}, {"p", -time.Hour, []time.Duration{-time.Minute}, true}}, schedule.Amount{},
		},
		"another probe's": {
			[]run{{"q", time.Hour, []time.Duration{2 * time.Hour}, false}}, schedule.Amount{},
		},
		// The step under way counts as 25 requests of 129 tokens.
		"a run that was cut": {
			[]run{{"p", time.Hour, []time.Duration{2 * time.Hour}, true}}, schedule.Amount{Requests: 12 + 25, Tokens: 1278 + 3225},
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, cfg := opened(t), withProbes(p)
			for _, r := range c.runs {
				other := p
				other.Name = r.probe
				recorder, err := store.Recorder(cfg, other)
				if err != nil {
					t.Fatal(err)
				}
				at := midnight.Add(r.began)
				began := prober.Run{ID: at.Format("20060102T150405Z") + "-aaaa", Probe: r.probe, StartedAt: at, Steps: len(r.steps)}
				recorder.RunStarted(began)
				for i, ended := range r.steps {
					recorder.StepEnded(&prober.StepResult{
						Step: prober.Step{Number: i + 1}, EndedAt: midnight.Add(ended), Outcomes: counted(10), PromptTokens: 1000, OutputTokens: 20,
					})
				}
				if !r.cut {
					recorder.RunEnded(&prober.RunResult{Run: began, EndedAt: midnight.Add(r.steps[len(r.steps)-1]), Outcome: prober.RunSuccess})
				}
			}
			inBubbleFrom(t, midnight.Add(5*time.Hour+30*time.Minute), Options{Records: store}, cfg, func(b *bubble) {
				if got := b.probes["p"].account.Spent(time.Now()); got != c.want {
					t.Errorf("%+v are spent, want %+v", got, c.want)
				}
			})
		})
	}
}

// A request that could not connect was not sent, and one of a server that does not
// count its tokens has the mean length.
func TestSent(t *testing.T) {
	p := &probe{meanTokens: 129}
	for name, c := range map[string]struct {
		step prober.StepResult
		want schedule.Amount
	}{
		"no connection": {
			prober.StepResult{Outcomes: map[prober.Phase]map[prober.Outcome]int{prober.Window: {prober.Connect: 5, prober.TLS: 2}}}, schedule.Amount{},
		},
		"not counted": {prober.StepResult{Outcomes: counted(4)}, schedule.Amount{Requests: 6, Tokens: 774}},
	} {
		if got := p.sent(&c.step); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
