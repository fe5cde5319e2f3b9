// Package alerts makes the recording rules and alerts that read the metrics of
// vllm_prober: Settings holds every threshold, Recording and Alerting make rules
// of them, and Files writes these as Prometheus and its operator want them.
package alerts

//go:generate go run ./generate
