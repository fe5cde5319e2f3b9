package collector

import (
	"strings"
	"testing"
	"time"

	"vllm_prober/prober"
)

const atRate10 = `{batch_size="16",gpus="8",probe="p",request_rate="10",target="t"}`

// seriesOf is the value of a series by its name without the namespace.
func seriesOf(t *testing.T, p *Probe, series string) (float64, bool) {
	t.Helper()
	name, labels, _ := strings.Cut(series, "{")
	return valueOf(t, p, "vllm_prober_"+name, "{"+labels)
}

func figureAtRate10(figure string) string {
	return `{batch_size="16",figure="` + figure + `",gpus="8",probe="p",request_rate="10",target="t"}`
}

// stepOf is a step of a run with a mean TTFT.
func stepOf(run string, at time.Time, ttft, throughput float64, broken ...prober.Broken) *prober.StepResult {
	r := stepAt(10, throughput, broken...)
	r.RunID, r.EndedAt, r.ITL = run, at, &prober.Histogram{}
	if r.Valid() {
		r.Latencies = &prober.Latencies{TTFT: prober.Distribution{Count: 40, Mean: ttft, P50: ttft, P90: ttft, P95: ttft, P99: 2 * ttft, Max: 2 * ttft}}
	}
	return &r
}

// The gauges of the run before are those of the latest valid step of another run,
// whatever came between.
func TestTheLatestStepAndTheOneOfTheRunBefore(t *testing.T) {
	p := NewProbe(ladder())
	at := time.Unix(5000, 0)
	has := func(name, labels string, want float64) {
		t.Helper()
		if got, found := valueOf(t, p, "vllm_prober_"+name, labels); !found || got != want {
			t.Errorf("%s%s is %g, %t, want %g", name, labels, got, found, want)
		}
	}
	hasNot := func(name, labels string) {
		t.Helper()
		if got, found := valueOf(t, p, "vllm_prober_"+name, labels); found {
			t.Errorf("%s%s is %g, want none", name, labels, got)
		}
	}
	p.StepEnded(stepOf("a", at, 0.1, 9))
	has("step_time_to_first_token_seconds", figureAtRate10("mean"), 0.1)
	has("step_time_to_first_token_seconds", figureAtRate10("p99"), 0.2)
	has("step_measured_requests", atRate10, 40)
	has("step_end_timestamp_seconds", atRate10, 5000)
	has("step_first_end_timestamp_seconds", atRate10, 5000)
	has("step_request_rate", atRate10, 10)
	has("step_offered_requests_per_second", atRate10, 3.0/20) // 3 in 20 s
	hasNot("step_time_per_output_token_seconds", figureAtRate10("mean"))
	hasNot("previous_step_time_to_first_token_seconds", figureAtRate10("mean"))
	hasNot("previous_step_throughput_requests_per_second", atRate10)

	p.StepEnded(stepOf("a", at.Add(time.Minute), 0.2, 8)) // a repeat
	has("step_time_to_first_token_seconds", figureAtRate10("mean"), 0.2)
	hasNot("previous_step_time_to_first_token_seconds", figureAtRate10("mean"))

	p.StepEnded(stepOf("b", at.Add(time.Hour), 0, 7, prober.Broken{Promise: prober.PromiseCPU}))
	has("step_time_to_first_token_seconds", figureAtRate10("mean"), 0.2)
	has("step_end_timestamp_seconds", atRate10, 5060)
	has("step_first_end_timestamp_seconds", atRate10, 5000)

	p.StepEnded(stepOf("c", at.Add(2*time.Hour), 0.3, 6))
	p.StepEnded(stepOf("c", at.Add(3*time.Hour), 0.4, 5)) // a repeat
	has("step_time_to_first_token_seconds", figureAtRate10("mean"), 0.4)
	has("previous_step_time_to_first_token_seconds", figureAtRate10("mean"), 0.2)
	has("previous_step_throughput_requests_per_second", atRate10, 8)
	has("step_end_timestamp_seconds", atRate10, 5000+3*3600)
	has("step_first_end_timestamp_seconds", atRate10, 5000+2*3600) // it moves once a run

	nothing := stepOf("d", at.Add(4*time.Hour), 0, 0)
	nothing.Latencies = &prober.Latencies{} // no request was ok
	p.StepEnded(nothing)
	hasNot("step_time_to_first_token_seconds", figureAtRate10("mean"))
	has("step_measured_requests", atRate10, 0)
	has("previous_step_time_to_first_token_seconds", figureAtRate10("mean"), 0.4)
}

