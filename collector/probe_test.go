package collector

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"vllm_prober/internal/config"
	"vllm_prober/internal/schedule"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// ladder is a configuration of one target with two replicas, probed with one and
// with both.
func ladder() (*config.Config, config.Probe) {
	target := config.DefaultTarget()
	target.Name, target.BatchSize, target.Replicas = "t", 16, []string{"http://a", "http://b"}
	target.GPUsPerReplica = 4
	probe := config.DefaultProbe()
	probe.Name = "p"
	probe.Arms = []config.Arm{{Target: "t", Replicas: 1, Rates: []float64{2.5}}, {Target: "t"}}
	probe.Ladder.Rates = []float64{10, 20}
	return &config.Config{Targets: []config.Target{target}, Probes: []config.Probe{probe}}, probe
}

// aStep is the beginning of a step of the arm with both replicas.
func aStep() prober.Step {
	return prober.Step{
		Probe: "p", Number: 1, Known: 4, Arm: prober.Arm{Target: "t", Replicas: 2, GPUs: 8, BatchSize: 16},
		RequestRate: 10, Window: 20 * time.Second,
	}
}

// answer is a request that was ok, with 5 tokens.
func answer(id string, ttft, tpot time.Duration) prober.Observation {
	return prober.Observation{
		ID: id, Phase: prober.Window, Outcome: prober.OK, Intended: time.Second, Sent: time.Second + 200*time.Microsecond,
		FirstToken: time.Second + ttft, LastToken: time.Second + ttft + 4*tpot, OutputTokens: 5,
	}
}

// tell tells the metrics of a step with two good answers and a failure.
func tell(p *Probe, broken ...prober.Broken) {
	step := aStep()
	r := &prober.StepResult{
		Step: step, Offered: 3, Completed: 2, Good: 1, Throughput: 0.1, Goodput: 0.05, BenchThroughput: 0.08,
		Outcomes: map[prober.Phase]map[prober.Outcome]int{
			prober.Window: {prober.OK: 2, prober.HTTP503: 1}, prober.Drain: {prober.Aborted: 1},
		},
		PromptTokens: 256, OutputTokens: 10, CachedTokens: 32, CoalescedReads: 0.25, ITL: &prober.Histogram{}, Broken: broken,
		Measured: []prober.Observation{
			answer("run-1-1", 90*time.Millisecond, 30*time.Millisecond), answer("run-1-2", 110*time.Millisecond, 40*time.Millisecond),
		},
	}
	r.ITL.Observe(30*time.Millisecond, 4)
	r.ITL.Observe(40*time.Millisecond, 4)
	p.StepStarted(step)
	for i := range r.Measured {
		p.RequestSent(step)
		p.RequestEnded(step, &r.Measured[i])
	}
	p.RequestSent(step)
	p.RequestEnded(step, &prober.Observation{Phase: prober.Window, Outcome: prober.HTTP503})
	p.RequestSent(step)
	p.RequestEnded(step, &prober.Observation{Phase: prober.Drain, Outcome: prober.Aborted, Sent: 1})
	p.StepEnded(r)
}

