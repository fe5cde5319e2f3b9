package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// truth is a source of samples that depend on each other, whose mean and quantiles are
// known in closed form.
type truth struct {
	name     string
	mean     float64
	quantile func(level float64) float64 // nil where it has no closed form
	draw     func(arrivals, services *rand.Rand, n int) []float64
}

// settling is how many samples a queue gets to come to its steady state, unmeasured.
const settling = 1000

// queue is a server with one queue and Poisson arrivals, of which it bears the share
// load at most: what a request waits follows from what the one before waited
// (Lindley, Mathematical Proceedings of the Cambridge Philosophical Society 48(2),
// 1952). A sample is base, in mean service times of a full load, and the wait.
func queue(load, base float64, service func(*rand.Rand) float64, arrivals, services *rand.Rand, n int) []float64 {
	samples := make([]float64, 0, n)
	wait := 0.0
	for i := range n + settling {
		if i >= settling {
			samples = append(samples, base+wait)
		}
		wait = max(0, wait+load*service(services)-arrivals.ExpFloat64())
	}
	return samples
}

func always(*rand.Rand) float64        { return 1 }
func exponential(r *rand.Rand) float64 { return r.ExpFloat64() }

// md1 is a queue of equal services. Its mean wait is that of Pollaczek and Khinchine.
func md1(load, base float64) truth {
	return truth{
		name: "M/D/1", mean: base + load*load/(2*(1-load)),
		draw: func(a, s *rand.Rand, n int) []float64 { return queue(load, base, always, a, s, n) },
	}
}

// mm1 is a queue of exponential services; a sample is the whole time in it, which is
// exponential.
func mm1(load float64) truth {
	mean := load / (1 - load)
	return truth{
		name: "M/M/1", mean: mean,
		quantile: func(level float64) float64 { return -mean * math.Log(1-level) },
		draw: func(arrivals, services *rand.Rand, n int) []float64 {
			samples := make([]float64, 0, n)
			wait := 0.0
			for i := range n + settling {
				service := load * services.ExpFloat64()
				if i >= settling {
					samples = append(samples, wait+service)
				}
				wait = max(0, wait+service-arrivals.ExpFloat64())
			}
			return samples
		},
	}
}

// mg1 is a queue of exponential services, below a base.
func mg1(load, base float64) truth {
	return truth{
		name: "M/G/1", mean: base + load*load/(1-load),
		draw: func(a, s *rand.Rand, n int) []float64 { return queue(load, base, exponential, a, s, n) },
	}
}

// ar1 is a first-order autoregression of the logarithms, whose deviation is sigma.
func ar1(mean, memory, sigma float64) truth {
	median := mean * math.Exp(-sigma*sigma/2)
	return truth{
		name: "AR(1)", mean: mean,
		quantile: func(level float64) float64 { return median * math.Exp(sigma*math.Sqrt2*math.Erfinv(2*level-1)) },
		draw: func(_, noise *rand.Rand, n int) []float64 {
			samples := make([]float64, n)
			x := noise.NormFloat64()
			for i := range samples {
				samples[i] = median * math.Exp(sigma*x)
				x = memory*x + math.Sqrt(1-memory*memory)*noise.NormFloat64()
			}
			return samples
		},
	}
}

// draw is n samples of a truth with seeds of their own.
func draw(t truth, rng *rand.Rand, n int) []float64 {
	return t.draw(rand.New(rand.NewPCG(rng.Uint64(), 1)), rand.New(rand.NewPCG(rng.Uint64(), 2)), n)
}

// samples is how many a repeat has.
const samples = 200

// drawTwo is one repeat of two truths with the same arrivals, and services of their
// own.
func drawTwo(a, b truth, rng *rand.Rand) (x, y []float64) {
	arrivals := rng.Uint64()
	return a.draw(rand.New(rand.NewPCG(arrivals, 1)), rand.New(rand.NewPCG(rng.Uint64(), 2)), samples),
		b.draw(rand.New(rand.NewPCG(arrivals, 1)), rand.New(rand.NewPCG(rng.Uint64(), 2)), samples)
}

// step is what a step keeps of its samples, and their quantiles.
func step(values []float64) (*Batches, func(level float64) float64) {
	samples := make([]Sample, len(values))
	for i, x := range values {
		samples[i] = Sample{At: (float64(i) + 0.5) / float64(len(values)), Value: x}
	}
	sorted := slices.Sorted(slices.Values(values))
	return BatchesOf(samples), func(level float64) float64 { return Quantile(sorted, level) }
}

func average(values []float64) float64 {
	sum := 0.0
	for _, x := range values {
		sum += x
	}
	return sum / float64(len(values))
}

// The sources are what they are said to be.
func TestTheTruthOfTheSources(t *testing.T) {
	for _, source := range []truth{md1(0.8, 1), mm1(0.7), mg1(0.6, 2), ar1(3, 0.9, 0.3)} {
		values := draw(source, rand.New(rand.NewPCG(1, 1)), 2_000_000)
		if got := average(values); math.Abs(got/source.mean-1) > 0.01 {
			t.Errorf("%s: the mean is %g, want %g", source.name, got, source.mean)
		}
		if source.quantile == nil {
			continue
		}
		slices.Sort(values)
		for _, level := range Levels() {
			if got, want := Quantile(values, level), source.quantile(level); math.Abs(got/want-1) > 0.03 {
				t.Errorf("%s: the quantile %g is %g, want %g", source.name, level, got, want)
			}
		}
	}
}
