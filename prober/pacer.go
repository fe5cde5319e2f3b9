package prober

import (
	"iter"
	"math"
	"math/rand/v2"
	"time"

	"vllm_prober/internal/config"
)

// Arrivals returns the times of an open loop's requests, as offsets from the
// beginning of the load, without end. The same seed gives the same arrivals.
//
// The gaps are independent, with the mean 1/rate (rate in requests per second):
// exponential for a Poisson process; gamma with shape burstiness and scale
// 1/(rate·burstiness), whose coefficient of variation is 1/√burstiness, as in
// `vllm bench serve --burstiness`; or all the same. What a sequence happens to
// bring is never rescaled to the mean nor skipped: both would make the load
// smoother than the traffic that it stands for.
func Arrivals(pacing config.Pacing, rate float64, seed uint64) iter.Seq[time.Duration] {
	rng := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	gap := func() float64 { return 1 / rate }
	switch pacing.Process {
	case config.Poisson:
		gap = func() float64 { return rng.ExpFloat64() / rate }
	case config.Gamma:
		gap = func() float64 { return gammaVariate(rng, pacing.Burstiness) / (rate * pacing.Burstiness) }
	}
	return func(yield func(time.Duration) bool) {
		// Summed in seconds as a float64: its error after a day at 1000 req/s
		// stays below a microsecond, while a sum of rounded durations would drift.
		at := 0.0
		for {
			at += gap()
			if !yield(time.Duration(at * float64(time.Second))) {
				return
			}
		}
	}
}

// gammaVariate draws from the gamma distribution of the given shape > 0 and
// scale 1, by Marsaglia and Tsang, "A simple method for generating gamma
// variables", ACM Transactions on Mathematical Software 26(3), 2000; shapes
// below 1 by its section 6.
func gammaVariate(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gammaVariate(rng, shape+1) * math.Pow(1-rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		u := 1 - rng.Float64()
		if math.Log(u) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}