// A ladder's series are there at 0 before anything has happened, so that no
// first event is lost to increase().
func TestEverySeriesOfTheLadderIsThereFromTheBeginning(t *testing.T) {
	p := NewProbe(ladder())
	const steps = 3 // 2.5 with one replica, 10 and 20 with both
	phasesAndOutcomes := len(prober.Phases()) * len(prober.Outcomes())
	for name, want := range map[string]int{
		"vllm_prober_time_to_first_token_seconds":         steps,
		"vllm_prober_time_per_output_token_seconds":       steps,
		"vllm_prober_inter_token_latency_seconds":         steps,
		"vllm_prober_request_duration_seconds":            steps,
		"vllm_prober_requests_total":                      steps * phasesAndOutcomes,
		"vllm_prober_completed_requests_total":            steps,
		"vllm_prober_good_requests_total":                 steps,
		"vllm_prober_attained_requests_total":             steps,
		"vllm_prober_offered_requests_total":              steps,
		"vllm_prober_measured_seconds_total":              steps,
		"vllm_prober_prompt_tokens_total":                 steps,
		"vllm_prober_cached_prompt_tokens_total":          steps,
		"vllm_prober_output_tokens_total":                 steps,
		"vllm_prober_dropped_arrivals_total":              steps,
		"vllm_prober_in_flight_requests":                  2, // arms
		"vllm_prober_offered_request_rate":                2,
		"vllm_prober_runs_total":                          len(prober.RunOutcomes()),
		"vllm_prober_runs_skipped_total":                  len(schedule.Reasons()),
		"vllm_prober_send_lag_seconds":                    1,
		"vllm_prober_run_active":                          1,
		"vllm_prober_step_valid":                          0, // a verdict that is not known is not there
		"vllm_prober_step_throughput_requests_per_second": 0,
	} {
		if got := testutil.CollectAndCount(p, name); got != want {
			t.Errorf("%s has %d series, want %d", name, got, want)
		}
	}
}

func TestCountersOfAStep(t *testing.T) {
	p := NewProbe(ladder())
	tell(p)
	const step = `{batch_size="16",gpus="8",probe="p",request_rate="10",target="t"}`
	for name, want := range map[string]float64{
		"completed_requests_total":                  2,
		"good_requests_total":                       1,
		"offered_requests_total":                    3,
		"measured_seconds_total":                    20,
		"prompt_tokens_total":                       256,
		"cached_prompt_tokens_total":                32,
		"output_tokens_total":                       10,
		"dropped_arrivals_total":                    0,
		"step_throughput_requests_per_second":       0.1,
		"step_goodput_requests_per_second":          0.05,
		"step_bench_throughput_requests_per_second": 0.08,
		"step_coalesced_reads_ratio":                0.25,
		"step_unfinished_requests":                  0,
	} {
		if got, found := valueOf(t, p, "vllm_prober_"+name, step); !found || got != want {
			t.Errorf("%s is %g, %t, want %g", name, got, found, want)
		}
	}
	for labels, want := range map[string]float64{
		`outcome="ok",phase="window"`:       2,
		`outcome="http_503",phase="window"`: 1,
		`outcome="aborted",phase="drain"`:   1,
		`outcome="aborted",phase="window"`:  0,
	} {
		full := `{batch_size="16",gpus="8",` + labels + `,probe="p",request_rate="10",target="t"}`
		if got, found := valueOf(t, p, "vllm_prober_requests_total", full); !found || got != want {
			t.Errorf("requests_total%s is %g, %t, want %g", full, got, found, want)
		}
	}
	arm := `{batch_size="16",gpus="8",probe="p",target="t"}`
	if got, _ := valueOf(t, p, "vllm_prober_in_flight_requests", arm); got != 0 {
		t.Errorf("%g requests are in flight after all have ended", got)
	}
	if got, _ := valueOf(t, p, "vllm_prober_offered_request_rate", arm); got != 0 {
		t.Errorf("%g requests per second are offered after the step", got)
	}
}

