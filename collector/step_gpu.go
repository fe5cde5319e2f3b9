package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/prober"
)

// gpuGauges are what the GPUs did that serve the arm of the latest valid step.
type gpuGauges struct {
	power, utilization             *prometheus.GaugeVec
	joulesPerToken, tokensPerJoule *prometheus.GaugeVec
	throttled                      *prometheus.GaugeVec // by reason
}

// newGPUGauges makes them by step, which makes a gauge with the labels of a step
// and some more.
func newGPUGauges(step func(name, help string, more ...string) *prometheus.GaugeVec) gpuGauges {
	return gpuGauges{
		power: step("step_gpu_power_watts",
			"Power that the arm's GPUs drew together in the mean of the window of the latest valid step, idle power included."),
		utilization: step("step_gpu_utilization_ratio",
			"Share of the window of the latest valid step in which a kernel ran, in the mean of the arm's GPUs."),
		joulesPerToken: step("step_joules_per_output_token",
			"Energy of the arm's GPUs in the window of the latest valid step, over the output tokens that came within it."),
		tokensPerJoule: step("step_output_tokens_per_joule",
			"Output tokens that came within the window of the latest valid step, over the energy of the arm's GPUs in it."),
		throttled: step("step_gpu_throttled",
			"Whether clocks of the arm's GPUs were held down from the window's opening to the end of the latest valid step, by reason.", "reason"),
	}
}

// set sets all gauges of a step, and takes away what is not known this time.
func (g *gpuGauges) set(r *prober.StepResult, step []string) {
	var of prober.GPUResult
	if r.GPU != nil {
		of = *r.GPU
	}
	for v, x := range map[*prometheus.GaugeVec]*float64{
		g.power: of.PowerWatts, g.utilization: of.UtilizationRatio,
		g.joulesPerToken: of.JoulesPerOutputToken, g.tokensPerJoule: of.OutputTokensPerJoule,
	} {
		if x == nil {
			v.DeleteLabelValues(step...)
			continue
		}
		v.WithLabelValues(step...).Set(*x)
	}
	g.throttled.DeletePartialMatch(stepMatch(step))
	for reason, seconds := range of.ThrottledSeconds {
		g.throttled.WithLabelValues(with(step, reason)...).Set(oneIf(seconds > 0))
	}
}

// stepMatch are the labels of a step.
func stepMatch(step []string) prometheus.Labels {
	match := prometheus.Labels{}
	for i, name := range stepLabels {
		match[name] = step[i]
	}
	return match
}
