package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/results"
)

// NewRecords returns the metrics of a store of records.
func NewRecords(store *results.Store) prometheus.Collector {
	return undescribed(func(metrics chan<- prometheus.Metric) {
		for _, c := range []prometheus.Collector{
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Namespace: namespace, Name: "store_size_bytes", Help: "Size of the file that holds the records of runs.",
			}, func() float64 { return float64(store.Size()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Namespace: namespace, Name: "store_runs", Help: "Runs that are recorded.",
			}, func() float64 { return float64(store.Runs()) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Namespace: namespace, Name: "store_failures_total", Help: "Writes of records that failed.",
			}, func() float64 { return float64(store.Failures()) }),
		} {
			c.Collect(metrics)
		}
	})
}