// The classic buckets, the native ones and the exemplars of one histogram, whose
// samples are 90 and 110 ms.
func TestHistogramsHoldTheMeasuredRequests(t *testing.T) {
	p := NewProbe(ladder())
	tell(p)
	h := metricOf(t, p, "vllm_prober_time_to_first_token_seconds", `{batch_size="16",gpus="8",probe="p",request_rate="10",target="t"}`).GetHistogram()
	if h.GetSampleCount() != 2 || math.Abs(h.GetSampleSum()-0.2) > 1e-12 {
		t.Errorf("%d samples with the sum %g, want 2 and 0.2", h.GetSampleCount(), h.GetSampleSum())
	}
	exemplars := map[string]bool{}
	for _, b := range h.GetBucket() {
		want := uint64(0)
		if b.GetUpperBound() >= 0.09 {
			want++
		}
		if b.GetUpperBound() >= 0.11 {
			want++
		}
		if b.GetCumulativeCount() != want {
			t.Errorf("%d samples up to %g s, want %d", b.GetCumulativeCount(), b.GetUpperBound(), want)
		}
		for _, l := range b.GetExemplar().GetLabel() {
			exemplars[l.GetName()+"="+l.GetValue()] = true
		}
	}
	if !exemplars["request_id=run-1-1"] || !exemplars["request_id=run-1-2"] {
		t.Errorf("exemplars %v, want both requests' ids", exemplars)
	}
	// Factor 1.05 asks for at least 16 buckets an octave: 2^(1/16) is 1.044.
	if h.GetSchema() != 4 {
		t.Errorf("native schema %d, want 4", h.GetSchema())
	}
	want := map[int]int64{ // the bucket i ends at 2^(i/16)
		int(math.Ceil(math.Log2(0.09) * 16)): 1,
		int(math.Ceil(math.Log2(0.11) * 16)): 1,
	}
	for bucket, n := range nativeBuckets(h) {
		if want[bucket] != n {
			t.Errorf("native bucket %d holds %d, want %d", bucket, n, want[bucket])
		}
		delete(want, bucket)
	}
	if len(want) > 0 {
		t.Errorf("native buckets %v are missing", want)
	}

	itl := metricOf(t, p, "vllm_prober_inter_token_latency_seconds", `{batch_size="16",gpus="8",probe="p",request_rate="10",target="t"}`).GetHistogram()
	if itl.GetSampleCount() != 8 || math.Abs(itl.GetSampleSum()-8*0.035) > 8*0.035*0.0055 {
		t.Errorf("ITL has %d samples with the sum %g, want 8 and 0.28 within a bucket's error", itl.GetSampleCount(), itl.GetSampleSum())
	}
	lag := metricOf(t, p, "vllm_prober_send_lag_seconds", `{probe="p"}`).GetHistogram()
	if lag.GetSampleCount() != 3 { // the 503 of this test was never sent
		t.Errorf("%d send lags, want 3", lag.GetSampleCount())
	}
}

// nativeBuckets undoes the spans and deltas of a native histogram.
func nativeBuckets(h *dto.Histogram) map[int]int64 {
	buckets := map[int]int64{}
	at, delta, count := 0, 0, int64(0)
	for _, span := range h.GetPositiveSpan() {
		at += int(span.GetOffset())
		for range span.GetLength() {
			count += h.GetPositiveDelta()[delta]
			delta++
			if count != 0 {
				buckets[at] = count
			}
			at++
		}
	}
	return buckets
}

// A step whose promises were broken leaves no latency, no throughput and no
// measured time behind; only what it sent is counted, and why it is invalid.
func TestAnInvalidStepIsWithheld(t *testing.T) {
	p := NewProbe(ladder())
	tell(p, prober.Broken{Promise: prober.PromiseSendLag})
	const step = `{batch_size="16",gpus="8",probe="p",request_rate="10",target="t"}`
	for _, name := range []string{"completed_requests_total", "offered_requests_total", "measured_seconds_total", "output_tokens_total"} {
		if got, _ := valueOf(t, p, "vllm_prober_"+name, step); got != 0 {
			t.Errorf("%s is %g, want 0", name, got)
		}
	}
	if n := metricOf(t, p, "vllm_prober_time_to_first_token_seconds", step).GetHistogram().GetSampleCount(); n != 0 {
		t.Errorf("the TTFT of %d requests is counted", n)
	}
	if _, found := valueOf(t, p, "vllm_prober_step_throughput_requests_per_second", step); found {
		t.Error("there is a throughput")
	}
	for reason, want := range map[prober.Promise]float64{
		prober.PromiseSendLag: 0, prober.PromiseCPU: 1, prober.PromiseInFlightCap: 1, prober.PromiseComplete: 1,
	} {
		labels := `{batch_size="16",gpus="8",probe="p",reason="` + string(reason) + `",request_rate="10",target="t"}`
		if got, found := valueOf(t, p, "vllm_prober_step_valid", labels); !found || got != want {
			t.Errorf("step_valid{reason=%q} is %g, %t, want %g", reason, got, found, want)
		}
	}
	if got, _ := valueOf(t, p, "vllm_prober_requests_total",
		`{batch_size="16",gpus="8",outcome="ok",phase="window",probe="p",request_rate="10",target="t"}`); got != 2 {
		t.Errorf("%g requests are counted as ok, want 2: they were sent, whatever became of the step", got)
	}
}

