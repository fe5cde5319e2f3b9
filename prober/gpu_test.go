package prober

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"
)

// aGPU reads one that draws so many watts from each of the seconds on: its energy
// is that over time, from 1000 J at second 0 on.
func aGPU(uuid string, at []float64, watts func(second float64) float64) (readings []GPUReading) {
	energy := 1000.0
	for i, s := range at {
		if i > 0 {
			energy += watts(at[i-1]) * (s - at[i-1])
		}
		readings = append(readings, GPUReading{UUID: uuid, At: second(s), EnergyJoules: energy, UtilizationRatio: 0.5, ThrottledSeconds: map[string]float64{}})
	}
	return readings
}

func second(s float64) time.Time { return time.Unix(0, 0).Add(time.Duration(s * float64(time.Second))) }

func steadily(watts float64) func(float64) float64 { return func(float64) float64 { return watts } }

func is(t *testing.T, what string, got *float64, want float64) {
	t.Helper()
	switch {
	case got == nil && !math.IsNaN(want):
		t.Errorf("%s is not known, want %g", what, want)
	case got != nil && (math.IsNaN(want) || math.Abs(*got-want) > 1e-6):
		t.Errorf("%s is %g, want %g", what, *got, want)
	}
}

var unknown = math.NaN()

// The window is from second 2 to 5. Its power is by hand, from readings on its
// edges and beside them.
func TestPowerOfAWindow(t *testing.T) {
	warm := func(s float64) float64 { // 100 W, and 400 W from second 2 on
		if s < 2 {
			return 100
		}
		return 400
	}
	restarted := aGPU("a", []float64{1.5, 2.5, 3.5, 4.5, 5.5}, steadily(400))
	for i := range restarted[2:] {
		restarted[2+i].EnergyJoules -= 1500
	}
	early := aGPU("a", []float64{0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5}, steadily(400))
	early[0].EnergyJoules = 9e9 // the driver was loaded anew in the warm-up
	for name, tt := range map[string]struct {
		readings []GPUReading
		want     float64
	}{
		"on the edges":                 {aGPU("a", []float64{0, 1, 2, 3, 4, 5}, warm), 400},
		"beside them":                  {aGPU("a", []float64{1.7, 2.2, 4.1, 5.4}, steadily(400)), 400},
		"a rise between two readings":  {aGPU("a", []float64{1, 3, 4, 5}, warm), (100*1 + 400*1 + 400*1) / 3.},
		"begun a moment late":          {aGPU("a", []float64{2.1, 3, 4, 5}, steadily(400)), 400},
		"the last one is missing":      {aGPU("a", []float64{1.5, 3, 4, 4.8}, steadily(400)), 400},
		"begun too late":               {aGPU("a", []float64{2.6, 3, 4, 5}, steadily(400)), unknown},
		"ended too early":              {aGPU("a", []float64{1, 2, 3, 4.4}, steadily(400)), unknown},
		"a hole around an edge":        {aGPU("a", []float64{1, 3.1, 4, 5}, steadily(400)), unknown},
		"a hole between them":          {aGPU("a", []float64{1.5, 2.1, 4.9, 5.5}, steadily(400)), 400}, // a counter misses nothing
		"one reading":                  {aGPU("a", []float64{2}, steadily(400)), unknown},
		"two GPUs":                     {append(aGPU("a", []float64{2, 3.5, 5}, steadily(400)), aGPU("b", []float64{1.9, 3.4, 5.1}, steadily(70))...), 470},
		"two GPUs, one without an end": {append(aGPU("a", []float64{2, 3.5, 5}, steadily(400)), aGPU("b", []float64{1.9, 3.4}, steadily(70))...), unknown},
		"the driver was loaded anew":   {restarted, unknown},
		"it was before the window":     {early, 400},
		"no energy":                    {aGPU("a", []float64{2, 3, 4, 5}, steadily(math.NaN())), unknown},
	} {
		t.Run(name, func(t *testing.T) {
			is(t, "power", gpuResult(tt.readings, second(2), second(5)).PowerWatts, tt.want)
		})
	}
	if got := gpuResult(nil, second(2), second(5)); got != nil {
		t.Errorf("without a reading: %+v", got)
	}
}

// GPUs are read twice a second and at the edges of the window, wherever it will close.
func TestTimesOfReadings(t *testing.T) {
	const ms = time.Millisecond
	edges := windowEdges(Step{Warmup: 1200 * ms, Window: 800 * ms}, 3000*ms)
	var times []time.Duration
	for at := 0 * ms; at < 4500*ms; {
		at = nextReading(at, edges)
		times = append(times, at/ms)
	}
	want := []time.Duration{500, 1000, 1200, 1500, 2000, 2500, 2800, 3000, 3500, 4000, 4200, 4500}
	if !slices.Equal(times, want) {
		t.Errorf("read at %d, want %d", times, want)
	}
	if got := windowEdges(Step{Warmup: 1, Window: 10}, 0); !slices.Equal(got, []time.Duration{1, 11}) {
		t.Errorf("the edges of a window that stays as it is are %d", got)
	}
}

