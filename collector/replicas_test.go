package collector

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// watched is a step of two replicas: what they said, summed, and the verdicts.
func watched() *prober.StepResult {
	three := 3
	r := &prober.StepResult{Step: aStep(), ITL: &prober.Histogram{}}
	for range 2 {
		r.Replicas = append(r.Replicas, prober.ReplicaResult{
			Gaps: 2, Running: &prober.Level{Mean: 12.5, Max: 50}, Waiting: &prober.Level{Mean: 1.5, Max: 4},
			KVCacheUsage: &prober.Level{Mean: 0.25, Max: 0.75}, Preemptions: &three,
			InForce: prober.InForce{Verdict: prober.NotInForce},
		})
	}
	r.Reconciliation = &prober.Reconciliation{Verdict: prober.ForeignTraffic, ForeignRequests: 12, ForeignTokens: 768}
	return r
}

var replicaMetrics = []string{
	"vllm_prober_step_requests_running", "vllm_prober_step_requests_waiting", "vllm_prober_step_kv_cache_usage_max_ratio",
	"vllm_prober_step_preemptions", "vllm_prober_step_replica_sample_gaps", "vllm_prober_batch_size_in_force",
	"vllm_prober_step_reconciliation", "vllm_prober_step_foreign_requests", "vllm_prober_step_foreign_output_tokens",
}

func TestReplicaGauges(t *testing.T) {
	p := NewProbe(ladder())
	p.StepEnded(watched())
	expected := `
# HELP vllm_prober_batch_size_in_force Whether the latest valid step gave this verdict on the declared batch size (1) or another (0).
# TYPE vllm_prober_batch_size_in_force gauge
vllm_prober_batch_size_in_force{STEP,verdict="bound"} 0
vllm_prober_batch_size_in_force{STEP,verdict="did_not_bind"} 0
vllm_prober_batch_size_in_force{STEP,verdict="not_in_force"} 1
vllm_prober_batch_size_in_force{STEP,verdict="unknown"} 0
# HELP vllm_prober_step_foreign_output_tokens Output tokens that the replicas made at least for others in the latest valid step.
# TYPE vllm_prober_step_foreign_output_tokens gauge
vllm_prober_step_foreign_output_tokens{STEP} 768
# HELP vllm_prober_step_foreign_requests Answers that the replicas began at least for others in the latest valid step.
# TYPE vllm_prober_step_foreign_requests gauge
vllm_prober_step_foreign_requests{STEP} 12
# HELP vllm_prober_step_kv_cache_usage_max_ratio Largest share of a replica's KV cache in use from the window's opening to the end of the latest valid step.
# TYPE vllm_prober_step_kv_cache_usage_max_ratio gauge
vllm_prober_step_kv_cache_usage_max_ratio{STEP} 0.75
# HELP vllm_prober_step_preemptions Requests that lost their slot in the latest valid step.
# TYPE vllm_prober_step_preemptions gauge
vllm_prober_step_preemptions{STEP} 6
# HELP vllm_prober_step_reconciliation Whether holding the replicas' counts against the prober's gave this verdict in the latest valid step (1) or another (0).
# TYPE vllm_prober_step_reconciliation gauge
vllm_prober_step_reconciliation{STEP,verdict="foreign_traffic"} 1
vllm_prober_step_reconciliation{STEP,verdict="ok"} 0
vllm_prober_step_reconciliation{STEP,verdict="several_replicas"} 0
vllm_prober_step_reconciliation{STEP,verdict="unknown"} 0
# HELP vllm_prober_step_replica_sample_gaps Readings of the replicas' own metrics that got no answer in time in the latest valid step.
# TYPE vllm_prober_step_replica_sample_gaps gauge
vllm_prober_step_replica_sample_gaps{STEP} 4
# HELP vllm_prober_step_requests_running Requests in slots from the window's opening to the end of the latest valid step, summed over the replicas.
# TYPE vllm_prober_step_requests_running gauge
vllm_prober_step_requests_running{batch_size="16",gpus="8",probe="p",request_rate="10",stat="max",target="t"} 100
vllm_prober_step_requests_running{batch_size="16",gpus="8",probe="p",request_rate="10",stat="mean",target="t"} 25
# HELP vllm_prober_step_requests_waiting Requests in the queues from the window's opening to the end of the latest valid step, summed over the replicas.
# TYPE vllm_prober_step_requests_waiting gauge
vllm_prober_step_requests_waiting{batch_size="16",gpus="8",probe="p",request_rate="10",stat="max",target="t"} 8
vllm_prober_step_requests_waiting{batch_size="16",gpus="8",probe="p",request_rate="10",stat="mean",target="t"} 3
`
	expected = strings.ReplaceAll(expected, "STEP", `batch_size="16",gpus="8",probe="p",request_rate="10",target="t"`)
	if err := testutil.CollectAndCompare(p, strings.NewReader(expected), replicaMetrics...); err != nil {
		t.Error(err)
	}
}

// What the replicas no longer say is not told as if they did.
func TestReplicaGaugesGoWithTheirFigures(t *testing.T) {
	p := NewProbe(ladder())
	p.StepEnded(watched())
	silent := watched()
	silent.Replicas = nil
	silent.Reconciliation = nil
	p.StepEnded(silent)
	for _, name := range replicaMetrics {
		if n := testutil.CollectAndCount(p, name); n != 0 {
			t.Errorf("%s has %d series", name, n)
		}
	}
	half := watched()
	half.Replicas[1].Waiting = nil
	half.Reconciliation = &prober.Reconciliation{Verdict: prober.NotReconciled}
	p.StepEnded(half)
	for name, want := range map[string]int{
		"vllm_prober_step_requests_waiting": 0, "vllm_prober_step_requests_running": 2,
		"vllm_prober_step_reconciliation": 4, "vllm_prober_step_foreign_requests": 0,
	} {
		if n := testutil.CollectAndCount(p, name); n != want {
			t.Errorf("%s has %d series, want %d", name, n, want)
		}
	}
}

// Every limit has its series before it is ever passed, by what is then done.
func TestGuardTrips(t *testing.T) {
	cfg, probe := ladder()
	probe.Guard.Action = config.AbortRun
	p := NewProbe(cfg, probe)
	p.GuardTripped(prober.Trip{Limit: config.WaitingRequests, Action: config.Wait})
	p.GuardTripped(prober.Trip{Limit: config.WaitingRequests, Action: config.AbortRun})
	p.GuardTripped(prober.Trip{Limit: config.WaitingRequests, Action: config.AbortRun})
	if n := testutil.CollectAndCount(p, "vllm_prober_guard_trips_total"); n != 10 {
		t.Errorf("%d series, want those of five limits and two actions", n)
	}
	for labels, want := range map[string]float64{
		`{action="wait",limit="waiting_requests",probe="p"}`:      1,
		`{action="abort_run",limit="waiting_requests",probe="p"}`: 2,
		`{action="abort_run",limit="error_ratio",probe="p"}`:      0,
	} {
		if got, found := valueOf(t, p, "vllm_prober_guard_trips_total", labels); !found || got != want {
			t.Errorf("%s is %g, %t, want %g", labels, got, found, want)
		}
	}
}
