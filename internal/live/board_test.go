package live

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"vllm_prober/internal/schedule"
	"vllm_prober/prober"
)

// answered is a request that was ok, with a TTFT and a TPOT.
func answered(ttft, tpot time.Duration) *prober.Observation {
	return &prober.Observation{Outcome: prober.OK, FirstToken: ttft, LastToken: ttft + 10*tpot, OutputTokens: 11}
}

func aProbe() (*Board, *Probe) {
	b := NewBoard()
	p := b.NewProbe("p")
	b.Set([]*Probe{p})
	return b, p
}

// A step's progress is its clock and its requests; what the prober cut has not failed.
func TestProgressOfAStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := aProbe()
		run := prober.Run{ID: "r", Probe: "p", Steps: 4, StartedAt: time.Now()}
		p.RunStarted(run)
		if got := p.Progress(time.Now()); got.Run == nil || got.Run.ID != "r" || got.StepsKnown != 4 || got.Step != nil {
			t.Fatalf("before the first step: %+v", got)
		}
		step := prober.Step{RunID: "r", Number: 1, Known: 5, Warmup: 10 * time.Second, Window: 30 * time.Second, StartedAt: time.Now()}
		p.StepStarted(step)
		for range 6 {
			p.RequestSent(step)
		}
		for _, outcome := range []prober.Outcome{prober.OK, prober.HTTP503, prober.Aborted} {
			p.RequestEnded(step, &prober.Observation{Outcome: outcome})
		}
		for after, phase := range map[time.Duration]prober.Phase{0: prober.Warmup, 10 * time.Second: prober.Window, 41 * time.Second: prober.Drain} {
			got := p.Progress(step.StartedAt.Add(after))
			if s := got.Step; s.Phase != phase || s.Elapsed != after.Seconds() || s.Planned != 40 || s.Sent != 6 || s.Ended != 3 || s.Failed != 1 || s.InFlight() != 3 {
				t.Errorf("after %s: %+v", after, s)
			}
			if got.StepsKnown != 5 || got.StepsEnded != 0 {
				t.Errorf("%d of %d steps", got.StepsEnded, got.StepsKnown)
			}
		}
		p.StepEnded(&prober.StepResult{Step: step, Measured: make([]prober.Observation, 3), ITL: &prober.Histogram{}})
		if got := p.Current(); len(got.Results) != 1 || got.Results[0].Measured != nil || got.Results[0].ITL != nil {
			t.Errorf("kept of the step: %+v", got.Results)
		}
		p.RunEnded(&prober.RunResult{Run: run, EndedAt: time.Now(), Outcome: prober.RunSuccess})
		if p.Current() != nil || p.Latest().ID != "r" || len(p.Latest().Results) != 1 || !p.State().LastSuccess.Equal(time.Now()) {
			t.Errorf("after the run: %+v, %+v", p.Latest(), p.State())
		}
	})
}

// Each second has the means of what ended in it, and is forgotten after a minute.
func TestSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := aProbe()
		begin := time.Now()
		p.RequestEnded(prober.Step{}, answered(100*time.Millisecond, 20*time.Millisecond))
		p.RequestEnded(prober.Step{}, answered(300*time.Millisecond, 40*time.Millisecond))
		time.Sleep(2 * time.Second)
		p.RequestEnded(prober.Step{}, &prober.Observation{Outcome: prober.OK, FirstToken: time.Second, LastToken: time.Second, OutputTokens: 1})
		p.RequestEnded(prober.Step{}, &prober.Observation{Outcome: prober.HTTP503})
		want := []Second{
			{At: begin.UTC(), Answers: 2, TTFT: 0.2, TPOT: 0.03},
			{At: begin.UTC().Add(2 * time.Second), Answers: 1, TTFT: 1},
		}
		check := func(want ...Second) {
			t.Helper()
			got := p.Progress(time.Now()).Seconds
			if len(got) != len(want) {
				t.Fatalf("got %+v, want %+v", got, want)
			}
			for i, w := range want {
				if g := got[i]; !g.At.Equal(w.At) || g.Answers != w.Answers || math.Abs(g.TTFT-w.TTFT) > 1e-9 || math.Abs(g.TPOT-w.TPOT) > 1e-9 {
					t.Errorf("got %+v, want %+v", g, w)
				}
			}
		}
		check(want...)
		time.Sleep(57 * time.Second)
		check(want...)
		time.Sleep(time.Second)
		check(want[1])
		time.Sleep(time.Hour)
		check()
	})
}

