package web

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/results"
	"vllm_prober/internal/simulator"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// history is how many runs are recorded before the daemon starts. From the run of
// number slower on, answers take longer to begin. Some runs are not like the others.
const (
	history = 40
	slower  = 26
	hurt    = 0 // texts of a server that means harm, where there are some
	refused = 12
	starved = 20 // the prober had no processor
)

// hostile is what a server could say of itself.
const hostile = `<script>alert("x")</script><img src=x onerror=alert(1)>`

// capacity is what two replicas complete per second, window how long each step of the
// history measured: the steps were extended.
const (
	capacity = 33.1
	window   = time.Minute
)

// The arm with the larger batch size answers sooner and slower, by what a comparison has
// to find.
const (
	sooner     = 0.80
	moreSlowly = 1.12
)

// record makes the history: a run an hour of what the ladder is to measure.
func (s *site) record(t *testing.T, store *results.Store, cfg *config.Config, harm bool) {
	t.Helper()
	recorder, err := store.Recorder(cfg, cfg.Probes[0])
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	now := time.Now().UTC().Truncate(time.Minute)
	for i := range history {
		at := now.Add(time.Duration(i-history) * time.Hour)
		run := prober.Run{ID: at.Format("20060102T150405Z") + fmt.Sprintf("-%04x", i), Probe: "ladder", Seed: rng.Uint64() >> 11, Steps: 6, StartedAt: at}
		result := &prober.RunResult{Run: run, EndedAt: at.Add(8*time.Minute + time.Duration(rng.IntN(9000))*time.Millisecond), Outcome: prober.RunSuccess}
		level := 1 + 0.02*rng.NormFloat64()
		for a, arm := range cfg.Probes[0].Arms {
			target, _ := cfg.Target(arm.Target)
			made := prober.ArmOf(arm, target)
			result.Models = append(result.Models, prober.ArmModel{Arm: made, Model: "llama-3.1-8b", Versions: []string{"0.32.0"}})
			found := capacity * (1 + 0.01*rng.NormFloat64())
			result.Answers = append(result.Answers, prober.Answer{
				Arm: made, Capacity: &prober.Estimate{Value: found, Lower: 24, Upper: 40}, SLORate: &prober.Estimate{Value: 26.1, Lower: 24, Upper: 40},
			})
			for r, rate := range cfg.Probes[0].Ladder.Rates {
				step := prober.Step{
					RunID: run.ID, Probe: run.Probe, Number: 2*r + a + 1, Known: 6, Arm: made, RequestRate: rate, Seed: uint64(r + 1),
					StartedAt: run.StartedAt.Add(time.Duration(75*(2*r+a)) * time.Second), Warmup: time.Second, Window: window, MaxDrain: 20 * time.Second,
				}
				result.Results = append(result.Results, measured(rng, step, level, a == 1, i >= slower))
			}
		}
		switch {
		case i == refused:
			s.refused = run.ID
			result.Outcome, result.Results, result.Answers = prober.RunFailed, nil, nil
			result.Err = "replica http://127.0.0.1:8000: connection refused"
		case i == starved:
			result.Results[3].Latencies, result.Results[3].Saturated, result.Results[3].Batches = nil, prober.Undetermined, nil
			result.Results[3].Broken = []prober.Broken{{Promise: prober.PromiseCPU, Detail: "1% of the work waited 31ms"}}
		case i == hurt && harm:
			s.bad = run.ID
			result.Models[0].Model, result.Models[0].Versions = hostile, []string{hostile}
			result.Results[0].Failures = []prober.Failure{{Outcome: prober.HTTP5xx, Count: 1, Example: hostile}}
			result.Results[1].Broken = []prober.Broken{{Promise: prober.PromiseCPU, Detail: hostile}}
			result.Results[2].Replicas[0].InForce.Detail = hostile
			result.Answers[0] = prober.Answer{Arm: result.Answers[0].Arm, Err: hostile}
			result.Outcome, result.Err = prober.RunFailed, hostile
		}
		recorder.RunStarted(run)
		recorder.RunEnded(result)
		if i == slower-2 {
			s.before = run.ID
		}
		s.run = run.ID
	}
}

