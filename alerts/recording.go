package alerts

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// The latencies, by the names of their histograms without the prefix.
const (
	ttft = "time_to_first_token_seconds"
	tpot = "time_per_output_token_seconds"
	itl  = "inter_token_latency_seconds"
	e2e  = "request_duration_seconds"
)

var latencies = []string{ttft, tpot, itl, e2e}

// judged are the latencies that have a baseline, with their names in labels and in
// texts. ITL is TPOT in other words, and E2E both together.
var judged = []struct{ metric, label, word string }{{ttft, "ttft", "TTFT"}, {tpot, "tpot", "TPOT"}}

const (
	throughput = "throughput_requests_per_second"
	goodput    = "goodput_requests_per_second"
	capacity   = "capacity_requests_per_second"
)

// Names of rules that others build on.
const (
	ended  = "step:vllm_prober_end_timestamp_seconds:latest"
	ran    = "step:vllm_prober_first_end_timestamp_seconds:latest"
	rate   = "step:vllm_prober_request_rate:latest"
	lowest = "step:vllm_prober_request_rate:lowest"
	first  = "arm:vllm_prober_position:first"
	few    = "arm:vllm_prober_gpus:smallest"
	small  = "arm:vllm_prober_batch_size:smallest"

	searched = "arm:vllm_prober_search_end_timestamp_seconds:latest"
)

func step(metric, operation string) string { return "step:vllm_prober_" + metric + ":" + operation }
func arm(metric, operation string) string  { return "arm:vllm_prober_" + metric + ":" + operation }

