package prober

import (
	"slices"

	"vllm_prober/internal/stats"
)

// Distribution sums up one latency over the measured requests of a step. All
// figures but Count are in seconds; they are NaN-free: an empty Distribution is
// all zero.
type Distribution struct {
	Count int     `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// distributionOf sorts samples, which are in seconds.
func distributionOf(samples []float64) Distribution {
	if len(samples) == 0 {
		return Distribution{}
	}
	slices.Sort(samples)
	sum := 0.0
	for _, x := range samples {
		sum += x
	}
	return Distribution{
		Count: len(samples),
		Mean:  sum / float64(len(samples)),
		P50:   stats.Quantile(samples, 0.50),
		P90:   stats.Quantile(samples, 0.90),
		P95:   stats.Quantile(samples, 0.95),
		P99:   stats.Quantile(samples, 0.99),
		Max:   samples[len(samples)-1],
	}
}
