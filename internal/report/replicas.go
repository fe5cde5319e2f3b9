package report

import (
	"fmt"

	"vllm_prober/prober"
)

// counted is a figure that a step has unless the guard aborted it.
func counted(format string, figure func(*prober.StepResult) float64) func(*prober.StepResult) string {
	return func(r *prober.StepResult) string { return shown(r.Guard == nil, format, figure(r)) }
}

// level is a mean level, summed over the replicas.
func level(of func(*prober.ReplicaResult) *prober.Level) func(*prober.StepResult) string {
	return func(r *prober.StepResult) string {
		sum, known := r.LevelOf(of)
		return shown(known, "%.1f", sum.Mean)
	}
}

func kvCachePercent(r *prober.StepResult) string {
	usage, known := r.KVCacheUsage()
	return shown(known, "%.0f", usage*100)
}

// replicaNotes says in words what a reader has to know of what the replicas said.
func replicaNotes(r *prober.StepResult) (notes []string) {
	if inForce, _ := r.InForce(); inForce.Verdict == prober.NotInForce {
		notes = append(notes, "batch not in force: "+inForce.Detail)
	}
	if preemptions, _ := r.Preemptions(); preemptions > 0 {
		notes = append(notes, fmt.Sprintf("%d preempted", preemptions))
	}
	switch c := r.Reconciliation; {
	case c == nil:
	case c.Verdict == prober.ForeignTraffic:
		notes = append(notes, fmt.Sprintf("foreign traffic: %s, %.2g%% of the output tokens",
			Count(c.ForeignRequests, "request"), 100*c.ForeignShare))
	case c.Verdict == prober.SeveralReplicas:
		notes = append(notes, c.Detail)
	}
	return notes
}