// operation is a rule's name with another operation.
func operation(rule, operation string) string {
	return rule[:strings.LastIndex(rule, ":")+1] + operation
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// seconds is a duration as PromQL compares timestamps with.
func seconds(d time.Duration) string { return number(d.Seconds()) }

// fill puts values in the place of words of an expression: FILL, VALUE, ….
func fill(expr string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(expr) }

// Recording returns the recording rules. Each leaves out the labels instance and
// pod, so that a prober that is replaced goes on in the same series, and keeps job
// and what else a scrape has added.
func (s Settings) Recording() Groups {
	return Groups{[]Group{
		{Name: "vllm_prober.latest", Rules: s.latest()},
		{Name: "vllm_prober.compare", Rules: s.compare()},
		{Name: "vllm_prober.hour", Rules: append(s.overTime(s.Hour), s.errorRatios()...)},
		// What reads a day or a week is made less often. Prometheus shows a sample for
		// five minutes.
		{Name: "vllm_prober.day", Interval: "3m", Rules: append(s.overTime(s.Day), s.throughputOverTime(s.Day)...)},
		{Name: "vllm_prober.baseline", Interval: "3m", Rules: s.baselines()},
	}}
}

// latest are the gauges of the latest steps, searches and replicas, and what
// follows of them without a second step.
func (s Settings) latest() []Rule {
	// Only steps that the probe still makes: not a rate that a search came by once.
	rules := []Rule{recording(ended, fill(`
		max without (instance, pod) (vllm_prober_step_end_timestamp_seconds)
		>= ignoring (target, gpus, batch_size, request_rate) group_left ()
		max without (instance, pod, target, gpus, batch_size, request_rate) (vllm_prober_step_end_timestamp_seconds) - WITHIN
	`, "WITHIN", seconds(s.CompareWithin)))}
	of := func(name, gauge string) {
		rules = append(rules, recording(name, fill(`
			max without (instance, pod) (GAUGE)
			and ignoring (figure) ENDED
		`, "GAUGE", gauge, "ENDED", ended)))
	}
	of(ran, "vllm_prober_step_first_end_timestamp_seconds")
	of(rate, "vllm_prober_step_request_rate")
	for _, l := range latencies {
		of(step(l, "latest"), "vllm_prober_step_"+l)
		of(step(l, "previous"), "vllm_prober_previous_step_"+l)
	}
	of(step(throughput, "latest"), "vllm_prober_step_"+throughput)
	of(step(throughput, "previous"), "vllm_prober_previous_step_"+throughput)
	of(step(goodput, "latest"), "vllm_prober_step_"+goodput)
	of(step("measured_requests", "latest"), "vllm_prober_step_measured_requests")
	of(step("saturated", "latest"), `max without (verdict) (vllm_prober_step_saturated{verdict="yes"})`)
	of(step("joules_per_output_token", "latest"), "vllm_prober_step_joules_per_output_token")
	of(step("output_tokens_per_joule", "latest"), "vllm_prober_step_output_tokens_per_joule")
	of(step("achieved_over_offered", "ratio"), "vllm_prober_step_"+throughput+" / (vllm_prober_step_offered_requests_per_second > 0)")
	// By Little's law, the mean that waits over the rate at which requests go through
	// is the mean time in the queue.
	rules = append(rules, recording(step("queue_share_of_ttft", "ratio"), fill(`
		clamp_max(
			max without (instance, pod, stat) (vllm_prober_step_requests_waiting{stat="mean"})
			/ (THROUGHPUT > 0)
			/ ignoring (figure) (sum without (figure) (TTFT{figure="mean"}) > 0),
			1
		)
	`, "THROUGHPUT", step(throughput, "latest"), "TTFT", step(ttft, "latest"))))
	rules = append(rules,
		recording(arm(capacity, "latest"), `max without (instance, pod, bound) (vllm_prober_saturation_request_rate{bound="estimate"})`),
		recording(arm(capacity, "previous"), `max without (instance, pod) (vllm_prober_previous_saturation_request_rate)`),
		recording(searched, `max without (instance, pod) (vllm_prober_search_end_timestamp_seconds)`),
		recording(arm("slo_requests_per_second", "latest"), `max without (instance, pod, bound) (vllm_prober_slo_request_rate{bound="estimate"})`),
		recording(step("headroom_to_capacity", "ratio"), fill(`
			1 - RATE / ignoring (request_rate) group_left () (CAPACITY > 0)
		`, "RATE", rate, "CAPACITY", arm(capacity, "latest"))),
	)
	return append(rules, s.headroom())
}

// headroom is the share of slots and of KV cache that all traffic together leaves free.
func (s Settings) headroom() Rule {
	return recording("target:vllm_prober_headroom:ratio", fill(`
		label_replace(
			1 - sum without (instance, pod, replica, engine) (avg_over_time(vllm_prober_replica_requests_running[WINDOW]))
			/ (
				count without (instance, pod, replica, engine) (vllm_prober_replica_requests_running)
				* max without (instance, pod, probe, gpus, batch_size) (vllm_prober_arm_batch_size)
			),
			"resource", "slots", "", ""
		)
		or
		label_replace(
			1 - max without (instance, pod, replica, engine) (avg_over_time(vllm_prober_replica_kv_cache_usage_ratio[WINDOW])),
			"resource", "kv_cache", "", ""
		)
	`, "WINDOW", promql(s.HeadroomWindow)))
}

// overTime are the latencies of all requests of a window.
func (s Settings) overTime(window time.Duration) []Rule {
	var rules []Rule
	for _, l := range latencies {
		values := []string{"NAME", "vllm_prober_" + l, "WINDOW", promql(window)}
		// Either form of a histogram: a selector that meets both yields nothing. What
		// no request was measured in is not there, and never NaN, which would hide the
		// other form.
		rules = append(rules, recording(step(l, "mean_"+promql(window)), fill(`
			histogram_avg(sum without (instance, pod) (increase(NAME[WINDOW]))) >= 0
			or
			sum without (instance, pod) (increase(NAME_sum[WINDOW]))
			/ (sum without (instance, pod) (increase(NAME_count[WINDOW])) > 0)
		`, values...)))
		for _, q := range []struct{ name, quantile string }{{"p50", "0.5"}, {"p90", "0.9"}, {"p99", "0.99"}} {
			rules = append(rules, recording(step(l, q.name+"_"+promql(window)), fill(`
				histogram_quantile(QUANTILE, sum without (instance, pod) (increase(NAME[WINDOW]))) >= 0
				or
				histogram_quantile(QUANTILE, sum without (instance, pod) (increase(NAME_bucket[WINDOW]))) >= 0
			`, append(values, "QUANTILE", q.quantile)...)))
		}
	}
	return rules
}

// throughputOverTime is exact at any scrape interval: both counters move at once.
func (s Settings) throughputOverTime(window time.Duration) []Rule {
	of := func(name, counter string) Rule {
		return recording(step(name, "mean_"+promql(window)), fill(`
			sum without (instance, pod) (increase(COUNTER[WINDOW]))
			/ (sum without (instance, pod) (increase(vllm_prober_measured_seconds_total[WINDOW])) > 0)
		`, "COUNTER", counter, "WINDOW", promql(window)))
	}
	return []Rule{of(throughput, "vllm_prober_completed_requests_total"), of(goodput, "vllm_prober_good_requests_total")}
}

// errorRatios are the shares of heartbeats' requests that missed the SLO. A probe
// that has runs is a ladder, which is there to find out where the SLO ends. It is told
// by the window too: while the prober is down, its counters still have an increase.
func (s Settings) errorRatios() []Rule {
	var rules []Rule
	for _, window := range []time.Duration{s.Fast.Short, s.Fast.Long, s.Slow.Short, s.Slow.Long} {
		r := recording(errorRatio(window), fill(`
			1 -
			sum without (instance, pod, request_rate) (increase(vllm_prober_attained_requests_total[WINDOW]))
			/ (sum without (instance, pod, request_rate) (increase(vllm_prober_offered_requests_total[WINDOW])) > 0)
			unless ignoring (target, gpus, batch_size)
			max without (instance, pod) (max_over_time(vllm_prober_run_active[WINDOW]))
		`, "WINDOW", promql(window)))
		// Two of the windows may be the same.
		if !slices.ContainsFunc(rules, func(other Rule) bool { return other.Record == r.Record }) {
			rules = append(rules, r)
		}
	}
	return rules
}

func errorRatio(window time.Duration) string { return arm("slo_errors", "ratio_"+promql(window)) }
