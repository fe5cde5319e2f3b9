package collector

import (
	"testing"
	"time"

	"vllm_prober/prober"
)

// stepAt is a step at a rate with a throughput.
func stepAt(rate, throughput float64, broken ...prober.Broken) prober.StepResult {
	r := prober.StepResult{
		Step: aStep(), Offered: 3, Completed: 2, Throughput: throughput, Goodput: throughput / 2, BenchThroughput: throughput / 4,
		Unfinished: 1, CoalescedReads: 0.5, Broken: broken,
	}
	r.RequestRate = rate
	return r
}

// After a restart the gauges are those of the newest valid step at each rate and
// of the newest run; counters and histograms begin at 0.
func TestRestore(t *testing.T) {
	p := NewProbe(ladder())
	version := p.version.Load()
	at := time.Unix(1000, 0)
	p.Restore([]*prober.RunResult{
		{
			Run: prober.Run{StartedAt: at}, EndedAt: at.Add(time.Minute), Outcome: prober.RunSuccess,
			Results: []prober.StepResult{stepAt(10, 9), stepAt(20, 18)},
		},
		{
			Run: prober.Run{StartedAt: at.Add(time.Hour)}, EndedAt: at.Add(time.Hour + 30*time.Second), Outcome: prober.RunStopped,
			Results: []prober.StepResult{stepAt(10, 8), stepAt(20, 17, prober.Broken{Promise: prober.PromiseCPU})},
		},
		{Run: prober.Run{StartedAt: at.Add(2 * time.Hour)}, Outcome: prober.RunAborted},
	})
	if p.version.Load() == version {
		t.Error("a page would go on to show what was before")
	}
	const rate10 = `{batch_size="16",gpus="8",probe="p",request_rate="10",target="t"}`
	const rate20 = `{batch_size="16",gpus="8",probe="p",request_rate="20",target="t"}`
	const cpu20 = `{batch_size="16",gpus="8",probe="p",reason="cpu",request_rate="20",target="t"}`
	const lag20 = `{batch_size="16",gpus="8",probe="p",reason="send_lag",request_rate="20",target="t"}`
	for _, tt := range []struct {
		name, labels string
		want         float64
	}{
		{"step_throughput_requests_per_second", rate10, 8},
		{"step_throughput_requests_per_second", rate20, 18}, // 17 was invalid
		{"step_goodput_requests_per_second", rate20, 9},
		{"step_bench_throughput_requests_per_second", rate20, 4.5},
		{"step_unfinished_requests", rate20, 1},
		{"step_coalesced_reads_ratio", rate20, 0.5},
		{"step_valid", cpu20, 0},
		{"step_valid", lag20, 1},
		{"run_last_success_timestamp_seconds", `{probe="p"}`, 1060},
		{"run_last_duration_seconds", `{probe="p"}`, 30},
		{"run_active", `{probe="p"}`, 0},
		{"completed_requests_total", rate10, 0},
		{"measured_seconds_total", rate10, 0},
		{"runs_total", `{probe="p",result="success"}`, 0},
		{"runs_total", `{probe="p",result="failed"}`, 0},
	} {
		if got, found := valueOf(t, p, "vllm_prober_"+tt.name, tt.labels); !found || got != tt.want {
			t.Errorf("%s%s is %g, %t, want %g", tt.name, tt.labels, got, found, tt.want)
		}
	}
	if n := metricOf(t, p, "vllm_prober_time_to_first_token_seconds", rate10).GetHistogram().GetSampleCount(); n != 0 {
		t.Errorf("the TTFT of %d requests is counted", n)
	}
}
