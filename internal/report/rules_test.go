package report

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/results"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

var (
	single = prober.Arm{Target: "a", Replicas: 1, GPUs: 1, BatchSize: 16}
	four   = prober.Arm{Target: "a", Replicas: 4, GPUs: 4, BatchSize: 16}
	other  = prober.Arm{Target: "b", Replicas: 1, GPUs: 1, BatchSize: 32}
)

// a step whose figures a test changes. It takes 40 ms to its first token, 20 ms for
// each of 51 tokens, so 1.04 s, and completes what arrives.
func made(arm prober.Arm, rate float64, saturated prober.Saturation, change ...func(*prober.StepResult)) prober.StepResult {
	all := func(mean float64) prober.Distribution {
		return prober.Distribution{Count: 600, Mean: mean, P50: mean, P99: mean}
	}
	s := prober.StepResult{
		Step:      prober.Step{RunID: "r", Arm: arm, RequestRate: rate, Seed: uint64(rate), Warmup: 10 * time.Second, Window: 60 * time.Second},
		Completed: int(rate * 60), Good: int(rate * 60), Throughput: rate, Goodput: rate, BenchThroughput: rate, SettledThroughput: rate,
		Saturated: saturated, Attainment: 1, Outcomes: map[prober.Phase]map[prober.Outcome]int{prober.Window: {prober.OK: int(rate * 60)}},
		Latencies: &prober.Latencies{TTFT: all(0.040), TPOT: all(0.020), E2E: all(1.040)},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func took(ttft, tpot float64) func(*prober.StepResult) {
	return func(s *prober.StepResult) {
		s.Latencies.TTFT.Mean, s.Latencies.TPOT.Mean, s.Latencies.E2E.Mean = ttft, tpot, ttft+50*tpot
	}
}

// evenly has so many requests complete in each part of the window.
func evenly(each int) func(*prober.StepResult) {
	return func(s *prober.StepResult) {
		parts := slices.Repeat([]int{each}, stats.Parts)
		s.Completed, s.Throughput = stats.Parts*each, float64(stats.Parts*each)/s.Window.Seconds()
		s.Batches = &prober.Batches{Completed: parts, Good: parts, TTFT: stats.BatchesOf(nil), TPOT: stats.BatchesOf(nil), E2E: stats.BatchesOf(nil)}
	}
}

func says(inForce prober.InForceVerdict, running, waiting float64) func(*prober.StepResult) {
	return func(s *prober.StepResult) {
		s.Replicas = []prober.ReplicaResult{{
			Running: &prober.Level{Mean: running, Max: running}, Waiting: &prober.Level{Mean: waiting, Max: waiting},
			InForce: prober.InForce{Verdict: inForce, Detail: "…"},
		}}
	}
}

func reconciled(c prober.Reconciliation) func(*prober.StepResult) {
	return func(s *prober.StepResult) { s.Reconciliation = &c }
}

func broken(promises ...prober.Promise) func(*prober.StepResult) {
	return func(s *prober.StepResult) {
		s.Latencies = nil
		for _, p := range promises {
			s.Broken = append(s.Broken, prober.Broken{Promise: p, Detail: "…"})
		}
	}
}

func joulesOf(joules float64, throttled map[string]float64) func(*prober.StepResult) {
	return func(s *prober.StepResult) {
		s.GPU = &prober.GPUResult{JoulesPerOutputToken: &joules, ThrottledSeconds: throttled}
	}
}

// recorded is a run that succeeded, of some steps.
func recorded(steps ...prober.StepResult) *results.Record {
	r := &results.Record{}
	r.ID, r.Probe, r.Outcome = "r", "p", prober.RunSuccess
	for _, s := range steps {
		r.Steps = append(r.Steps, results.Step{StepResult: s, Batches: s.Batches})
	}
	return r
}

// withSLO has a probe that wants TTFT within 500 ms for 90% of the requests.
func withSLO(t *testing.T, r *results.Record) *results.Record {
	t.Helper()
	target := config.DefaultTarget()
	target.Name, target.Replicas = "a", []string{"http://a"}
	cfg := &config.Config{Targets: []config.Target{target}}
	probe := config.DefaultProbe()
	probe.Name, probe.Arms, probe.Ladder.Rates, probe.SLO.TTFT, probe.SLO.Attainment = "p", []config.Arm{{Target: "a"}}, []float64{10}, time.Second/2, 0.9
	cfg.Probes = []config.Probe{probe}
	text, err := results.Configuration(cfg, probe)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Parse([]byte(text), "record"); err != nil {
		t.Fatal(err)
	}
	r.Configuration = text
	return r
}

func changed(r *results.Record, change func(*results.Record)) *results.Record {
	change(r)
	return r
}

// warming are repeats of a step in which the first eighth of the requests took half as
// long again as the others, which alternate about 40 ms by a thousandth or so.
func warming() (steps []prober.StepResult) {
	for repeat := range 8 {
		samples := make([]stats.Sample, 320)
		for i := range samples {
			ttft := 0.04 * (1 + 0.001*float64((i*7+repeat*3)%5-2))
			if i < 40 {
				ttft *= 1.5
			}
			samples[i] = stats.Sample{At: (float64(i) + 0.5) / 320, Value: ttft}
		}
		b := stats.BatchesOf(samples)
		steps = append(steps, made(single, 10, no, func(s *prober.StepResult) {
			s.Seed, s.Batches = uint64(repeat), &prober.Batches{Completed: b.Count, Good: b.Count, TTFT: b, TPOT: b, E2E: b}
		}))
	}
	return steps
}

const (
	yes     = prober.Saturated
	no      = prober.Unsaturated
	unknown = prober.Undetermined
)

// Each rule, with the verdicts that its sentence follows from. Figures are worked out
// by hand.
func TestSentences(t *testing.T) {
	attained := func(x float64) func(*prober.StepResult) { return func(s *prober.StepResult) { s.Attainment = x } }
	pairs := func(differ ...float64) (steps []prober.StepResult) {
		for i, factor := range differ {
			for _, arm := range []prober.Arm{single, other} {
				ttft := 0.040
				if arm == other {
					ttft *= factor
				}
				steps = append(steps, made(arm, 10, no, took(ttft, 0.020), func(s *prober.StepResult) { s.Seed = uint64(i) }))
			}
		}
		return steps
	}
	var hopeless []prober.StepResult // repeats at 20 whose TTFT differs tenfold, now one way and now the other
	for i, s := range pairs(0.1, 10, 0.1, 10) {
		s.RequestRate, s.Seed = 20, uint64(20+i/2)
		hopeless = append(hopeless, s)
	}
	for _, c := range []struct {
		rule     string
		record   *results.Record
		text     string
		evidence string
	}{
		{"run.success", recorded(made(single, 10, no)), "The run made all of its steps: 1.", "outcome: success"},
		{
			"run.incomplete", changed(recorded(made(single, 10, no)), func(r *results.Record) { r.Outcome, r.Err = prober.RunAborted, "cut" }),
			"The run did not make all of its steps: aborted: cut.", `outcome: "aborted"`,
		},
		{
			"run.under_way", changed(recorded(made(single, 10, no)), func(r *results.Record) { r.Outcome, r.Run.Steps = "", 12 }),
			"The run has not ended; it has made 1 of the 12 steps that were planned.", "outcome: not ended",
		},
		{"valid.all", recorded(made(single, 10, no)), "All steps are valid: the prober kept up with its own schedule and nothing happened to the replicas.", "valid: 1 of 1"},
		{
			"valid.some", recorded(made(single, 10, no), made(single, 20, unknown, broken(prober.PromiseCPU, prober.PromiseSendLag)), made(single, 30, unknown, broken(prober.PromiseCPU))),
			"2 of 3 steps are not valid, and their latencies are withheld (send_lag × 1 and cpu × 2).", "valid: 1 of 3",
		},
		{
			"valid.none", recorded(made(single, 20, unknown, broken(prober.PromiseGuard))),
			"No step is valid, of 1 (guard × 1): this run says nothing of the service.", "valid: 0 of 1",
		},

		{
			"valid.repeated", recorded(
				made(single, 10, unknown, broken(prober.PromiseGuard)), made(single, 10, no, func(s *prober.StepResult) { s.Repeated = true })),
			"Steps that the guard aborted and that were made again: 1. Of these only the later ones count here.", "repeated: 1",
		},

		{
			"saturation.none", recorded(made(single, 10, no), made(single, 20, no)),
			"a kept up with all request rates that were measured, up to 20 requests a second.", "saturated: no at 10, no at 20",
		},
		{
			"saturation.borne", recorded(made(single, 10, no), made(single, 20, unknown)),
			"a kept up with 10 requests a second.", "saturated: no at 10, undetermined at 20",
		},
		{
			"saturation.between", recorded(made(single, 10, no), made(single, 20, no), made(single, 30, unknown), made(single, 40, yes)),
			"a kept up with 20 requests a second, but not with 40.", "saturated: no at 10, no at 20, undetermined at 30, yes at 40",
		},
		{ // nothing is known of 10, which it may have borne
			"saturation.over", recorded(made(single, 10, unknown), made(single, 20, yes), made(single, 30, unknown)),
			"a did not keep up with 20 requests a second.", "saturated: undetermined at 10, yes at 20, undetermined at 30",
		},
		{
			"saturation.unknown", recorded(made(single, 10, unknown), made(single, 20, yes), made(single, 30, unknown)),
			"Nobody can say from these steps whether a can bear 10 requests a second: they were too short to tell.",
			"saturated: undetermined at 10, yes at 20, undetermined at 30",
		},
		{
			"saturation.contrary", recorded(made(single, 2, no), made(single, 4, yes), made(single, 8, no)),
			"a fell behind at 4 requests a second, although not at 8: these verdicts contradict each other.", "saturated: no at 2, yes at 4, no at 8",
		},
		{
			"saturation.borne", recorded(made(single, 2, no), made(single, 4, yes), made(single, 8, no)),
			"a kept up with 8 requests a second.", "saturated: no at 2, yes at 4, no at 8",
		},
		{"saturation.always", recorded(made(single, 10, yes)), "a did not even keep up with the lowest request rate that was measured, 10 a second.", "saturated: yes at 10"},
		{
			"saturation.unknown", recorded(made(single, 10, no), made(single, 20, unknown), made(single, 30, unknown)),
			"Nobody can say from these steps whether a can bear 20 and 30 requests a second: they were too short to tell.",
			"saturated: no at 10, undetermined at 20, undetermined at 30",
		},
		{ // two steps that differ
			"saturation.unknown", recorded(made(single, 10, no), made(single, 10, yes)),
			"Nobody can say from these steps whether a can bear 10 requests a second: they were too short to tell.", "saturated: undetermined at 10",
		},
		{
			"capacity.found", changed(recorded(made(single, 10, no)), func(r *results.Record) {
				r.Answers = []prober.Answer{{Arm: single, Capacity: &prober.Estimate{Value: 16.571, Lower: 16, Upper: 18}}}
			}), "Capacity of a: 16.6 requests a second.", "capacity: 16.57, between 16 and 18",
		},
		{ // 64 in each of 32 parts of 60 s are 34.13 a second, and sure to be more than 1.05·16.571
			"capacity.exceeded", changed(recorded(made(single, 40, yes, evenly(64))), func(r *results.Record) {
				r.Answers = []prober.Answer{{Arm: single, Capacity: &prober.Estimate{Value: 16.571, Lower: 16, Upper: 18}}}
			}), "a completed 34.1 requests a second at 40, more than that capacity, beyond chance: the speed of the replicas changed while they were measured.",
			"throughput: 34.13 at 40; capacity: 16.57",
		},
		{
			"capacity.given_up", changed(recorded(made(single, 10, no)), func(r *results.Record) { r.Answers = []prober.Answer{{Arm: single, Err: "too many steps"}} }),
			"The search for the capacity of a was given up: too many steps.", "search error: too many steps",
		},
		{
			"search.cut", changed(recorded(made(single, 10, no)), func(r *results.Record) {
				r.Answers = []prober.Answer{{Arm: single, Capacity: &prober.Estimate{Value: 16.571, Lower: 16, Upper: 18}, Err: "too many steps"}}
			}), "The search of a ended before it had found all that it was to find: too many steps.", "search error: too many steps",
		},
		{
			"slo.rate", changed(recorded(made(single, 10, no)), func(r *results.Record) {
				r.Answers = []prober.Answer{{Arm: single, SLORate: &prober.Estimate{Value: 12, Lower: 11, Upper: 13}}}
			}), "a kept the SLO up to about 12 requests a second.", "slo_rate: 12, between 11 and 13",
		},
		{
			"slo.kept", withSLO(t, recorded(made(single, 10, no), made(single, 20, no, attained(0.91)))),
			"a kept the SLO at all request rates that were measured, up to 20 a second.", "slo attainment: 1 at 10, 0.91 at 20; wanted 0.9",
		},
		{
			"slo.between", withSLO(t, recorded(made(single, 10, no), made(single, 20, no, attained(0.5)))),
			"a kept the SLO at 10 requests a second; at 20, 50% of the requests kept it.", "slo attainment: 1 at 10, 0.5 at 20; wanted 0.9",
		},
		{
			"slo.missed", withSLO(t, recorded(made(single, 10, no, attained(0.255)))),
			"a missed the SLO even at the lowest request rate that was measured, 10 a second, where 25.5% of the requests kept it.", "slo attainment: 0.255 at 10; wanted 0.9",
		},

		{
			"latency.calm", recorded(made(single, 10, no), made(single, 20, no, took(0.060, 0.025))),
			"Below saturation, latency stays in bounds: from 10 to 20 requests a second, TTFT of a went from 40 ms to 60 ms, and TPOT from 20 ms to 25 ms.", "saturated: no at 10, no at 20",
		},
		{
			"latency.rises", recorded(made(single, 10, no), made(single, 20, no, took(0.120, 0.025))),
			"Latency grows already before saturation: from 10 to 20 requests a second, TTFT of a went from 40 ms to 120 ms, and TPOT from 20 ms to 25 ms.", "saturated: no at 10, no at 20",
		},
		{
			"latency.rises", recorded(made(single, 10, no), made(single, 20, no, took(0.060, 0.060))),
			"Latency grows already before saturation: from 10 to 20 requests a second, TTFT of a went from 40 ms to 60 ms, and TPOT from 20 ms to 60 ms.", "saturated: no at 10, no at 20",
		},
		{
			"latency.queue", recorded(made(single, 10, no), made(single, 20, yes, took(4, 0.030))),
			"The time goes into the queue: from 10 to 20 requests a second, TTFT of a grew 100-fold, from 40 ms to 4 s, and TPOT 1.5-fold, from 20 ms to 30 ms.", "saturated: no at 10, yes at 20",
		},
		{ // a step that is too short to tell of saturation
			"latency.queue", recorded(made(single, 10, no), made(single, 20, unknown, took(1.2, 0.040)), made(single, 30, unknown, took(9, 0.1))),
			"The time goes into the queue: from 10 to 20 requests a second, TTFT of a grew 30-fold, from 40 ms to 1.2 s, and TPOT 2-fold, from 20 ms to 40 ms.",
			"saturated: no at 10, undetermined at 20",
		},
		{ // 30 that wait at 20 a second are 1.5 s of 4
			"latency.waiting", recorded(made(single, 10, no, says(prober.DidNotBind, 9, 0.1)), made(single, 20, yes, took(4, 0.030), says(prober.Bound, 16, 30))),
			"About 37.5% of the TTFT of a at 20 requests a second was the wait in the replicas' queues: an estimate, by the number of requests that they said were waiting.",
			"waiting / throughput: 1.5 s of 4 s",
		},

		{
			"scaling.factor", recorded(made(single, 20, yes), made(four, 80, yes, func(s *prober.StepResult) { s.SettledThroughput = 60 })),
			"a on 4 GPUs did 3 times what a on 1 GPU did, on 4 times the GPUs: an efficiency of 75%.", "capacity: 20 (saturated: true), 60 (saturated: true)",
		},
		{
			"scaling.at_least", recorded(made(single, 20, yes), made(four, 70, no)),
			"a on 4 GPUs did at least 3.5 times what a on 1 GPU did, on 4 times the GPUs; it was not seen to be saturated, so that its capacity may be higher.",
			"capacity: 20 (saturated: true), 70 (saturated: false)",
		},
		{ // the most of what it completed, which is not that of its highest rate
			"scaling.at_least", recorded(made(single, 20, yes), made(four, 70, no), made(four, 80, unknown, func(s *prober.StepResult) { s.Throughput = 60 })),
			"a on 4 GPUs did at least 3.5 times what a on 1 GPU did, on 4 times the GPUs; it was not seen to be saturated, so that its capacity may be higher.",
			"capacity: 20 (saturated: true), 70 (saturated: false)",
		},
		{
			"scaling.unknown", recorded(made(single, 20, no), made(four, 80, yes)),
			"How a on 4 GPUs scales against a on 1 GPU cannot be said: a on 1 GPU was not seen to be saturated, so that what it can do is not known.",
			"capacity: 20 (saturated: false), 80 (saturated: true)",
		},

		{
			"batch.exceeded", recorded(made(single, 10, no, says(prober.DidNotBind, 9, 0)), made(single, 20, no, says(prober.NotInForce, 50, 0))),
			"The declared batch size 16 of a is not in force: up to 50 requests ran on a replica at once.", "in force: did_not_bind at 10, not_in_force at 20",
		},
		{
			"batch.other_limit", recorded(made(single, 20, no, says(prober.NotInForce, 8, 20))),
			"The declared batch size 16 of a is not in force: requests waited, although no more than 8 ran on a replica.", "in force: not_in_force at 20",
		},
		{
			// of two engines that may run 16 each, 20 are not too many
			"batch.other_limit", recorded(made(single, 20, no, says(prober.NotInForce, 20, 20), func(s *prober.StepResult) { s.Replicas[0].InForce.Allowed = 32 })),
			"The declared batch size 16 of a is not in force: requests waited, although no more than 20 ran on a replica.", "in force: not_in_force at 20",
		},
		{
			"batch.bound", recorded(made(single, 10, no, says(prober.DidNotBind, 9, 0)), made(single, 20, yes, says(prober.Bound, 16, 9))),
			"The batch size 16 of a is in force and was what requests waited for, at 20 requests a second.", "in force: did_not_bind at 10, bound at 20",
		},
		{
			"batch.did_not_bind", recorded(made(single, 10, no, says(prober.DidNotBind, 9, 0))),
			"The batch size 16 of a limited nothing at any of these request rates: no request waited for a slot for long.", "in force: did_not_bind at 10",
		},
		{ // 20 a second that take 1 s after their first token are 20 that run, of 16
			"batch.law", recorded(made(single, 20, no)),
			"The declared batch size of a cannot have been in force: batch size 16 was not in force at 20 req/s: 20 requests a second, each of which had tokens coming for 1 s, are 20 that ran at once, and it lets 16.",
			"finding: not_in_force at 20",
		},
		{
			"batch.neither", recorded(made(single, 10, no, says(prober.DidNotBind, 9, 0)), made(other, 10, no, says(prober.DidNotBind, 9, 0))),
			"Nothing that differs between a and b can come from their batch sizes, for neither limited anything.", "in force: did_not_bind of a, did_not_bind of b",
		},
		{
			"batch.no_cause", recorded(made(single, 10, no, says(prober.NotInForce, 50, 0)), made(other, 10, no, says(prober.Bound, 32, 9))),
			"Nothing that differs between a and b can come from their batch sizes, for these were not both in force.", "in force: not_in_force of a, bound of b",
		},

		{ // a request in 600, at each of two repeats, is 0.083%: the t of one degree of freedom makes it 1.1%
			"difference.none", recorded(pairs(1, 1)...), "b and a do the same: no difference beyond ±1.1% in any of 8 figures.",
			"words: 0 better, 0 worse, 8 no difference, 0 undetermined",
		},
		{
			"difference.found", recorded(pairs(1.1, 1.1001, 1.0999)...),
			"b against a: better in 0 and worse in 1 of 8 figures, most of all TTFT, mean at 10 requests a second: +10.0% (+10.0%, +10.0%).",
			"words: 0 better, 1 worse, 7 no difference, 0 undetermined",
		},
		{
			// TTFT by 10% is E2E by 4 ms of 1.04 s: a deviation of 0.385%, over √3 and times 4.30
			"difference.some", recorded(pairs(0.9, 1.1, 1)...), "No difference between b and a was found: none beyond ±1.0% in 7 of 8 figures, and 1 are undetermined.",
			"words: 0 better, 0 worse, 7 no difference, 1 undetermined",
		},
		{
			"difference.undetermined", recorded(pairs(1)...),
			"Whether b and a differ is undetermined in all 8 figures: there is one step of each, and nothing in its record tells chance.",
			"words: 0 better, 0 worse, 0 no difference, 8 undetermined",
		},
		{ // the logarithms' deviation is 0.02, which the tool takes for 2.12 times that with 2 degrees of freedom:
			// (t + 0.87)·0.0424/√14 with t = 3.24 at 0.05/8 is 4.7%, below ln 1.05, and with 13 repeats above it
			"difference.repeats", recorded(pairs(0.98, 1.02, 1)...),
			"14 repeats of each step would decide the means that are undetermined between b and a.", "needed_repeats: 14",
		},
		{ // as before, but of 16 cells: t = 3.56 of 14 degrees makes it 4.8%, and of 13 more than ln 1.05; and one TTFT that nothing decides
			"difference.repeats_part", recorded(slices.Concat(pairs(0.98, 1.02, 1), hopeless)...),
			"15 repeats of each step would decide 1 of the 2 means that are undetermined between b and a; the others need more than 100, or no number is known that would decide them.",
			"needed_repeats: 15",
		},
		{
			"difference.undetermined", recorded(made(single, 10, no), made(other, 10, no, func(s *prober.StepResult) { s.Unfinished = 7 })),
			"Whether b and a differ is undetermined in all 8 figures: there is one step of each, and nothing in its record tells chance (1); " +
				"7 requests were cut at the drain limit: the latencies are of the faster ones (7).",
			"words: 0 better, 0 worse, 0 no difference, 8 undetermined",
		},
		{
			"experiment.best", changed(recorded(made(single, 10, no)), func(r *results.Record) {
				r.Comparison = &prober.Comparison{RequestRate: 70, Best: &single, Arms: []prober.Compared{
					{Arm: single, Throughput: 71.26}, {Arm: other, Throughput: 66, ToBase: &stats.Interval{Value: 0.93, Lower: 0.9, Upper: 0.96}},
				}}
			}), "At 70 requests a second, which saturates all arms, a completes the most: 71.3 a second.", "best: a",
		},
		{
			"experiment.better", changed(recorded(made(single, 10, no)), func(r *results.Record) {
				r.Comparison = &prober.Comparison{RequestRate: 70, Best: &other, Arms: []prober.Compared{
					{Arm: single, Throughput: 33}, {Arm: other, Throughput: 66, ToBase: &stats.Interval{Value: 2, Lower: 1.5, Upper: 2.75}},
				}}
			}), "At 70 requests a second, which saturates all arms, b completes the most: 66 a second, +100.0% (+50.0%, +175.0%) against a.",
			"best: b; to_base: 2, between 1.5 and 2.75",
		},
		{
			"experiment.none", changed(recorded(made(single, 10, no)), func(r *results.Record) {
				r.Comparison = &prober.Comparison{RequestRate: 70, Arms: []prober.Compared{{Arm: single}, {Arm: other, ToBase: &stats.Interval{Value: 1, Lower: 0.9, Upper: 1.1}}}}
			}), "At 70 requests a second, which saturates all arms, none completes more than the others beyond chance.", "best: none",
		},
		{
			"experiment.few", changed(recorded(made(single, 10, no)), func(r *results.Record) {
				r.Comparison = &prober.Comparison{RequestRate: 70, Arms: []prober.Compared{{Arm: single, Repeats: 5}, {Arm: other, Repeats: 1}}}
			}), "At 70 requests a second, which saturates all arms, too few steps were valid to name an arm.", "best: none; to_base: none",
		},
		{
			"experiment.failed", changed(recorded(made(single, 10, no)), func(r *results.Record) { r.Comparison = &prober.Comparison{Err: "no capacity"} }),
			"The experiment that was to name the best arm was not made: no capacity.", "comparison error: no capacity",
		},

		{
			"drain.artefact", recorded(
				made(single, 10, no, func(s *prober.StepResult) { s.BenchThroughput = 9.4 }),
				made(single, 20, no, func(s *prober.StepResult) { s.BenchThroughput = 17 }),
				made(single, 30, yes, func(s *prober.StepResult) { s.BenchThroughput = 5 })),
			"A benchmark that divides requests by the whole duration, as vllm bench serve does, would have reported 17 requests a second for a at 20; 20 completed. What it lacks is the time in which the last requests drain, and no limit of the server.",
			"bench_throughput: 17, throughput: 20; saturated: no at 20",
		},
		{ // the first four of 32 parts of a minute take 1.5 times as long
			"steady.warm_up", recorded(warming()...),
			"a, 10 requests a second: the windows began too early, for the warm-up at 10 req/s really ended 7.5 s into the windows: until then TTFT was 50% more than later; a longer ladder.warmup leaves that out.",
			"finding: warm_up at 10",
		},
		{
			"traffic.foreign", recorded(made(single, 10, no, reconciled(prober.Reconciliation{Verdict: prober.ForeignTraffic, ForeignShare: 0.08}))),
			"Others used the replicas of a meanwhile, with up to 8% of the output tokens: the figures are those of a shared service.",
			"reconciliation: foreign_traffic, 0.08 of the output tokens",
		},
		{
			"traffic.several", recorded(made(single, 10, no, reconciled(prober.Reconciliation{Verdict: prober.SeveralReplicas, Detail: "counts fell"}))),
			"Behind a URL of a there is more than one replica or a proxy: what is said of running requests and batch sizes does not hold for it.",
			"reconciliation: several_replicas, counts fell",
		},
		{
			"failures.some", recorded(made(single, 10, no, func(s *prober.StepResult) {
				s.Outcomes[prober.Window] = map[prober.Outcome]int{prober.OK: 595, prober.HTTP503: 3, prober.Truncated: 1, prober.Aborted: 1}
			})),
			"4 of 600 measured requests of a were not answered well (http_503 × 3 and truncated × 1); no latency counts them.",
			"outcomes of the windows: http_503 × 3, truncated × 1",
		},
		{
			"failures.cut", recorded(made(single, 10, no), made(single, 20, yes, func(s *prober.StepResult) { s.Unfinished = 9 })),
			"9 measured requests of a were cut at the drain limit, at 20 requests a second, so that the latencies are those of the faster ones.", "unfinished: 9",
		},
		{
			"cache.preempted", recorded(made(single, 10, no, func(s *prober.StepResult) {
				n := 7
				s.Replicas = []prober.ReplicaResult{{Preemptions: &n}}
			})),
			"The KV cache was too small for a at 10 requests a second: 7 requests lost their slot and began anew.", "preemptions: 7",
		},
		{
			"cache.hit", withSLO(t, recorded(made(single, 10, no, func(s *prober.StepResult) { s.CachedTokens = 16 }))),
			"The prefix cache gave a 16 prompt tokens, which it should not where no prefix is shared: prefill looks faster than it is.", "cached_tokens: 16",
		},

		{
			"energy.least", recorded(made(single, 10, no, joulesOf(1.5, nil)), made(single, 20, no, joulesOf(0.8, nil)), made(single, 30, no, joulesOf(0.9, nil))),
			"a took the least energy for each output token, 0.8 J, at 20 requests a second, and the most, 1.5 J, at 10.", "joules_per_output_token: 1.5 at 10, 0.8 at 20, 0.9 at 30",
		},
		{
			"energy.throttled", recorded(made(single, 10, no, joulesOf(1, map[string]float64{"sw_power_cap": 2, "hw_slowdown": 0}))),
			"GPUs of a were throttled at 10 requests a second (sw_power_cap): these steps measure the cooling and the power limit as well.", "throttled_seconds: sw_power_cap",
		},
	} {
		t.Run(c.rule, func(t *testing.T) {
			tells(t, read(c.record), c.rule, c.text, c.evidence)
			checkKorean(t, Of([]*results.Record{c.record}, Korean))
		})
	}
	for _, c := range sinceSearches() {
		t.Run(c.rule, func(t *testing.T) { tells(t, c.found, c.rule, c.text, c.evidence) })
	}
	for rule := range catalogue {
		if isRule(rule) && !told[rule] {
			t.Errorf("nothing tests %s", rule)
		}
	}
}

var told = map[string]bool{}

// tells finds the sentence of a rule, and holds its text and its evidence against others.
func tells(t *testing.T, d *reading, rule, text, evidence string) {
	t.Helper()
	told[rule] = true
	var found []finding
	for _, topic := range topics {
		found = append(found, topic.findings(d)...)
	}
	i := slices.IndexFunc(found, func(f finding) bool { return f.rule == rule })
	if i < 0 {
		t.Fatalf("not found; found were %v", found)
	}
	if got := (speaker{English, d.arms}).say(rule, found[i].values); got != text {
		t.Errorf("got\n%s\nwant\n%s", got, text)
	}
	if found[i].evidence != evidence {
		t.Errorf("evidence\n%s\nwant\n%s", found[i].evidence, evidence)
	}
	korean := (speaker{Korean, d.arms}).say(rule, found[i].values)
	if !regexp.MustCompile(`\p{Hangul}`).MatchString(korean) || strings.ContainsAny(korean, "{}") || strings.Contains(korean, "<nil>") {
		t.Errorf("in Korean: %s", korean)
	}
}

// isRule says whether a text is a rule's sentence.
func isRule(key string) bool {
	area, _, _ := strings.Cut(key, ".")
	return slices.Contains([]string{
		"run", "valid", "saturation", "capacity", "search", "slo", "latency", "scaling", "batch", "difference", "experiment", "drain", "steady", "traffic", "failures", "cache", "energy",
	}, area)
}

// A run without trouble has no sentence of warning.
func TestRulesAreSilent(t *testing.T) {
	d := read(recorded(made(single, 10, no, says(prober.DidNotBind, 9, 0))))
	var rules []string
	for _, topic := range topics {
		for _, f := range topic.findings(d) {
			rules = append(rules, f.rule)
		}
	}
	if want := "run.success valid.all saturation.none batch.did_not_bind"; strings.Join(rules, " ") != want {
		t.Errorf("%v, want %s", rules, want)
	}
}

// What is the same of several arms is said once, and what differs is not.
func TestSentencesOfSeveralArms(t *testing.T) {
	d := read(recorded(made(single, 10, no), made(other, 10, no), made(four, 10, no), made(four, 20, no)))
	got := (speaker{English, d.arms}).sentences(topics[1].findings(d))
	if len(got) != 3 || got[0].Text != "a on 1 GPU and b kept up with all request rates that were measured, up to 10 requests a second." ||
		got[1].Text != "a on 4 GPUs kept up with all request rates that were measured, up to 20 requests a second." {
		t.Errorf("%+v", got)
	}
}

// A step that was made again after the guard had aborted it counts once.
func TestAStepThatWasMadeAgain(t *testing.T) {
	first, again := made(single, 10, unknown, broken(prober.PromiseGuard)), made(single, 10, no)
	again.Repeated = true
	if d := read(recorded(first, again)); len(d.result.Results) != 1 || !d.result.Results[0].Valid() {
		t.Errorf("%+v", d.result.Results)
	}
}

// The wait in the queue, worked out by hand: 0.1 that wait at 10 a second are 10 ms of
// 40, so that 30 are the rest; 30 at 20 a second are 1.5 s. 100 at 20 a second are 5 s,
// of which TTFT has 4, and 30 ms of that are the rest.
func TestQueued(t *testing.T) {
	for name, c := range map[string]struct {
		waiting, want float64
	}{"as Little has it": {30, 1.5}, "a queue that grows": {100, 3.97}, "no queue": {0, 0}} {
		points := read(recorded(
			made(single, 10, no, says(prober.DidNotBind, 9, 0.1)), made(single, 20, yes, took(4, 0.03), says(prober.Bound, 16, c.waiting)),
		)).points(single)
		if got, known := queued(points, &points[1]); !known || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %g s, want %g", name, got, c.want)
		}
		if got, known := queued(points, &points[0]); !known || math.Abs(got-0.01) > 1e-9 {
			t.Errorf("%s: %g s at the lowest rate, want 0.01", name, got)
		}
	}
	// Where hardly any waits, 20 ms are all that is not a wait; what was left of a slow
	// lowest rate is not. Where many wait, nothing is learned of the rest.
	points := read(recorded(
		made(single, 10, no, says(prober.DidNotBind, 9, 0.1)), made(single, 15, no, took(0.02, 0.02), says(prober.DidNotBind, 9, 0)),
		made(single, 18, no, took(0.03, 0.02), says(prober.DidNotBind, 9, 9)), made(single, 20, yes, took(4, 0.03), says(prober.Bound, 16, 100)),
	)).points(single)
	for i, want := range []float64{0.01, 0, 0.01, 3.98} {
		if got, known := queued(points, &points[i]); !known || math.Abs(got-want) > 1e-9 {
			t.Errorf("at %g: %g s, want %g", points[i].rate, got, want)
		}
	}
	points = read(recorded(made(single, 10, no))).points(single)
	if _, known := queued(points, &points[0]); known {
		t.Error("it is known where the replicas say nothing")
	}
}

// An arm is held against itself in the runs before: of three whose TTFT is 40 ms to a
// per mille, a run with 60 ms is no further one, nor is its E2E of 1.06 s. The interval is
// 1.5·exp(±4.303·0.001·√(1/3 + 1)).
func TestSinceTheRunsBefore(t *testing.T) {
	var former []*results.Record
	for i, ttft := range []float64{0.040, 0.04004, 0.03996} {
		former = append(former, recorded(made(single, 10, no, took(ttft, 0.020), func(s *prober.StepResult) { s.RunID = fmt.Sprint(i) })))
	}
	for ttft, want := range map[float64]string{
		0.060: "a against the 3 runs before: better in 0 and worse in 2 of 8 figures, most of all TTFT, mean at 10 requests a second: +50.0% (+49.3%, +50.7%).",
		0.040: "a and the 3 runs before do the same: no difference beyond ±",
	} {
		d := read(recorded(made(single, 10, no, took(ttft, 0.020))), former...)
		said := (speaker{English, d.arms}).sentences(sinceBefore(d))
		if len(said) != 1 || !strings.HasPrefix(said[0].Text, want) {
			t.Errorf("with %g s: %+v", ttft, said)
		}
		doc := Since([]*results.Record{d.Record}, map[string][]*results.Record{"r": former}, Korean).Markdown()
		if !strings.Contains(doc, "이전 실행 3회") {
			t.Errorf("the report lacks it:\n%s", doc)
		}
	}
	d := read(recorded(made(single, 10, no)), former[0])
	if said := (speaker{English, d.arms}).sentences(sinceBefore(d)); !strings.Contains(said[0].Text, "the run before") {
		t.Errorf("one run is several: %+v", said)
	}
}
