package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// By hand: without the first two, the others are 1 ± 0.1.
func TestTruncation(t *testing.T) {
	if got := truncation([]float64{9, 7, 1.1, 0.9, 1, 1.1, 0.9, 1}); got != 2 {
		t.Errorf("%d, want 2", got)
	}
	for _, values := range [][]float64{nil, {1}, {1, 1, 1, 1}} {
		if got := truncation(values); got != 0 {
			t.Errorf("%d of %v", got, values)
		}
	}
}

// By hand: one order of 24 rises without a break, and 1 + 3 + 5 have two falling pairs
// at most; of five values 1 + 4 orders of 120 have one or none. Both sides count.
func TestTrend(t *testing.T) {
	for name, test := range map[string]struct {
		values []float64
		want   float64
		rises  bool
	}{
		"rising":           {[]float64{1, 2, 3, 4}, 2. / 24, true},
		"falling":          {[]float64{4, 3, 2, 1}, 2. / 24, false},
		"rising but once":  {[]float64{1, 2, 4, 3, 5}, 2 * 5. / 120, true},
		"of three":         {[]float64{1, 2, 3}, 1, false},
		"hardly rising":    {[]float64{1, 4, 2, 3}, 2 * 9. / 24, true},
		"all of the same":  {[]float64{1, 1, 1, 1}, 1, false},
		"eight that fall ": {[]float64{8, 7, 6, 5, 4, 3, 2, 1}, 2. / 40320, false},
	} {
		if p, rises := trend(test.values); math.Abs(p-test.want) > 1e-12 || rises != test.rises {
			t.Errorf("%s: %g, rises %t; want %g, %t", name, p, rises, test.want, test.rises)
		}
	}
}

// A window in which the queue grows is not steady, and a steady queue seldom looks
// like one.
func TestSteady(t *testing.T) {
	samples := make([]Sample, 320)
	for i := range samples {
		samples[i] = Sample{At: float64(i) / 320, Value: float64(100 + i)}
	}
	if steady, rises := BatchesOf(samples).Steady(); steady || !rises {
		t.Errorf("what rises: steady %t, rises %t", steady, rises)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	alarms := 0
	for range 1000 {
		b, _ := step(draw(mg1(0.5, 3), rng, 300))
		if steady, _ := b.Steady(); !steady {
			alarms++
		}
	}
	t.Logf("%d of 1000 windows of a steady queue look unsteady", alarms)
	if alarms > 25 {
		t.Errorf("%d of 1000 windows of a steady queue look unsteady", alarms)
	}
}

func TestChangePoints(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	level := func(history []float64, n int, mean float64) []float64 {
		for range n {
			history = append(history, mean+rng.NormFloat64())
		}
		return history
	}
	history := level(level(level(nil, 30, 100), 20, 110), 30, 100)
	if got := ChangePoints(history, 0.01); !slices.Equal(got, []int{30, 50}) {
		t.Errorf("changes at %v, want 30 and 50", got)
	}
	for _, short := range [][]float64{nil, {1}, {1, 1, 1, 9, 9}, {5, 5, 5, 5, 5, 5, 5, 5}} {
		if got := ChangePoints(short, 0.05); len(got) != 0 {
			t.Errorf("changes of %v at %v", short, got)
		}
	}
}

func TestRanks(t *testing.T) {
	if got := ranksOf([]float64{30, 10, 20, 10}); !slices.Equal(got, []float64{4, 1.5, 3, 1.5}) {
		t.Errorf("%v", got)
	}
}
