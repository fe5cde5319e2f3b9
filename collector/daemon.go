package collector

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
)

// Daemon is the metrics of the daemon itself: its configuration and what the
// configuration's targets are.
type Daemon struct {
	ReloadSuccessful prometheus.Gauge
	ReloadTimestamp  prometheus.Gauge

	cfg        atomic.Pointer[config.Config]
	discovered func(target string) int
}

// NewDaemon returns the metrics of a daemon without configuration. discovered says
// how many replicas a target has now whose replicas are discovered.
func NewDaemon(discovered func(target string) int) *Daemon {
	return &Daemon{
		discovered: discovered,
		ReloadSuccessful: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "config_last_reload_successful",
			Help: "Whether the latest attempt to load the configuration succeeded.",
		}),
		ReloadTimestamp: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "config_last_reload_success_timestamp_seconds",
			Help: "When the configuration was last loaded.",
		}),
	}
}

// SetConfig tells which configuration is in force.
func (d *Daemon) SetConfig(cfg *config.Config) { d.cfg.Store(cfg) }

// Describe describes nothing: the free labels of targets change with the
// configuration.
func (d *Daemon) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (d *Daemon) Collect(metrics chan<- prometheus.Metric) {
	d.ReloadSuccessful.Collect(metrics)
	d.ReloadTimestamp.Collect(metrics)
	cfg := d.cfg.Load()
	if cfg == nil {
		return
	}
	// One metric has the same labels everywhere: those that a target does not
	// have are empty, which is the same to Prometheus as not being there.
	names := map[string]bool{}
	for _, t := range cfg.Targets {
		for name := range t.Labels {
			names[name] = true
		}
	}
	for _, t := range cfg.Targets {
		labels := prometheus.Labels{"target": t.Name, "model": t.Model}
		for name := range names {
			labels[name] = t.Labels[name]
		}
		metrics <- prometheus.MustNewConstMetric(prometheus.NewDesc(namespace+"_target_info",
			"A target of the configuration, with its free labels.", nil, labels), prometheus.GaugeValue, 1)
		replicas := len(t.Replicas)
		if t.IsDiscovered() {
			replicas = d.discovered(t.Name)
		}
		metrics <- prometheus.MustNewConstMetric(prometheus.NewDesc(namespace+"_target_replicas",
			"Replicas that a target has.", nil, prometheus.Labels{"target": t.Name}), prometheus.GaugeValue, float64(replicas))
	}
}
