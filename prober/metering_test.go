package prober_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// meteredWorld offers 10 requests per second, each with 11 tokens: 110 tokens a
// second. Its step is of 5 s and 20 s.
func meteredWorld(read prober.ReadGPUs) *world {
	w := newWorld(steady(80*time.Millisecond, 20*time.Millisecond), steady(80*time.Millisecond, 20*time.Millisecond))
	w.probe().Pacing = config.Pacing{Process: config.Constant}
	w.probe().Workload.OutputTokens = config.Length{Fixed: 11}
	w.readGPUs = read
	return w
}

func onlyStep(t *testing.T, w *world) *prober.StepResult {
	t.Helper()
	result, err := w.run(t)
	if err != nil || len(result.Results) != 1 || !result.Results[0].Valid() {
		t.Fatalf("%+v, %v", result, err)
	}
	return &result.Results[0]
}

// Two GPUs draw 300 W and 140 W: 440 W over 110 tokens a second are 4 J a token.
// Their clocks are held down in the warm-up alone, and from the step's 20th second on.
func TestGPUsOfAStep(t *testing.T) {
	var epoch time.Time
	reads := 0
	w := meteredWorld(func(_ context.Context, place prober.Place) ([]prober.GPUReading, error) {
		if place.Target != "t" || len(place.Replicas) != 2 || place.Replicas[1].Host != "replica-b" {
			t.Errorf("read of %+v", place)
		}
		if reads++; reads == 1 {
			epoch = time.Now()
		}
		at := time.Now()
		since := at.Sub(epoch).Seconds()
		time.Sleep(7 * time.Millisecond)
		reading := func(uuid string, watts, throttled float64) prober.GPUReading {
			return prober.GPUReading{
				UUID: uuid, At: at, EnergyJoules: 5e8 + watts*since, UtilizationRatio: 0.75,
				ThrottledSeconds: map[string]float64{"sw_power_cap": throttled, "sync_boost": min(since, 4)},
			}
		}
		return []prober.GPUReading{reading("GPU-a", 300, 0), reading("GPU-b", 140, max(0, since-20))}, nil
	})
	r := onlyStep(t, w)
	g := r.GPU
	if g == nil || len(g.UUIDs) != 2 {
		t.Fatalf("%+v", g)
	}
	near := func(what string, got *float64, want float64) {
		t.Helper()
		if got == nil || math.Abs(*got/want-1) > 1e-6 {
			t.Errorf("%s is %v, want %g", what, got, want)
		}
	}
	near("power", g.PowerWatts, 440)
	near("utilisation", g.UtilizationRatio, 0.75)
	near("joules per token", g.JoulesPerOutputToken, 4)
	near("tokens per joule", g.OutputTokensPerJoule, 0.25)
	held, ended := g.ThrottledSeconds["sw_power_cap"], r.EndedAt.Sub(r.StartedAt).Seconds()
	if math.Abs(held-(ended-20)) > 0.6 || len(g.Throttled()) != 1 || len(g.ThrottledSeconds) != 2 {
		t.Errorf("throttled %v of a step of %g s", g.ThrottledSeconds, ended)
	}
	if most := int(ended/0.5) + 2; reads > most || reads < most-3 {
		t.Errorf("%d readings in %g s", reads, ended)
	}
}

// A driver that hangs from some moment on leaves the step as it would be without,
// at most a second longer, and nothing is known of its GPUs.
func TestAHangingDriverDoesNotDelayAStep(t *testing.T) {
	without := onlyStep(t, meteredWorld(nil))
	for name, from := range map[string]time.Duration{"at once": 0, "in the window": 10 * time.Second, "at the end": 25200 * time.Millisecond} {
		var epoch time.Time
		r := onlyStep(t, meteredWorld(func(ctx context.Context, _ prober.Place) ([]prober.GPUReading, error) {
			if epoch.IsZero() {
				epoch = time.Now()
			}
			if time.Since(epoch) >= from {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return []prober.GPUReading{{UUID: "GPU-a", At: time.Now(), EnergyJoules: time.Since(epoch).Seconds()}}, nil
		}))
		longer := r.EndedAt.Sub(r.StartedAt) - without.EndedAt.Sub(without.StartedAt)
		if longer > time.Second || r.Offered != without.Offered || r.Completed != without.Completed || *r.Latencies != *without.Latencies {
			t.Errorf("%s: %s longer, %d offered, %d completed, %+v", name, longer, r.Offered, r.Completed, *r.Latencies)
		}
		if from < 20*time.Second && r.GPU != nil && (r.GPU.PowerWatts != nil || r.GPU.JoulesPerOutputToken != nil) {
			t.Errorf("%s: %+v", name, r.GPU)
		}
	}
}

// GPUs that nobody knows are no zeros.
func TestUnknownGPUsAreAbsent(t *testing.T) {
	r := onlyStep(t, meteredWorld(func(context.Context, prober.Place) ([]prober.GPUReading, error) { return nil, errors.New("unknown") }))
	if r.GPU != nil {
		t.Errorf("%+v", r.GPU)
	}
}

// The log says why GPUs were not read once, and again when that has changed.
func TestTheLogSaysWhyGPUsWereNotRead(t *testing.T) {
	const unknown, hangs = "it is not known which GPUs serve http://replica-a", "the driver hangs"
	why := []string{unknown, unknown, hangs, "", unknown, unknown}
	var w *world
	w = meteredWorld(func(context.Context, prober.Place) ([]prober.GPUReading, error) {
		if why := why[len(w.steps)]; why != "" {
			return nil, errors.New(why)
		}
		return []prober.GPUReading{{UUID: "GPU-a", At: time.Now()}}, nil
	})
	w.probe().Ladder = config.Ladder{Rates: []float64{1, 2, 3, 4, 5, 6}, Window: 5 * time.Second, Drain: 5 * time.Second, Repeats: 1}
	var log strings.Builder
	w.logger = slog.New(slog.NewTextHandler(&log, nil))
	if _, err := w.run(t); err != nil {
		t.Fatal(err)
	}
	var said []string
	for line := range strings.Lines(log.String()) {
		if _, err, found := strings.Cut(line, " err="); found && strings.Contains(line, "level=INFO msg=\"the GPUs could not be read") {
			said = append(said, strings.Trim(err, "\"\n"))
		}
	}
	if want := []string{unknown, hangs, unknown}; !slices.Equal(said, want) {
		t.Errorf("the log says %q, want %q, in\n%s", said, want, log.String())
	}
}
