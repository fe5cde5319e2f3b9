package replica

import (
	"fmt"

	"vllm_prober/prober"
)

// reconcile holds what a step has brought to a replica against what the replica
// counted between its settled readings before the step and after it, which are
// nil where it could not be read. during are the samples between them.
func reconcile(before *Sample, during []Sample, after *Sample, own prober.Load) prober.Reconciliation {
	readings := make([]Sample, 0, len(during)+2)
	if before != nil {
		readings = append(readings, *before)
	}
	readings = append(readings, during...)
	if after != nil {
		readings = append(readings, *after)
	}
	if r, broke := continuity(readings); broke {
		return r
	}
	switch {
	case before == nil:
		return prober.Reconciliation{Verdict: prober.NotReconciled, Detail: "it could not be read before the step"}
	case after == nil:
		return prober.Reconciliation{Verdict: prober.NotReconciled, Detail: "it could not be read after the step"}
	}
	return balance(before, after, own)
}

// startTolerance is how far two readings of the same start of a process can lie
// apart, in seconds.
const startTolerance = 0.5

// continuity says what is wrong if the readings are not of one process that
// counts up.
func continuity(readings []Sample) (r prober.Reconciliation, broke bool) {
	anew, older := 0, 0
	for i := 1; i < len(readings); i++ {
		a, b := readings[i-1], readings[i]
		started := difference(a.ProcessStart, b.ProcessStart).Value
		switch {
		case started < -startTolerance:
			older++
		case started > startTolerance, fell(a, b):
			anew++
		}
	}
	switch {
	case older > 0 || anew > 1:
		return prober.Reconciliation{
			Verdict: prober.SeveralReplicas,
			Detail:  fmt.Sprintf("its counts went up and down %d times: several replicas share its URL", older+anew),
		}, true
	case anew > 0:
		return prober.Reconciliation{Verdict: prober.Restarted, Detail: "it restarted within the step"}, true
	default:
		return r, false
	}
}

// fell says whether any count is lower in b than in a.
func fell(a, b Sample) bool {
	return difference(a.OutputTokens, b.OutputTokens).Value < 0 || difference(a.PromptTokens, b.PromptTokens).Value < 0 ||
		difference(a.FirstTokens, b.FirstTokens).Value < 0
}

// difference is known where both figures are.
func difference(a, b Figure) Figure {
	if !a.Known || !b.Known {
		return Figure{}
	}
	return Figure{b.Value - a.Value, true}
}

// balance holds own against the counts of a replica that counted on.
func balance(before, after *Sample, own prober.Load) prober.Reconciliation {
	requests := difference(before.FirstTokens, after.FirstTokens)
	output := difference(before.OutputTokens, after.OutputTokens)
	prompt := difference(before.PromptTokens, after.PromptTokens)
	if !requests.Known && !output.Known {
		return prober.Reconciliation{Verdict: prober.NotReconciled, Detail: "it exports no count of answers or tokens"}
	}
	if own.UnknownPrompts > 0 {
		prompt.Known = false
	}
	r := prober.Reconciliation{Verdict: prober.Reconciled, Requests: int(requests.Value), OutputTokens: int(output.Value)}
	fewer, more := false, false
	for _, count := range []struct {
		server Figure
		own    prober.Bounds
	}{{requests, own.FirstTokens}, {output, own.OutputTokens}, {prompt, own.PromptTokens}} {
		fewer = fewer || count.server.Known && count.server.Value < float64(count.own.AtLeast)
		more = more || count.server.Known && count.server.Value > float64(count.own.AtMost)
	}
	switch {
	case fewer:
		r.Verdict = prober.SeveralReplicas
		r.Detail = fmt.Sprintf("it counted %d answers and %d output tokens of the prober's %d and %d: others share its URL",
			r.Requests, r.OutputTokens, own.FirstTokens.AtLeast, own.OutputTokens.AtLeast)
	case more:
		r.Verdict = prober.ForeignTraffic
		r.ForeignRequests = max(0, r.Requests-own.FirstTokens.AtMost)
		r.ForeignTokens = max(0, r.OutputTokens-own.OutputTokens.AtMost)
		if r.OutputTokens > 0 {
			r.ForeignShare = float64(r.ForeignTokens) / float64(r.OutputTokens)
		}
		r.Detail = fmt.Sprintf("others had %d answers and %d output tokens of it, %.2g%% of all",
			r.ForeignRequests, r.ForeignTokens, 100*r.ForeignShare)
	}
	return r
}