// measured is a step as two replicas would have it: TTFT rises with the rate, and
// explodes beyond the capacity. level is what makes one run unlike the next; requests
// that are near each other fare alike.
func measured(rng *rand.Rand, step prober.Step, level float64, large, slow bool) prober.StepResult {
	ttft, tpot := 0.066+step.RequestRate/800, 0.028+step.RequestRate/2500
	served, saturated, attainment := step.RequestRate, prober.Unsaturated, 1.0
	if step.RequestRate > capacity {
		ttft, tpot, served, saturated, attainment = 1.1, 0.07, capacity, prober.Saturated, 0.12
	} else if slow {
		ttft *= 1.12
	}
	if large {
		ttft, tpot = ttft*sooner, tpot*moreSlowly
	}
	r := prober.StepResult{
		Step: step, EndedAt: step.StartedAt.Add(step.Warmup + step.Window + 2*time.Second), Saturated: saturated, Attainment: attainment,
		Latencies: &prober.Latencies{}, Batches: &prober.Batches{Completed: make([]int, stats.Parts), Good: make([]int, stats.Parts)},
	}
	var wait, decode, whole []stats.Sample
	lately := 0.0
	for i := range int(step.RequestRate * step.Window.Seconds()) {
		lately = 0.7*lately + 0.2*rng.NormFloat64()
		at := (float64(i) + 0.5) / (step.RequestRate * step.Window.Seconds())
		first, each := ttft*level*math.Exp(lately), tpot*level*math.Exp(0.15*rng.NormFloat64())
		wait, decode = append(wait, stats.Sample{At: at, Value: first}), append(decode, stats.Sample{At: at, Value: each})
		whole = append(whole, stats.Sample{At: at, Value: first + (simulator.FieldReportOutput-1)*each})
		r.Offered++
	}
	for i := range int(served * step.Window.Seconds()) {
		part := stats.PartOf(math.Mod((float64(i)+rng.Float64())/(served*step.Window.Seconds()), 1))
		r.Batches.Completed[part]++
		r.Completed++
		if rng.Float64() < attainment {
			r.Batches.Good[part]++
			r.Good++
		}
	}
	r.Latencies.TTFT, r.Batches.TTFT = distribution(wait), stats.BatchesOf(wait)
	r.Latencies.TPOT, r.Batches.TPOT = distribution(decode), stats.BatchesOf(decode)
	r.Latencies.E2E, r.Batches.E2E = distribution(whole), stats.BatchesOf(whole)
	r.Latencies.ITL = r.Latencies.TPOT
	r.Throughput, r.Goodput = float64(r.Completed)/step.Window.Seconds(), float64(r.Good)/step.Window.Seconds()
	r.SettledThroughput, r.OutputTokenThroughput = r.Throughput, simulator.FieldReportOutput*r.Throughput
	r.BenchThroughput = float64(r.Offered) / (step.Window.Seconds() + r.Latencies.E2E.Mean)
	r.Outcomes = map[prober.Phase]map[prober.Outcome]int{prober.Window: {prober.OK: r.Offered}}
	r.Replicas = []prober.ReplicaResult{replicaOf(&r)}
	watts, busy := 180+6*served, 0.4+served/80
	joules := watts / r.OutputTokenThroughput
	perJoule := 1 / joules
	r.GPU = &prober.GPUResult{
		UUIDs: []string{"GPU-0", "GPU-1"}, PowerWatts: &watts, UtilizationRatio: &busy, JoulesPerOutputToken: &joules, OutputTokensPerJoule: &perJoule,
	}
	return r
}

// replicaOf is what the first of the arm's two replicas says of itself: by Little's law
// half of those run that have tokens coming, and half of those wait that have none yet,
// where that is for long.
func replicaOf(r *prober.StepResult) prober.ReplicaResult {
	l := r.Latencies
	running := math.Round(r.Throughput * (l.E2E.Mean - l.TTFT.Mean) / 2)
	waiting := math.Round(r.Throughput * max(l.TTFT.Mean-0.2, 0) / 2)
	inForce := prober.InForce{Verdict: prober.DidNotBind, Detail: "none waited for long"}
	if int(running) > r.Arm.BatchSize {
		inForce = prober.InForce{Verdict: prober.NotInForce, Detail: fmt.Sprintf("%g ran", running)}
	}
	return prober.ReplicaResult{
		Running: &prober.Level{Mean: running, Max: running}, Waiting: &prober.Level{Mean: waiting, Max: waiting},
		KVCacheUsage: &prober.Level{Mean: 0.001 * running, Max: 0.001 * running}, InForce: inForce,
	}
}

// distribution sums samples up.
func distribution(samples []stats.Sample) prober.Distribution {
	values, sum := make([]float64, len(samples)), 0.0
	for i, s := range samples {
		values[i], sum = s.Value, sum+s.Value
	}
	slices.Sort(values)
	return prober.Distribution{
		Count: len(values), Mean: sum / float64(len(values)), P50: stats.Quantile(values, 0.5), P90: stats.Quantile(values, 0.9),
		P95: stats.Quantile(values, 0.95), P99: stats.Quantile(values, 0.99), Max: values[len(values)-1],
	}
}
