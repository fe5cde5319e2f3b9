package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Every collector that can fail by itself says how it goes.
var (
	collectorSuccess = prometheus.NewDesc(namespace+"_collector_success",
		"Whether a collector read all that it is for, the latest time.", []string{"collector"}, nil)
	collectorDuration = prometheus.NewDesc(namespace+"_collector_duration_seconds",
		"How long a collector took to read, the latest time.", []string{"collector"}, nil)
)

func showCollector(metrics chan<- prometheus.Metric, name string, success bool, took time.Duration) {
	metrics <- gauge(collectorSuccess, truth(success), name)
	metrics <- gauge(collectorDuration, took.Seconds(), name)
}

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