// A search's rates are not in the configuration: their series come, at 0, with the
// step, before its first event.
func TestARateOfASearchHasItsSeriesBeforeItsFirstEvent(t *testing.T) {
	p := NewProbe(ladder())
	step := aStep()
	step.RequestRate = 27
	labels := `{batch_size="16",gpus="8",probe="p",request_rate="27",target="t"}`
	if _, found := valueOf(t, p, "vllm_prober_completed_requests_total", labels); found {
		t.Fatal("a rate that nobody knows has a series")
	}
	p.StepStarted(step)
	if got, found := valueOf(t, p, "vllm_prober_completed_requests_total", labels); !found || got != 0 {
		t.Errorf("when the step begins, completed_requests_total is %g, %t", got, found)
	}
}

func TestVerdictsAndAnswers(t *testing.T) {
	p := NewProbe(ladder())
	step, r := aStep(), &prober.StepResult{Step: aStep(), ITL: &prober.Histogram{}, Saturated: prober.Saturated, Attainment: 0.75}
	r.Step = step
	p.StepStarted(step)
	p.StepEnded(r)
	p.RunEnded(&prober.RunResult{Answers: []prober.Answer{{
		Arm: step.Arm, Capacity: &prober.Estimate{Value: 16.5, Lower: 16, Upper: 18},
	}}, Comparison: &prober.Comparison{Best: &step.Arm, Arms: []prober.Compared{
		{Arm: prober.Arm{Target: "base"}}, {Arm: step.Arm, ToBase: &stats.Interval{Value: 1.2, Lower: 1.1, Upper: 1.3}},
	}}})
	p.RunEnded(&prober.RunResult{Answers: []prober.Answer{{Arm: step.Arm, Err: "not found"}}}) // changes nothing
	want := `
# HELP vllm_prober_compare_best Whether the arm did the most beyond chance in the latest comparison.
# TYPE vllm_prober_compare_best gauge
vllm_prober_compare_best{batch_size="",gpus="0",probe="p",target="base"} 0
vllm_prober_compare_best{batch_size="16",gpus="8",probe="p",target="t"} 1
# HELP vllm_prober_compare_throughput_ratio Throughput of an arm as a multiple of the first one's in the latest comparison: the estimate and its 95% interval.
# TYPE vllm_prober_compare_throughput_ratio gauge
vllm_prober_compare_throughput_ratio{batch_size="16",bound="estimate",gpus="8",probe="p",target="t"} 1.2
vllm_prober_compare_throughput_ratio{batch_size="16",bound="lower",gpus="8",probe="p",target="t"} 1.1
vllm_prober_compare_throughput_ratio{batch_size="16",bound="upper",gpus="8",probe="p",target="t"} 1.3
# HELP vllm_prober_saturation_request_rate Capacity of an arm in requests per second, by the latest search: the estimate, and the tried rates that it lies between.
# TYPE vllm_prober_saturation_request_rate gauge
vllm_prober_saturation_request_rate{batch_size="16",bound="estimate",gpus="8",probe="p",target="t"} 16.5
vllm_prober_saturation_request_rate{batch_size="16",bound="lower",gpus="8",probe="p",target="t"} 16
vllm_prober_saturation_request_rate{batch_size="16",bound="upper",gpus="8",probe="p",target="t"} 18
# HELP vllm_prober_step_saturated Whether the arm got more than it can bear for ever, in the latest step: 1 for the verdict, 0 for the others.
# TYPE vllm_prober_step_saturated gauge
vllm_prober_step_saturated{batch_size="16",gpus="8",probe="p",request_rate="10",target="t",verdict="no"} 0
vllm_prober_step_saturated{batch_size="16",gpus="8",probe="p",request_rate="10",target="t",verdict="undetermined"} 0
vllm_prober_step_saturated{batch_size="16",gpus="8",probe="p",request_rate="10",target="t",verdict="yes"} 1
# HELP vllm_prober_step_slo_attainment_ratio Share of the requests offered in the window that kept the SLO, in the latest valid step.
# TYPE vllm_prober_step_slo_attainment_ratio gauge
vllm_prober_step_slo_attainment_ratio{batch_size="16",gpus="8",probe="p",request_rate="10",target="t"} 0.75
`
	if err := testutil.CollectAndCompare(p, strings.NewReader(want), "vllm_prober_step_saturated", "vllm_prober_step_slo_attainment_ratio",
		"vllm_prober_saturation_request_rate", "vllm_prober_slo_request_rate", "vllm_prober_compare_best", "vllm_prober_compare_throughput_ratio"); err != nil {
		t.Error(err)
	}
}

