package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The metrics of the collectors that gather by themselves, by their name.
var (
	collectionDuration = prometheus.NewDesc(namespace+"_collector_duration_seconds",
		"How long the latest collection of a collector took.", []string{"collector"}, nil)
	collectionSuccess = prometheus.NewDesc(namespace+"_collector_success",
		"Whether the latest collection of a collector got all that it asked for.", []string{"collector"}, nil)
)

// tellCollection tells how a collector's latest collection went.
func tellCollection(metrics chan<- prometheus.Metric, collector string, took time.Duration, success bool) {
	metrics <- prometheus.MustNewConstMetric(collectionDuration, prometheus.GaugeValue, took.Seconds(), collector)
	metrics <- prometheus.MustNewConstMetric(collectionSuccess, prometheus.GaugeValue, oneIf(success), collector)
}
