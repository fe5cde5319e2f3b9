package prober

import (
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"vllm_prober/internal/config"
)

// gaps takes the first n gaps, in units of the mean gap.
func gaps(arrivals iter.Seq[time.Duration], rate float64, n int) []float64 {
	var out []float64
	last := time.Duration(0)
	for at := range arrivals {
		out = append(out, (at-last).Seconds()*rate)
		last = at
		if len(out) == n {
			break
		}
	}
	return out
}

func moments(xs []float64) (mean, variance float64) {
	for _, x := range xs {
		mean += x
	}
	mean /= float64(len(xs))
	for _, x := range xs {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / float64(len(xs)-1)
}

func TestArrivalsHaveTheirProcessesMoments(t *testing.T) {
	const n = 200_000
	tests := map[string]struct {
		pacing   config.Pacing
		variance float64 // of a gap in units of its mean: 1/shape
		kurtosis float64 // of a gap, for the error of the variance: 3+6/shape
	}{
		"poisson":      {config.Pacing{Process: config.Poisson}, 1, 9},
		"constant":     {config.Pacing{Process: config.Constant}, 0, 1},
		"gamma bursty": {config.Pacing{Process: config.Gamma, Burstiness: 0.25}, 4, 27},
		"gamma even":   {config.Pacing{Process: config.Gamma, Burstiness: 4}, 0.25, 4.5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			mean, variance := moments(gaps(Arrivals(tt.pacing, 250, 7), 250, n))
			// Five standard errors, and the rounding to nanoseconds.
			if limit := 5*math.Sqrt(tt.variance/n) + 1e-6; math.Abs(mean-1) > limit {
				t.Errorf("mean gap %.5f of the offered one, want 1 ± %.5f", mean, limit)
			}
			if limit := 5*tt.variance*math.Sqrt((tt.kurtosis-1)/n) + 1e-6; math.Abs(variance-tt.variance) > limit {
				t.Errorf("variance %.5f, want %.5f ± %.5f", variance, tt.variance, limit)
			}
		})
	}
}

// A Poisson process has as much variance as mean in its counts over any span
// (index of dispersion 1) and independent gaps.
func TestPoissonArrivalsAreDispersedAndIndependent(t *testing.T) {
	const rate, n, perSpan = 100.0, 200_000, 20.0
	for seed := range uint64(5) {
		g := gaps(Arrivals(config.Pacing{Process: config.Poisson}, rate, seed), rate, n)

		counts := make([]float64, int(n/perSpan*0.98))
		at := 0.0
		for _, gap := range g {
			at += gap
			if span := int(at / perSpan); span < len(counts) {
				counts[span]++
			}
		}
		mean, variance := moments(counts)
		// The index of dispersion has the standard error √(2/spans).
		if index, limit := variance/mean, 5*math.Sqrt(2/float64(len(counts))); math.Abs(index-1) > limit {
			t.Errorf("seed %d: index of dispersion %.4f, want 1 ± %.4f", seed, index, limit)
		}

		gapMean, gapVariance := moments(g)
		for lag := 1; lag <= 10; lag++ {
			product := 0.0
			for i := lag; i < n; i++ {
				product += (g[i] - gapMean) * (g[i-lag] - gapMean)
			}
			// A correlation of independent samples has the standard error 1/√n.
			if r, limit := product/(n*gapVariance), 5/math.Sqrt(n); math.Abs(r) > limit {
				t.Errorf("seed %d: autocorrelation %.5f at lag %d, want 0 ± %.5f", seed, r, lag, limit)
			}
		}
		// Kolmogorov-Smirnov against 1−e^−x: 1.95/√n is exceeded once in 1000.
		if d, limit := exponentialDistance(g), 1.95/math.Sqrt(n); d > limit {
			t.Errorf("seed %d: distance from the exponential distribution %.5f, want at most %.5f", seed, d, limit)
		}
	}
}

func TestArrivalsRepeatWithTheirSeed(t *testing.T) {
	pacing := config.Pacing{Process: config.Gamma, Burstiness: 0.5}
	a, b := gaps(Arrivals(pacing, 10, 3), 10, 100), gaps(Arrivals(pacing, 10, 3), 10, 100)
	other := gaps(Arrivals(pacing, 10, 4), 10, 100)
	same := 0
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("gap %d differs with the same seed: %v and %v", i, a[i], b[i])
		}
		if a[i] == other[i] {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d of 100 gaps are the same with another seed", same)
	}
}

func exponentialDistance(xs []float64) float64 {
	sorted := slices.Sorted(slices.Values(xs))
	n, d := float64(len(sorted)), 0.0
	for i, x := range sorted {
		f := 1 - math.Exp(-x)
		d = max(d, math.Abs(f-float64(i)/n), math.Abs(float64(i+1)/n-f))
	}
	return d
}