// Utilisation is the mean over the window and over the GPUs: of a (0.8+1)/2 and of
// b 0.3 is 0.6.
func TestUtilizationOfAWindow(t *testing.T) {
	reading := func(uuid string, at, utilization float64) GPUReading {
		return GPUReading{UUID: uuid, At: second(at), UtilizationRatio: utilization}
	}
	a := []GPUReading{reading("a", 1.9, 0), reading("a", 2, 0.8), reading("a", 5, 1), reading("a", 5.1, 0)}
	is(t, "utilisation", gpuResult(append(a, reading("b", 3, 0.3)), second(2), second(5)).UtilizationRatio, 0.6)
	is(t, "utilisation of one that does not tell", gpuResult(append(a, reading("b", 3, unknown)), second(2), second(5)).UtilizationRatio, unknown)
	is(t, "utilisation of one that was not read", gpuResult(append(a, reading("b", 6, 1)), second(2), second(5)).UtilizationRatio, unknown)
}

// Throttling counts from the window's opening to the step's end; what was before it
// is the warm-up's. Of two GPUs it is that of the longer one, for each reason.
func TestThrottlingOfAStep(t *testing.T) {
	reading := func(uuid string, at float64, throttled map[string]float64) GPUReading {
		return GPUReading{UUID: uuid, At: second(at), ThrottledSeconds: throttled}
	}
	const power, thermal, brake = "sw_power_cap", "hw_thermal_slowdown", "hw_power_brake"
	readings := []GPUReading{
		reading("a", 0, map[string]float64{power: 3, thermal: 7}),
		reading("b", 0, map[string]float64{power: 9}),
		reading("a", 1.9, map[string]float64{power: 5, thermal: 7}),
		reading("a", 4, map[string]float64{power: 6, thermal: 7}),
		reading("a", 7, map[string]float64{power: 6.5, thermal: 7, brake: 1}), // the drain ends
		reading("b", 7, map[string]float64{power: 0.25}),                      // its driver was loaded anew
	}
	got := gpuResult(readings, second(2), second(5))
	if want := map[string]float64{power: 1.5, thermal: 0}; !maps.Equal(got.ThrottledSeconds, want) {
		t.Errorf("throttled %v, want %v", got.ThrottledSeconds, want)
	}
	if reasons := got.Throttled(); len(reasons) != 1 || reasons[0] != power {
		t.Errorf("throttled by %v", reasons)
	}
}

// Ten tokens from second 3 to 12 are one a second: so many of them came within a
// window.
func TestTokensWithinAWindow(t *testing.T) {
	answer := func(first, last float64, tokens int) *ended {
		e := &ended{tokens: tokens, lastToken: time.Duration(last * float64(time.Second))}
		e.firstToken = time.Duration(first * float64(time.Second))
		return e
	}
	for name, tt := range map[string]struct {
		answer   *ended
		from, to float64
		want     float64
	}{
		"all of them":        {answer(3, 12, 10), 0, 20, 10},
		"none, too early":    {answer(3, 12, 10), 0, 2, 0},
		"none, too late":     {answer(3, 12, 10), 12, 20, 0},
		"the first":          {answer(3, 12, 10), 0, 3, 1},
		"the first half":     {answer(3, 12, 10), 0, 7, 5},
		"the second half":    {answer(3, 12, 10), 7, 20, 5},
		"the middle":         {answer(3, 12, 10), 4, 9, 5},
		"all in one read":    {answer(3, 3, 10), 0, 20, 10},
		"a single one":       {answer(3, 3, 1), 2, 4, 1},
		"a single one, late": {answer(3, 3, 1), 3, 4, 0},
		"no answer":          {answer(0, 0, 0), 0, 20, 0},
	} {
		from, to := time.Duration(tt.from*float64(time.Second)), time.Duration(tt.to*float64(time.Second))
		if got := tt.answer.deliveredWithin(from, to); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: %g, want %g", name, got, tt.want)
		}
	}
}

// 300 W over 10 s for 600 tokens are 5 J each; no tokens are none a joule.
func TestJoulesPerToken(t *testing.T) {
	watts := 300.0
	g := &GPUResult{PowerWatts: &watts}
	g.perToken(600, 10*time.Second)
	is(t, "joules per token", g.JoulesPerOutputToken, 5)
	is(t, "tokens per joule", g.OutputTokensPerJoule, 0.2)
	g.perToken(0, 10*time.Second)
	is(t, "joules per token without tokens", g.JoulesPerOutputToken, unknown)
	is(t, "tokens per joule without tokens", g.OutputTokensPerJoule, 0)
	g = &GPUResult{}
	g.perToken(600, 10*time.Second)
	is(t, "joules per token without power", g.JoulesPerOutputToken, unknown)
}
