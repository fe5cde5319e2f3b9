package prober_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// deployment is a server that does not answer until a command has made its
// engines, and then as fast as the batch size says: the first token of batch size
// n comes after n milliseconds.
type deployment struct{ running atomic.Pointer[http.Handler] }

func (d *deployment) serve(context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		engine := d.running.Load()
		if engine == nil {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		(*engine).ServeHTTP(w, r)
	})
}

// prepared is a world of one deployment and an arm for each batch size, and keeps
// which engines were made.
func prepared(d *deployment, sizes ...int) (w *world, made *[]int) {
	w, made = newWorld(d.serve), &[]int{}
	w.probe().Arms = nil
	for _, size := range sizes {
		command := config.DefaultPrepare()
		command.Command = []string{"restart", fmt.Sprint(size)}
		w.probe().Arms = append(w.probe().Arms, config.Arm{Target: "t", BatchSize: size, Prepare: &command})
	}
	w.prepare = func(ctx context.Context, arm prober.Arm, _ prober.Place, p config.Prepare) error {
		if want := []string{"restart", fmt.Sprint(arm.BatchSize)}; !slices.Equal(p.Command, want) {
			return fmt.Errorf("the command is %q, not %q", p.Command, want)
		}
		*made = append(*made, arm.BatchSize)
		engine := steady(time.Duration(arm.BatchSize)*time.Millisecond, time.Millisecond)(ctx)
		d.running.Store(&engine)
		return nil
	}
	return w, made
}

// Each step is made on the engines of its own arm. They are made once for the
// steps that follow one another, also over the end of a round, and the model is
// asked for only once they run.
func TestEnginesAreMadeForTheirArm(t *testing.T) {
	w, made := prepared(&deployment{}, 16, 64)
	w.probe().Ladder.Rates = []float64{5, 6, 7, 8}
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Results) != 8 || len(result.Models) != 2 {
		t.Fatalf("%d steps and %d models", len(result.Results), len(result.Models))
	}
	var rounds []string
	for i := 0; i < 8; i += 2 {
		a, b := result.Results[i].Arm.BatchSize, result.Results[i+1].Arm.BatchSize
		rounds = append(rounds, fmt.Sprint(a, b))
		if a == b {
			t.Errorf("round %d has batch size %d twice", i/2+1, a)
		}
	}
	for _, r := range result.Results {
		if want := float64(r.Arm.BatchSize) / 1000; r.Latencies == nil || math.Abs(r.Latencies.TTFT.Mean-want) > 1e-6 {
			t.Errorf("step %d of batch size %d: %+v", r.Number, r.Arm.BatchSize, r.Latencies)
		}
	}
	// Four rounds of two arms, each beginning with the arm of the last step: one
	// command for the first step and one within each round.
	want := []int{result.Results[0].Arm.BatchSize}
	for i := range 4 {
		want = append(want, result.Results[2*i+1].Arm.BatchSize)
	}
	if !slices.Equal(*made, want) {
		t.Errorf("made were the engines of batch sizes %v for the rounds %v, want %v", *made, rounds, want)
	}
}

// A command that fails ends the run, which keeps what it has measured.
func TestACommandThatFailsEndsTheRun(t *testing.T) {
	w, made := prepared(&deployment{}, 16, 64)
	works := w.prepare
	w.prepare = func(ctx context.Context, arm prober.Arm, place prober.Place, p config.Prepare) error {
		if len(*made) == 1 {
			return errors.New("no room for the pod")
		}
		return works(ctx, arm, place, p)
	}
	result, err := w.run(t)
	if err == nil || !strings.Contains(err.Error(), "no room for the pod") || !strings.Contains(err.Error(), `target "t"`) {
		t.Errorf("the error is %v", err)
	}
	if len(result.Results) != 1 || !result.Results[0].Valid() {
		t.Errorf("kept are %d steps", len(result.Results))
	}
}

// Stop ends the command that makes engines.
func TestStopEndsACommand(t *testing.T) {
	w, _ := prepared(&deployment{}, 16)
	w.prepare = func(ctx context.Context, _ prober.Arm, _ prober.Place, _ config.Prepare) error {
		<-ctx.Done()
		return ctx.Err()
	}
	w.during = func(p *prober.Prober) {
		time.Sleep(time.Minute)
		p.Stop()
	}
	result, err := w.run(t)
	if took := result.EndedAt.Sub(result.StartedAt); err == nil || took != time.Minute || len(result.Results) != 0 {
		t.Errorf("after %s the run ended with %d steps and the error %v", took, len(result.Results), err)
	}
}

// A command is not run while the guard's limits are not kept: others use what it
// would end. Nobody uses what does not answer.
func TestTheGuardHoldsACommandBack(t *testing.T) {
	for name, c := range map[string]struct {
		trip   *prober.Trip
		waited time.Duration
		made   int
	}{
		"others wait":       {&prober.Trip{Limit: config.WaitingRequests, Value: 9, Allowed: 4}, time.Minute, 0},
		"it cannot be seen": {&prober.Trip{Limit: config.WaitingRequests, Unseen: "GET /metrics: connection refused"}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w, made := prepared(&deployment{}, 16)
			w.probe().Guard.WaitAtMost = time.Minute
			w.watcher = &fixedWatch{trip: c.trip}
			result, err := w.run(t)
			if len(*made) != c.made || (err == nil) != (c.made == 1) {
				t.Errorf("%d commands, error %v", len(*made), err)
			}
			if took := result.EndedAt.Sub(result.StartedAt); c.made == 0 && took != c.waited {
				t.Errorf("it waited for %s", took)
			}
		})
	}
}

// fixedWatch is a Watcher that always finds the same before a step, and nothing
// within one.
type fixedWatch struct{ trip *prober.Trip }

func (f *fixedWatch) Check(context.Context, []prober.Place) *prober.Trip {
	if f.trip == nil {
		return nil
	}
	trip := *f.trip
	return &trip
}

func (f *fixedWatch) Watch(
	context.Context, prober.Place, func() []prober.Load, func(prober.Trip),
) func(context.Context, prober.Step) []prober.ReplicaResult {
	return func(context.Context, prober.Step) []prober.ReplicaResult { return nil }
}

// Without a way to run commands there is no prober for an arm that has one.
func TestCommandsThatAreNotEnabled(t *testing.T) {
	w, _ := prepared(&deployment{}, 16)
	_, err := prober.New(w.cfg, *w.probe(), prober.Options{Observer: w.recorder, Logger: discard()})
	if err == nil || !strings.Contains(err.Error(), "not enabled") {
		t.Errorf("the error is %v", err)
	}
}