// What a comparison says of an arm is gone when the next one does not say it: it told
// of fewer arms, or had too few repeats. Another probe's is not touched.
func TestAComparisonTakesThePlaceOfTheOneBefore(t *testing.T) {
	p, other := NewProbe(ladder()), NewProbe(ladder())
	base, arm, third := prober.Arm{Target: "base"}, aStep().Arm, prober.Arm{Target: "third"}
	times := func(x float64) *stats.Interval { return &stats.Interval{Value: x, Lower: x, Upper: x} }
	first := &prober.RunResult{Comparison: &prober.Comparison{Best: &third, Arms: []prober.Compared{
		{Arm: base}, {Arm: arm, ToBase: times(1.2)}, {Arm: third, ToBase: times(1.5)},
	}}}
	p.RunEnded(first)
	other.RunEnded(first)
	p.RunEnded(&prober.RunResult{Comparison: &prober.Comparison{Arms: []prober.Compared{{Arm: base}, {Arm: arm}}}})
	const best = `
# HELP vllm_prober_compare_best Whether the arm did the most beyond chance in the latest comparison.
# TYPE vllm_prober_compare_best gauge
vllm_prober_compare_best{batch_size="",gpus="0",probe="p",target="base"} 0
vllm_prober_compare_best{batch_size="16",gpus="8",probe="p",target="t"} 0
`
	if err := testutil.CollectAndCompare(p, strings.NewReader(best), "vllm_prober_compare_best", "vllm_prober_compare_throughput_ratio"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(other, "vllm_prober_compare_throughput_ratio"); n != 6 {
		t.Errorf("the other probe has %d ratios, want 3 of each of 2 arms", n)
	}
}

func TestRunGauges(t *testing.T) {
	p := NewProbe(ladder())
	begin := time.Unix(1000, 0)
	p.NextRun(begin)
	p.RunStarted(prober.Run{Steps: 4})
	want := func(name string, want float64) {
		t.Helper()
		if got, _ := valueOf(t, p, "vllm_prober_"+name, `{probe="p"}`); got != want {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
	want("run_active", 1)
	want("run_next_timestamp_seconds", 1000)
	p.StepEnded(&prober.StepResult{Step: aStep(), ITL: &prober.Histogram{}})
	want("run_progress_ratio", 0.25)
	p.RunEnded(&prober.RunResult{
		Run: prober.Run{Steps: 4, StartedAt: begin}, EndedAt: begin.Add(90 * time.Second), Outcome: prober.RunStopped, Err: "stopped",
		Results: make([]prober.StepResult, 1),
	})
	want("run_active", 0)
	want("run_progress_ratio", 0.25)
	want("run_last_duration_seconds", 90)
	want("run_last_success_timestamp_seconds", 0)
	p.RunStarted(prober.Run{Steps: 1})
	want("run_progress_ratio", 0)
	only := aStep()
	only.Known = 1
	p.StepEnded(&prober.StepResult{Step: only, ITL: &prober.Histogram{}})
	p.RunEnded(&prober.RunResult{
		Run: prober.Run{Steps: 1, StartedAt: begin}, EndedAt: begin.Add(60 * time.Second), Outcome: prober.RunSuccess, Results: make([]prober.StepResult, 1),
	})
	want("run_progress_ratio", 1)
	want("run_last_success_timestamp_seconds", 1060)
	expected := `
# HELP vllm_prober_runs_total Runs that ended, by result.
# TYPE vllm_prober_runs_total counter
vllm_prober_runs_total{probe="p",result="aborted"} 0
vllm_prober_runs_total{probe="p",result="failed"} 0
vllm_prober_runs_total{probe="p",result="stopped"} 1
vllm_prober_runs_total{probe="p",result="success"} 1
`
	if err := testutil.CollectAndCompare(p, strings.NewReader(expected), "vllm_prober_runs_total"); err != nil {
		t.Error(err)
	}
}

// Names, types and help texts keep to Prometheus's conventions.
func TestMetricsAreLintFree(t *testing.T) {
	p := NewProbe(ladder())
	tell(p)
	problems, err := testutil.CollectAndLint(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

func metricOf(t *testing.T, c prometheus.Collector, name, labels string) *dto.Metric {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && labelsOf(m) == labels {
				return m
			}
		}
	}
	return nil
}

func valueOf(t *testing.T, c prometheus.Collector, name, labels string) (float64, bool) {
	t.Helper()
	m := metricOf(t, c, name, labels)
	if m.GetCounter() != nil {
		return m.GetCounter().GetValue(), true
	}
	return m.GetGauge().GetValue(), m.GetGauge() != nil
}

// labelsOf writes a metric's labels as the text exposition does.
func labelsOf(m *dto.Metric) string {
	var pairs []string
	for _, l := range m.GetLabel() {
		pairs = append(pairs, l.GetName()+`="`+l.GetValue()+`"`)
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

// A heartbeat has the series of its one rate, and none of runs.
func TestAHeartbeatHasNoRuns(t *testing.T) {
	cfg, probe := ladder()
	probe.Heartbeat = &config.Heartbeat{Rate: 0.2, Window: time.Minute}
	probe.Arms = []config.Arm{{Target: "t"}}
	p := NewProbe(cfg, probe)
	for name, want := range map[string]int{
		"vllm_prober_time_to_first_token_seconds":        1,
		"vllm_prober_in_flight_requests":                 1,
		"vllm_prober_paused":                             1,
		"vllm_prober_runs_total":                         0,
		"vllm_prober_runs_skipped_total":                 0,
		"vllm_prober_run_active":                         0,
		"vllm_prober_run_progress_ratio":                 0,
		"vllm_prober_run_last_success_timestamp_seconds": 0,
		"vllm_prober_run_last_duration_seconds":          0,
		"vllm_prober_run_next_timestamp_seconds":         0,
	} {
		if got := testutil.CollectAndCount(p, name); got != want {
			t.Errorf("%s has %d series, want %d", name, got, want)
		}
	}
	const series = `{batch_size="16",gpus="8",probe="p",request_rate="0.2",target="t"}`
	if _, found := valueOf(t, p, "vllm_prober_measured_seconds_total", series); !found {
		t.Errorf("there is no series %s", series)
	}
}
