package prober

import (
	"time"

	"vllm_prober/internal/stats"
)

// Batches are a step's window in parts of equal length: what is kept in place of its
// requests, of which there may be many, so that a comparison can tell what part of a
// difference is chance.
type Batches struct {
	// Completed are the requests of each part that ended well in it, Good those of
	// them that kept the SLO.
	Completed []int `json:"completed"`
	Good      []int `json:"good"`
	// The latencies are those of the measured requests that were OK, by the part in
	// which they were intended.
	TTFT *stats.Batches `json:"ttft_seconds"`
	TPOT *stats.Batches `json:"tpot_seconds"`
	E2E  *stats.Batches `json:"e2e_seconds"`
}

// batchesOf sums up a step of which the measured requests are known, and all that
// have ended.
func batchesOf(step Step, measured []Observation, ended []ended) *Batches {
	b := &Batches{Completed: make([]int, stats.Parts), Good: make([]int, stats.Parts)}
	share := func(at time.Duration) float64 { return float64(at-step.Warmup) / float64(step.Window) }
	for _, e := range ended {
		at := share(e.end)
		if e.outcome != OK || at < 0 || at >= 1 {
			continue
		}
		b.Completed[stats.PartOf(at)]++
		if e.good {
			b.Good[stats.PartOf(at)]++
		}
	}
	var ttft, tpot, e2e []stats.Sample
	for i := range measured {
		o := &measured[i]
		at := share(o.Intended)
		ttft = append(ttft, stats.Sample{At: at, Value: o.TTFT().Seconds()})
		e2e = append(e2e, stats.Sample{At: at, Value: o.E2E().Seconds()})
		if d, has := o.TPOT(); has {
			tpot = append(tpot, stats.Sample{At: at, Value: d.Seconds()})
		}
	}
	b.TTFT, b.TPOT, b.E2E = stats.BatchesOf(ttft), stats.BatchesOf(tpot), stats.BatchesOf(e2e)
	return b
}
