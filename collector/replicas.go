package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/prober"
)

// replicaGauges are what the replicas of the latest valid step said of
// themselves.
type replicaGauges struct {
	running, waiting               *prometheus.GaugeVec // by stat
	kvCacheUsage, preemptions      *prometheus.GaugeVec
	gaps                           *prometheus.GaugeVec
	inForce, reconciliation        *prometheus.GaugeVec // by verdict
	foreignRequests, foreignTokens *prometheus.GaugeVec
}

// The values of the label "stat".
const (
	statMean = "mean"
	statMax  = "max"
)

// newReplicaGauges makes them by step, which makes a gauge with the labels of a
// step and some more.
func newReplicaGauges(step func(name, help string, more ...string) *prometheus.GaugeVec) replicaGauges {
	return replicaGauges{
		running: step("step_requests_running",
			"Requests in slots from the window's opening to the end of the latest valid step, summed over the replicas.", "stat"),
		waiting: step("step_requests_waiting",
			"Requests in the queues from the window's opening to the end of the latest valid step, summed over the replicas.", "stat"),
		kvCacheUsage: step("step_kv_cache_usage_max_ratio",
			"Largest share of a replica's KV cache in use from the window's opening to the end of the latest valid step."),
		preemptions: step("step_preemptions", "Requests that lost their slot in the latest valid step."),
		gaps:        step("step_replica_sample_gaps", "Readings of the replicas' own metrics that got no answer in time in the latest valid step."),
		inForce: step("batch_size_in_force",
			"Whether the latest valid step gave this verdict on the declared batch size (1) or another (0).", "verdict"),
		reconciliation: step("step_reconciliation",
			"Whether holding the replicas' counts against the prober's gave this verdict in the latest valid step (1) or another (0).", "verdict"),
		foreignRequests: step("step_foreign_requests", "Answers that the replicas began at least for others in the latest valid step."),
		foreignTokens:   step("step_foreign_output_tokens", "Output tokens that the replicas made at least for others in the latest valid step."),
	}
}

// set sets all gauges of a step. What the replicas did not say this time is taken
// away: the figure of an earlier step would be a wrong one.
func (g *replicaGauges) set(r *prober.StepResult, step []string) {
	level := func(v *prometheus.GaugeVec, of func(*prober.ReplicaResult) *prober.Level) {
		sum, known := r.LevelOf(of)
		put(v, with(step, statMean), sum.Mean, known)
		put(v, with(step, statMax), sum.Max, known)
	}
	level(g.running, func(r *prober.ReplicaResult) *prober.Level { return r.Running })
	level(g.waiting, func(r *prober.ReplicaResult) *prober.Level { return r.Waiting })
	usage, known := r.KVCacheUsage()
	put(g.kvCacheUsage, step, usage, known)
	preemptions, known := r.Preemptions()
	put(g.preemptions, step, float64(preemptions), known)
	put(g.gaps, step, float64(r.Gaps()), len(r.Replicas) > 0)

	inForce, judged := r.InForce()
	for _, v := range prober.InForceVerdicts() {
		put(g.inForce, with(step, string(v)), oneIf(v == inForce.Verdict), judged)
	}
	var reconciliation prober.Reconciliation
	if r.Reconciliation != nil {
		reconciliation = *r.Reconciliation
	}
	for _, v := range prober.ReconciliationVerdicts() {
		if v == prober.Restarted {
			continue // which no valid step has
		}
		put(g.reconciliation, with(step, string(v)), oneIf(v == reconciliation.Verdict), r.Reconciliation != nil)
	}
	counted := reconciliation.Verdict == prober.Reconciled || reconciliation.Verdict == prober.ForeignTraffic
	put(g.foreignRequests, step, float64(reconciliation.ForeignRequests), counted)
	put(g.foreignTokens, step, float64(reconciliation.ForeignTokens), counted)
}

// put sets a gauge, or takes it away where its value is not known.
func put(v *prometheus.GaugeVec, labels []string, value float64, known bool) {
	if !known {
		v.DeleteLabelValues(labels...)
		return
	}
	v.WithLabelValues(labels...).Set(value)
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
