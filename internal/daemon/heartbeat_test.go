package daemon

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// beating is a heartbeat with a request each 5 s. Its windows end between two
// requests, and so when they are over: the first after 10 s of warm-up and 58 s,
// in which 12 requests are intended, the others after 58 s with 11.
func beating() config.Probe {
	p := probeNamed("beat", 0)
	p.Schedule, p.Ladder, p.Guard = config.Schedule{}, config.Ladder{}, config.Guard{}
	p.Heartbeat = &config.Heartbeat{Rate: 0.2, Window: 58 * time.Second}
	p.Timeouts.FirstToken = 10 * time.Second
	return p
}

// windows are when the windows of a heartbeat that have ended began, warm-up
// before them included.
func (b *bubble) windows() (began []time.Duration) {
	for _, r := range b.beats() {
		began = append(began, r.StartedAt.Sub(b.epoch))
	}
	return began
}

func (b *bubble) requests(t *testing.T, outcome prober.Outcome) float64 {
	t.Helper()
	sum := 0.0
	for _, phase := range prober.Phases() {
		sum += b.value(t, `vllm_prober_requests_total{batch_size="",gpus="1",outcome="`+string(outcome)+`",phase="`+string(phase)+
			`",probe="beat",request_rate="0.2",target="t"}`)
	}
	return sum
}

// A heartbeat is window after window with nothing between, cut or left out, and
// is no run.
func TestHeartbeat(t *testing.T) {
	inBubble(t, withProbes(beating()), func(b *bubble) {
		time.Sleep(245 * time.Second)
		if got, want := b.windows(), days(t, "0:0:0", "0:1:8", "0:2:6", "0:3:4"); !slices.Equal(got, want) {
			t.Errorf("windows began at %v, want %v", got, want)
		}
		for i, r := range b.beats() {
			want := 11
			if i == 0 {
				want = 12
			}
			if !r.Valid() || len(r.Measured) != want {
				t.Errorf("window %d is valid: %t, with %d requests, want %d", i, r.Valid(), len(r.Measured), want)
			}
		}
		const step = `{batch_size="",gpus="1",probe="beat",request_rate="0.2",target="t"}`
		if got := b.value(t, `vllm_prober_measured_seconds_total`+step); got != 4*58 {
			t.Errorf("%g seconds are measured, want four windows of 58", got)
		}
		// One request in the warm-up, at 5 s.
		if ok, aborted := b.requests(t, prober.OK), b.requests(t, prober.Aborted); ok != 1+12+3*11 || aborted != 0 {
			t.Errorf("%g requests were ok, %g aborted", ok, aborted)
		}
		if n := b.looks.Load(); n != 1 {
			t.Errorf("the replica was looked at %d times, want once, before the first window", n)
		}
		if len(b.begun("beat")) != 0 || strings.Contains(b.metricsPage(), "vllm_prober_run") {
			t.Error("a heartbeat is told of as a run")
		}
		ids := map[string]bool{}
		for _, r := range b.beats() {
			for i := range r.Measured {
				ids[r.Measured[i].ID] = true
			}
		}
		if len(ids) != 12+3*11 {
			t.Errorf("the requests have %d ids", len(ids))
		}
	})
}

// The pulse is the median TTFT of the latest valid window.
func TestPulse(t *testing.T) {
	inBubbleFrom(t, time.Time{}, withLifecycle, withProbes(beating()), func(b *bubble) {
		felt := func() (prober.Pulse, time.Duration, bool) {
			p, ok := b.probes["beat"].prober.Pulse()
			return p, p.At.Sub(b.epoch), ok
		}
		time.Sleep(time.Minute)
		if _, _, ok := felt(); ok {
			t.Error("there is a pulse before the first window has ended")
		}
		time.Sleep(10 * time.Second)
		first := time.Duration(b.beats()[0].Latencies.TTFT.P50 * float64(time.Second))
		if p, at, ok := felt(); !ok || p.TTFT != first || first < 30*time.Millisecond || at != 68*time.Second {
			t.Errorf("%+v at %s, %t; want that of the first window", p, at, ok)
		}
		b.post(t, "/-/abort?probe=beat", http.StatusOK, "")
		if p, at, ok := felt(); !ok || p.TTFT != first || at != 68*time.Second {
			t.Errorf("after a window that was aborted: %+v at %s, %t", p, at, ok)
		}
		b.down.Store(true)
		b.post(t, "/-/abort?probe=beat", http.StatusOK, "")
		time.Sleep(5 * time.Minute)
		if p, _, ok := felt(); !ok || p.TTFT != prober.Unanswered {
			t.Errorf("after windows without an answer: %+v, %t", p, ok)
		}
	})
}

// guarded is a probe that begins at a time of the day and whose guard limits the TTFT
// of the heartbeat on the same replica.
func guarded(cron string, limit time.Duration) config.Probe {
	p := probeNamed("p", 0)
	p.Schedule.Cron = cron
	p.Guard.Heartbeat, p.Guard.HeartbeatTTFT, p.Guard.WaitAtMost = "beat", limit, 2*time.Minute
	return p
}

