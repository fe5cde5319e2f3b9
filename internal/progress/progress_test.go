package progress

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// show lets a step of 10 s go by, with 2 s of warm-up and a drain of 1 s; one
// request is ok, one failed, one is cut at the end.
func show(terminal bool) string {
	var out bytes.Buffer
	b := New(&out, terminal)
	b.RunStarted(prober.Run{ID: "id", Probe: "p", Steps: 12})
	step := prober.Step{
		Number: 3, Known: 12, Arm: prober.Arm{Target: "t", GPUs: 1}, RequestRate: 2.5, StartedAt: time.Now(),
		Warmup: 2 * time.Second, Window: 8 * time.Second,
	}
	b.StepStarted(step)
	time.Sleep(time.Second)
	for _, o := range []prober.Observation{
		{Outcome: prober.OK, FirstToken: 80 * time.Millisecond}, {Outcome: prober.HTTP503}, {Outcome: prober.Aborted},
	} {
		b.RequestSent(step)
		b.RequestEnded(step, &o)
	}
	b.RequestSent(step)
	time.Sleep(10 * time.Second)
	b.StepEnded(&prober.StepResult{
		Step: step, Throughput: 2.4,
		Latencies: &prober.Latencies{TTFT: prober.Distribution{Mean: 0.08}, TPOT: prober.Distribution{Mean: 0.02}},
		Failures:  []prober.Failure{{Outcome: prober.HTTP503, Count: 1}},
	})
	b.RunEnded(&prober.RunResult{Run: prober.Run{StartedAt: step.StartedAt}, EndedAt: time.Now()})
	return out.String()
}

func TestLinesWhereThereIsNoTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := `run id of probe "p": 12 steps
[ 3/12] t, 1 GPU, 2.5 req/s  2.40 done/s, TTFT 80.0 ms, TPOT 20.0 ms (of all phases http_503 × 1)
the run took 11s
`
		if got := show(false); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

func TestBarOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frames := strings.Split(show(true), "\r\x1b[K")
		// One frame every 200 ms, and one more when the step begins; the last is
		// the step's line.
		if want := 1 + 11*5 + 1; len(frames) < want || len(frames) > want+1 {
			t.Errorf("%d frames, want %d", len(frames), want)
		}
		for second, want := range map[int]string{
			0: "[ 3/12] t, 1 GPU, 2.5 req/s  warmup ░░░░░░░░░░░░░░░░░░░░░░░░  sent 0, in flight 0, failed 0",
			5: "[ 3/12] t, 1 GPU, 2.5 req/s  window ████████████░░░░░░░░░░░░  sent 4, in flight 1, failed 1, TTFT 80 ms",
			// The drain's length is not known beforehand.
			10: "[ 3/12] t, 1 GPU, 2.5 req/s  drain  ████████████████████████  sent 4, in flight 1, failed 1, TTFT 80 ms",
		} {
			if got := frames[1+5*second]; got != want {
				t.Errorf("after %d s got\n%s\nwant\n%s", second, got, want)
			}
		}
	})
}

func TestARunThatEndsEarlySaysSo(t *testing.T) {
	var out bytes.Buffer
	b := New(&out, false)
	begin := time.Unix(0, 0)
	b.RunEnded(&prober.RunResult{Run: prober.Run{StartedAt: begin}, EndedAt: begin.Add(90 * time.Second), Err: "stopped"})
	if got := out.String(); got != "the run ended early, after 1m30s\n" {
		t.Error(got)
	}
}

func TestTheGuardIsShown(t *testing.T) {
	var out bytes.Buffer
	b := New(&out, false)
	trip := prober.Trip{Limit: config.WaitingRequests, Action: config.Wait, Replica: "http://a", Value: 12, Allowed: 4}
	b.RunStarted(prober.Run{ID: "id", Probe: "p", Steps: 1})
	b.GuardTripped(trip) // before the first step
	step := prober.Step{Number: 1, Known: 1, Arm: prober.Arm{Target: "t", GPUs: 1}, RequestRate: 2.5}
	b.StepStarted(step)
	trip.Action = config.AbortStep
	b.StepEnded(&prober.StepResult{Step: step, Guard: &trip, Broken: []prober.Broken{{
		Promise: prober.PromiseGuard, Detail: "the guard aborted the step: " + trip.String(),
	}}})
	b.GuardTripped(trip)
	const want = `run id of probe "p": 1 step
the guard waits: waiting_requests is 12, more than 4 on http://a
[1/1] t, 1 GPU, 2.5 req/s  withheld: the guard aborted the step: waiting_requests is 12, more than 4 on http://a
`
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