// Versions tell what has to be made anew: results those of runs alone.
func TestVersions(t *testing.T) {
	b, p := aProbe()
	version, results := b.Version(), b.Results()
	for _, c := range []struct {
		what    string
		does    func()
		results bool
		ended   bool
	}{
		{"a run begins", func() { p.RunStarted(prober.Run{ID: "r"}) }, true, false},
		{"a step begins", func() { p.StepStarted(prober.Step{}) }, false, false},
		{"a step ends", func() { p.StepEnded(&prober.StepResult{}) }, true, false},
		{"a run ends", func() { p.RunEnded(&prober.RunResult{}) }, true, true},
		{"a window ends", func() { p.StepEnded(&prober.StepResult{}) }, false, false},
		{"a start is skipped", func() { p.RunsSkipped(schedule.Busy, 2, "why") }, false, false},
		{"paused", func() { p.SetPaused(true) }, false, false},
		{"probes change", func() { b.Set(nil) }, true, true},
	} {
		ended := b.Ended()
		c.does()
		if (b.Ended() > ended) != c.ended {
			t.Errorf("%s: ended %d after %d", c.what, b.Ended(), ended)
		}
		if b.Version() <= version || (b.Results() > results) != c.results {
			t.Errorf("%s: version %d after %d, results %d after %d", c.what, b.Version(), version, b.Results(), results)
		}
		version, results = b.Version(), b.Results()
	}
	before := b.Version()
	p.RequestSent(prober.Step{})
	p.RequestEnded(prober.Step{}, answered(1, 1))
	if b.Version() != before {
		t.Error("a request is a change")
	}
}

func TestAHeartbeatKeepsItsNewestWindows(t *testing.T) {
	_, p := aProbe()
	for i := range windows + 5 {
		p.StepEnded(&prober.StepResult{Step: prober.Step{Number: i}})
	}
	got := p.Windows()
	if len(got) != windows || got[0].Number != 5 || got[windows-1].Number != windows+4 {
		t.Errorf("%d windows from %d to %d", len(got), got[0].Number, got[len(got)-1].Number)
	}
}

// The log of a run is what was logged with its id, whatever handler writes it
// elsewhere, and what the observer saw.
func TestLog(t *testing.T) {
	b, p := aProbe()
	var written strings.Builder
	logger := slog.New(b.Handler(slog.NewTextHandler(&written, &slog.HandlerOptions{Level: slog.LevelWarn})))
	p.RunStarted(prober.Run{ID: "r1", Steps: 3, Seed: 42})
	ofRun := logger.With("probe", "p", "run", "r1")
	ofRun.Info("step ended", "throughput", 1.5)
	ofRun.Debug("nobody wants it")
	ofRun.WithGroup("g").Warn("in a group", "run", "r9")
	ofRun.Error("run failed", "err", errors.New("it <broke>"))
	logger.Info("run skipped", "probe", "p")
	logger.Error("of no probe")
	var got []string
	for _, line := range b.Log("p", "r1") {
		got = append(got, fmt.Sprint(line.Level, " ", line.Message, " ", line.Values))
	}
	want := []string{"INFO run began [{steps 3} {seed 42}]", "INFO step ended [{throughput 1.5}]", "WARN in a group []", "ERROR run failed [{err it <broke>}]"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if all := b.Log("p", ""); len(all) != 5 {
		t.Errorf("%d lines of the probe", len(all))
	}
	if n := strings.Count(written.String(), "\n"); n != 3 || strings.Contains(written.String(), "INFO") {
		t.Errorf("the next handler wrote\n%s", written.String())
	}
	if b.Log("q", "") != nil {
		t.Error("a probe that is not there has a log")
	}
}

// A log keeps its newest lines, and nothing of a probe that is gone.
func TestALogIsBounded(t *testing.T) {
	b, p := aProbe()
	for i := range lines + 3 {
		p.note(fmt.Sprint(i%2), fmt.Sprint(i), "long", strings.Repeat("뷁", longest))
	}
	all := b.Log("p", "")
	if len(all) != lines || all[0].Message != "3" || all[lines-1].Message != fmt.Sprint(lines+2) {
		t.Errorf("%d lines from %s to %s", len(all), all[0].Message, all[len(all)-1].Message)
	}
	if kept := all[0].Values[0].Value; len(kept) > longest+3 || !utf8.ValidString(kept) { // of characters of three bytes
		t.Errorf("a value of %d bytes is kept: %q", len(kept), kept)
	}
	if n := len(b.Log("p", "1")); n != lines/2 {
		t.Errorf("%d lines of a run", n)
	}
	b.Set([]*Probe{b.NewProbe("q")})
	if b.Log("p", "") != nil || b.Probe("p") != nil || b.Probe("q") == nil {
		t.Error("a probe that is gone is kept")
	}
}

// Everything may be told and asked at once.
func TestAtOnce(t *testing.T) {
	b, p := aProbe()
	logger := slog.New(b.Handler(slog.DiscardHandler)).With("probe", "p")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i := range 200 {
				p.RequestSent(prober.Step{})
				p.RequestEnded(prober.Step{}, answered(1, 1))
				p.RunsSkipped(schedule.Busy, 1, "")
				logger.Info("x")
				if i%10 == 0 {
					_, _, _ = p.Progress(time.Now()), p.State(), b.Log("p", "")
				}
			}
		})
	}
	wait.Wait()
	if got := p.State().Skipped[schedule.Busy]; got != 1600 {
		t.Errorf("%d skips", got)
	}
}

// What a request costs is next to nothing beside what its stream does.
func BenchmarkRequestEnded(b *testing.B) {
	_, p := aProbe()
	o := answered(time.Second, time.Millisecond)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.RequestEnded(prober.Step{}, o)
		}
	})
}