// A run begins between two windows of a heartbeat that is within its limit. One that
// is over it goes on beating while the run waits, until the run is skipped.
func TestARunHeedsAHeartbeat(t *testing.T) {
	const series = `vllm_prober_runs_skipped_total{probe="p",reason="guard"}`
	// Windows end at 68 s, 126 s, … 358 s, 416 s. A start at 6:00 has its turn at 416 s.
	t.Run("within its limit", func(t *testing.T) {
		inBubble(t, withProbes(beating(), guarded("6 0 * * *", time.Second)), func(b *bubble) {
			time.Sleep(time.Hour)
			if got, want := b.begun("p"), days(t, "0:6:56"); !slices.Equal(got, want) || b.value(t, series) != 0 {
				t.Errorf("runs began at %v, want %v", got, want)
			}
		})
	})
	// It then looks after each window, which has a warm-up where the heartbeat had to wait
	// for that look: at 416 s, 484 s, and 552 s or, where it was quicker, 542 s. Both are
	// more than two minutes later.
	t.Run("over its limit", func(t *testing.T) {
		inBubble(t, withProbes(beating(), guarded("6 0 * * *", time.Millisecond)), func(b *bubble) {
			time.Sleep(535 * time.Second)
			if n := b.value(t, series); n != 0 {
				t.Errorf("%g starts are skipped before the time", n)
			}
			time.Sleep(18 * time.Second)
			if n := b.value(t, series); n != 1 {
				t.Errorf("%g starts are skipped, want 1", n)
			}
			if n := b.value(t, `vllm_prober_guard_trips_total{action="wait",limit="heartbeat_ttft",probe="p"}`); n != 1 {
				t.Errorf("%g trips, want 1", n)
			}
			time.Sleep(time.Hour)
			if got := b.begun("p"); len(got) != 0 {
				t.Errorf("runs began at %v", got)
			}
			began := b.windows()
			for i := 1; i < len(began); i++ {
				if gap := began[i] - began[i-1]; gap > 68*time.Second {
					t.Errorf("the heartbeat paused for %s", gap)
				}
			}
		})
	})
	// A run that is asked for heeds it, too.
	t.Run("asked for before the first window", func(t *testing.T) {
		inBubbleFrom(t, time.Time{}, withLifecycle, withProbes(beating(), guarded("0 12 * * *", time.Second)), func(b *bubble) {
			time.Sleep(time.Second)
			b.post(t, "/-/run?probe=p", http.StatusAccepted, "")
			time.Sleep(5 * time.Minute)
			if got, want := b.begun("p"), days(t, "0:1:8"); !slices.Equal(got, want) {
				t.Errorf("runs began at %v, want %v", got, want)
			}
		})
	})
}

// What is in flight at the end of a window ends by itself.
func TestAHeartbeatCutsNothing(t *testing.T) {
	p := beating()
	p.Workload.OutputTokens.Fixed = 200 // answers take longer than the gaps between requests
	inBubble(t, withProbes(p), func(b *bubble) {
		time.Sleep(5 * time.Minute)
		drained := 0
		for _, r := range b.beats() {
			drained += r.Outcomes[prober.Drain][prober.OK]
			if !r.Valid() || r.Unfinished > 0 || r.Outcomes[prober.Drain][prober.Aborted] > 0 {
				t.Errorf("a window is valid: %t, with outcomes %v", r.Valid(), r.Outcomes)
			}
		}
		if drained == 0 {
			t.Error("no window ended with requests in flight")
		}
	})
}

// A ladder on the heartbeat's replica begins when the window under way is over,
// and is not busy because of it; then the heartbeat goes on, with a warm-up.
func TestALadderHasItsTurnWithinOneWindow(t *testing.T) {
	ladder := planned("ladder", "t", "2 0 * * *", 25*time.Second)
	ladder.Schedule.Missed = config.Skip
	midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	inBubbleFrom(t, midnight, Options{}, withProbes(beating(), ladder), func(b *bubble) {
		time.Sleep(10 * time.Minute)
		// The second window is over at 2:06, and the ladder's run at 2:31.
		b.has(t, "ladder", []string{"0:2:6"}, nil)
		want := days(t, "0:0:0", "0:1:8", "0:2:31", "0:3:39", "0:4:37")
		if got := b.windows(); !slices.Equal(got[:5], want) {
			t.Errorf("windows began at %v, want %v", got, want)
		}
		for i, r := range b.beats() {
			if warmup := r.Warmup > 0; warmup != (i == 0 || i == 2) {
				t.Errorf("window %d has a warm-up of %s", i, r.Warmup)
			}
		}
	})
}

