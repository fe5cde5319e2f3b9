package compare

import (
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// Metric is a figure that sides are compared by.
type Metric string

// The metrics. Latencies are in seconds, rates per second.
const (
	Throughput Metric = "throughput"
	Goodput    Metric = "goodput"
	TTFTMean   Metric = "ttft_mean"
	TTFTP50    Metric = "ttft_p50"
	TTFTP99    Metric = "ttft_p99"
	TPOTMean   Metric = "tpot_mean"
	TPOTP99    Metric = "tpot_p99"
	E2EMean    Metric = "e2e_mean"
	E2EP99     Metric = "e2e_p99"
	// Capacity and SLORate are what searches have found, and belong to no request rate.
	Capacity Metric = "capacity"
	SLORate  Metric = "slo_rate"
)

// Metrics lists all metrics, in the order of tables.
func Metrics() []Metric {
	return []Metric{Throughput, Goodput, TTFTMean, TTFTP50, TTFTP99, TPOTMean, TPOTP99, E2EMean, E2EP99, Capacity, SLORate}
}

// IsLatency says whether a metric is one: less of it is better, and it is in seconds.
func (m Metric) IsLatency() bool { return m != Throughput && m != Goodput && !m.IsAnswer() }

// IsAnswer says whether a search finds a metric: it has no request rate, and a run has one.
func (m Metric) IsAnswer() bool { return m == Capacity || m == SLORate }

// latency is where a step has a latency metric.
type latency struct {
	of      func(*prober.Latencies) prober.Distribution
	batches func(*prober.Batches) *stats.Batches
	figure  func(prober.Distribution) float64
	level   int // of stats.Levels; mean is the mean
}

const mean = -1

var latencies = func() map[Metric]latency {
	type part struct {
		of      func(*prober.Latencies) prober.Distribution
		batches func(*prober.Batches) *stats.Batches
	}
	ttft := part{
		func(l *prober.Latencies) prober.Distribution { return l.TTFT },
		func(b *prober.Batches) *stats.Batches { return b.TTFT },
	}
	tpot := part{
		func(l *prober.Latencies) prober.Distribution { return l.TPOT },
		func(b *prober.Batches) *stats.Batches { return b.TPOT },
	}
	e2e := part{
		func(l *prober.Latencies) prober.Distribution { return l.E2E },
		func(b *prober.Batches) *stats.Batches { return b.E2E },
	}
	theMean := func(d prober.Distribution) float64 { return d.Mean }
	p50 := func(d prober.Distribution) float64 { return d.P50 }
	p99 := func(d prober.Distribution) float64 { return d.P99 }
	return map[Metric]latency{
		TTFTMean: {ttft.of, ttft.batches, theMean, mean},
		TTFTP50:  {ttft.of, ttft.batches, p50, 0},
		TTFTP99:  {ttft.of, ttft.batches, p99, 3},
		TPOTMean: {tpot.of, tpot.batches, theMean, mean},
		TPOTP99:  {tpot.of, tpot.batches, p99, 3},
		E2EMean:  {e2e.of, e2e.batches, theMean, mean},
		E2EP99:   {e2e.of, e2e.batches, p99, 3},
	}
}()