// A restart in the middle of a run leaves the run before where it was.
func TestRestoreKnowsTheRunBefore(t *testing.T) {
	p := NewProbe(ladder())
	at := time.Unix(5000, 0)
	arm := aStep().Arm
	run := func(id string, ttft, capacity float64) *prober.RunResult {
		return &prober.RunResult{
			Run: prober.Run{ID: id}, EndedAt: at, Results: []prober.StepResult{*stepOf(id, at, ttft, 9)},
			Answers: []prober.Answer{{Arm: arm, Capacity: &prober.Estimate{Value: capacity}}},
		}
	}
	p.Restore([]*prober.RunResult{run("a", 0.1, 30), run("b", 0.2, 20)})
	const ofArm = `{batch_size="16",gpus="8",probe="p",target="t"}`
	for name, want := range map[string]float64{
		"step_time_to_first_token_seconds" + figureAtRate10("mean"):          0.2,
		"previous_step_time_to_first_token_seconds" + figureAtRate10("mean"): 0.1,
		"previous_saturation_request_rate" + ofArm:                           30,
		"search_end_timestamp_seconds" + ofArm:                               5000,
	} {
		if got, found := seriesOf(t, p, name); !found || got != want {
			t.Errorf("%s is %g, %t, want %g", name, got, found, want)
		}
	}
}

// Labels as numbers: PromQL cannot read them itself.
func TestArmsAsNumbers(t *testing.T) {
	p := NewProbe(ladder())
	p.StepStarted(prober.Step{Arm: prober.Arm{Target: "t", Replicas: 1, GPUs: 4}}) // a batch size that is not declared
	for _, tt := range []struct {
		name, gpus, batch string
		want              float64
	}{
		{"arm_gpus", "4", "16", 4},
		{"arm_gpus", "8", "16", 8},
		{"arm_batch_size", "8", "16", 16},
		{"arm_position", "4", "16", 1},
		{"arm_position", "8", "16", 2},
		{"arm_gpus", "4", "", 4},
	} {
		labels := `{batch_size="` + tt.batch + `",gpus="` + tt.gpus + `",probe="p",target="t"}`
		if got, found := valueOf(t, p, "vllm_prober_"+tt.name, labels); !found || got != tt.want {
			t.Errorf("%s%s is %g, %t, want %g", tt.name, labels, got, found, tt.want)
		}
	}
	if _, found := valueOf(t, p, "vllm_prober_arm_batch_size", `{batch_size="",gpus="4",probe="p",target="t"}`); found {
		t.Error("a batch size that is not declared has a number")
	}
}

// Requests that kept the SLO count whenever they ended: 3 of 4, while 2 of these
// ended within the window.
func TestAttainedRequests(t *testing.T) {
	p := NewProbe(ladder())
	r := stepOf("a", time.Unix(1, 0), 0.1, 9)
	r.Offered, r.Attainment, r.Good = 4, 0.75, 2
	p.StepEnded(r)
	for name, want := range map[string]float64{
		"attained_requests_total" + atRate10: 3, "good_requests_total" + atRate10: 2, `slo_attainment_objective_ratio{probe="p"}`: 0.9,
	} {
		if got, _ := seriesOf(t, p, name); got != want {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
}
