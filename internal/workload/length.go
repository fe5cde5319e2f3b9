package workload

import (
	"math"
	"math/rand/v2"

	"vllm_prober/internal/config"
)

// draw draws a length in tokens. A truncated lognormal is drawn by rejection:
// cutting its tails off to the limits would pile requests up there.
func draw(l config.Length, rng *rand.Rand) int {
	switch {
	case l.Uniform != nil:
		return l.Uniform.Min + rng.IntN(l.Uniform.Max-l.Uniform.Min+1)
	case l.Lognormal != nil:
		n := l.Lognormal
		for {
			x := math.Exp(math.Log(n.Median) + n.Sigma*rng.NormFloat64())
			if tokens := math.Round(x); tokens >= float64(n.Min) && tokens <= float64(n.Max) {
				return int(tokens)
			}
		}
	default:
		return l.Fixed
	}
}
