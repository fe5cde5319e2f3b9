package workload

import (
	"math"
	"math/rand/v2"

	"vllm_prober/internal/config"
)

// draw draws a length in tokens.
func draw(l config.Length, rng *rand.Rand) int {
	switch {
	case l.Uniform != nil:
		return l.Uniform.Min + rng.IntN(l.Uniform.Max-l.Uniform.Min+1)
	case l.Lognormal != nil:
		return drawLognormal(l.Lognormal, rng)
	default:
		return l.Fixed
	}
}

// drawLognormal draws from a truncated lognormal by the inverse of its
// distribution function: cutting the tails off to the limits would pile requests
// up there, and drawing again until a draw fits would take for ever where the
// limits are close.
func drawLognormal(l *config.LognormalTokens, rng *rand.Rand) int {
	mu := math.Log(l.Median)
	// The share of the whole distribution below x, in terms of the normal one.
	below := func(x float64) float64 { return math.Erfc((mu-math.Log(x))/(l.Sigma*math.Sqrt2)) / 2 }
	// What rounds to a length lies up to half a token from it.
	low, high := below(float64(l.Min)-0.5), below(float64(l.Max)+0.5)
	share := low + (high-low)*rng.Float64()
	x := math.Exp(mu - l.Sigma*math.Sqrt2*math.Erfcinv(2*share))
	return int(min(max(math.Round(x), float64(l.Min)), float64(l.Max)))
}
