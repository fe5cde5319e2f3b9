package collector

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"vllm_prober/prober"
)

// metered is a step of which everything is known of the GPUs.
func metered() *prober.StepResult {
	power, utilization, joules, tokens := 1604.25, 0.974, 0.5, 2.0
	return &prober.StepResult{Step: aStep(), ITL: &prober.Histogram{}, GPU: &prober.GPUResult{
		UUIDs: []string{"GPU-a"}, PowerWatts: &power, UtilizationRatio: &utilization, JoulesPerOutputToken: &joules, OutputTokensPerJoule: &tokens,
		ThrottledSeconds: map[string]float64{"sw_power_cap": 0.001, "hw_thermal_slowdown": 0},
	}}
}

var stepGPUMetrics = []string{
	"vllm_prober_step_gpu_power_watts", "vllm_prober_step_gpu_utilization_ratio", "vllm_prober_step_gpu_throttled",
	"vllm_prober_step_joules_per_output_token", "vllm_prober_step_output_tokens_per_joule",
}

func TestGPUGaugesOfAStep(t *testing.T) {
	expected := strings.ReplaceAll(`
# HELP vllm_prober_step_gpu_power_watts Power that the arm's GPUs drew together in the mean of the window of the latest valid step, idle power included.
# TYPE vllm_prober_step_gpu_power_watts gauge
vllm_prober_step_gpu_power_watts{STEP} 1604.25
# HELP vllm_prober_step_gpu_throttled Whether clocks of the arm's GPUs were held down from the window's opening to the end of the latest valid step, by reason.
# TYPE vllm_prober_step_gpu_throttled gauge
vllm_prober_step_gpu_throttled{batch_size="16",gpus="8",probe="p",reason="hw_thermal_slowdown",request_rate="10",target="t"} 0
vllm_prober_step_gpu_throttled{batch_size="16",gpus="8",probe="p",reason="sw_power_cap",request_rate="10",target="t"} 1
# HELP vllm_prober_step_gpu_utilization_ratio Share of the window of the latest valid step in which a kernel ran, in the mean of the arm's GPUs.
# TYPE vllm_prober_step_gpu_utilization_ratio gauge
vllm_prober_step_gpu_utilization_ratio{STEP} 0.974
# HELP vllm_prober_step_joules_per_output_token Energy of the arm's GPUs in the window of the latest valid step, over the output tokens that came within it.
# TYPE vllm_prober_step_joules_per_output_token gauge
vllm_prober_step_joules_per_output_token{STEP} 0.5
# HELP vllm_prober_step_output_tokens_per_joule Output tokens that came within the window of the latest valid step, over the energy of the arm's GPUs in it.
# TYPE vllm_prober_step_output_tokens_per_joule gauge
vllm_prober_step_output_tokens_per_joule{STEP} 2
`, "STEP", `batch_size="16",gpus="8",probe="p",request_rate="10",target="t"`)
	p := NewProbe(ladder())
	p.StepEnded(metered())
	if err := testutil.CollectAndCompare(p, strings.NewReader(expected), stepGPUMetrics...); err != nil {
		t.Error(err)
	}
	restored := NewProbe(ladder())
	restored.Restore([]*prober.RunResult{{Results: []prober.StepResult{*metered()}}})
	if err := testutil.CollectAndCompare(restored, strings.NewReader(expected), stepGPUMetrics...); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	invalid := metered()
	*invalid.GPU.PowerWatts, invalid.Broken = 1, []prober.Broken{{Promise: prober.PromiseCPU}}
	p.StepEnded(invalid)
	if err := testutil.CollectAndCompare(p, strings.NewReader(expected), stepGPUMetrics...); err != nil {
		t.Errorf("after an invalid step: %v", err)
	}
}

// What is not known this time is not told, neither as before nor as 0; another step's
// figures stay.
func TestGPUGaugesGoWithTheirFigures(t *testing.T) {
	p := NewProbe(ladder())
	p.StepEnded(metered())
	other := metered()
	other.RequestRate = 20
	p.StepEnded(other)
	half := metered()
	half.GPU.JoulesPerOutputToken = nil
	delete(half.GPU.ThrottledSeconds, "sw_power_cap")
	p.StepEnded(half)
	for name, want := range map[string]int{"joules_per_output_token": 1, "output_tokens_per_joule": 2, "gpu_throttled": 3} {
		if n := testutil.CollectAndCount(p, "vllm_prober_step_"+name); n != want {
			t.Errorf("%s has %d series, want %d", name, n, want)
		}
	}
	none := metered()
	none.GPU = nil
	p.StepEnded(none)
	for name, want := range map[string]int{"gpu_power_watts": 1, "gpu_throttled": 2} {
		if n := testutil.CollectAndCount(p, "vllm_prober_step_"+name); n != want {
			t.Errorf("without GPUs %s has %d series, want %d", name, n, want)
		}
	}
}