// A replica that hangs shows as timeouts, within one window and the time that
// these take; when it works again, so does the heartbeat.
func TestAHeartbeatSeesAReplicaThatHangs(t *testing.T) {
	inBubble(t, withProbes(beating()), func(b *bubble) {
		time.Sleep(70 * time.Second) // the second window has begun, at 1:08
		b.replica.SetFaults(simulator.FaultShare{Fault: simulator.Wedged, Share: 1})
		// 11 requests of the window; the last, at 2:03, is given up at 2:13; in the drain
		// one follows at 2:08 and one at 2:13, the latter perhaps.
		time.Sleep(76 * time.Second)
		if n := b.requests(t, prober.TimeoutFirstToken); n < 12 || n > 13 {
			t.Errorf("%g requests had no first token", n)
		}
		if n := b.looks.Load(); n != 2 {
			t.Errorf("the replica was looked at %d times, want once more after the failures", n)
		}
		before := b.requests(t, prober.OK)
		b.replica.SetFaults()
		time.Sleep(3 * time.Minute)
		if n := b.requests(t, prober.OK) - before; n < 20 {
			t.Errorf("%g requests were ok after the replica works again", n)
		}
	})
}

// An engine that is wedged is told of within one window of a heartbeat, although
// /health goes on to answer 200: the next request is sent within 5 s, and waits 10 s
// for its first token.
func TestAHeartbeatTellsOfAWedgedEngineWithinOneWindow(t *testing.T) {
	inBubble(t, withProbes(beating()), func(b *bubble) {
		b.Shutdown(context.Background())
		b.o.Replicas = collector.NewReplicas(15*time.Second, b.o.Prober.Dial, b.o.Logger)
		b.start(t)
		up := func(check string) float64 {
			return b.value(t, `vllm_prober_replica_up{check="`+check+`",replica="http://t",target="t"}`)
		}
		time.Sleep(70 * time.Second)
		if up("stream") != 1 || up("health") != 1 {
			t.Fatalf("before: stream %g, health %g", up("stream"), up("health"))
		}
		b.replica.SetFaults(simulator.FaultShare{Fault: simulator.Wedged, Share: 1})
		wedged := time.Now()
		for up("stream") == 1 && time.Since(wedged) < 58*time.Second {
			time.Sleep(time.Second)
		}
		if after := time.Since(wedged); up("stream") != 0 || after < 10*time.Second || after > 16*time.Second {
			t.Errorf("stream is %g after %s, want 0 after 10 to 15 s", up("stream"), after)
		}
		time.Sleep(30 * time.Second) // it is asked twice more
		if up("health") != 1 || up("models") != 1 || up("stream") != 0 {
			t.Errorf("later: health %g, models %g, stream %g", up("health"), up("models"), up("stream"))
		}
		b.replica.SetFaults()
		time.Sleep(10 * time.Second)
		if up("stream") != 1 {
			t.Error("it works again, and that is not told")
		}
	})
}

// A replica that is down, also from the beginning on, is requests that could not
// connect.
func TestAHeartbeatOutlivesAReplicaThatIsDown(t *testing.T) {
	inBubble(t, withProbes(beating()), func(b *bubble) {
		b.down.Store(true) // before any connection is made
		time.Sleep(5 * time.Minute)
		connect, ok := b.requests(t, prober.Connect), b.requests(t, prober.OK)
		if connect < 30 || ok != 0 {
			t.Errorf("%g requests could not connect, %g were ok", connect, ok)
		}
		b.down.Store(false)
		time.Sleep(5 * time.Minute)
		if n := b.requests(t, prober.OK); n < 30 {
			t.Errorf("%g requests were ok when it was up again", n)
		}
	})
}

// A reload that does not change a heartbeat leaves it alone.
func TestReloadLetsAHeartbeatGoOn(t *testing.T) {
	beat := beating()
	inBubble(t, withProbes(beat), func(b *bubble) {
		time.Sleep(100 * time.Second) // within the second window
		again := beating()
		b.cfg = withProbes(again, planned("other", "other", "0 0 * * *", 25*time.Second))
		if err := b.Reload(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if got, want := b.windows(), days(t, "0:0:0", "0:1:8", "0:2:6"); !slices.Equal(got, want) {
			t.Errorf("windows began at %v, want %v", got, want)
		}
		for _, r := range b.beats() {
			if !r.Valid() {
				t.Errorf("a window is invalid: %v", r.Broken)
			}
		}
	})
}

func TestPauseAndAbortOfAHeartbeat(t *testing.T) {
	inBubbleFrom(t, time.Time{}, withLifecycle, withProbes(beating()), func(b *bubble) {
		synctest.Wait()
		b.post(t, "/-/run?probe=beat", http.StatusConflict, `probe "beat" is a heartbeat, which is always under way`)
		time.Sleep(30 * time.Second)
		b.post(t, "/-/pause", http.StatusOK, "") // lets the first window end
		time.Sleep(5 * time.Minute)
		b.post(t, "/-/abort?probe=beat", http.StatusConflict, `no run of probe "beat" is under way`)
		b.post(t, "/-/resume", http.StatusOK, "")
		time.Sleep(20 * time.Second) // within the second window
		b.post(t, "/-/abort?probe=beat", http.StatusOK, "")
		time.Sleep(100 * time.Second)
		if got, want := b.windows(), days(t, "0:0:0", "0:5:30", "0:5:50"); !slices.Equal(got, want) {
			t.Errorf("windows began at %v, want %v", got, want)
		}
		steps := b.beats()
		if !steps[0].Valid() || steps[1].Valid() || !steps[2].Valid() || steps[1].Warmup == 0 {
			t.Errorf("the windows are %+v", steps)
		}
	})
}
