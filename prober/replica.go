package prober

import (
	"fmt"
	"slices"
)

// Level is how high a figure stood while the load was steady.
type Level struct {
	Mean float64 `json:"mean"`
	Max  float64 `json:"max"`
}

// Spent is the mean time in seconds that some requests spent on something; 0 where
// there were none.
type Spent struct {
	Requests int     `json:"requests"`
	Mean     float64 `json:"mean"`
}

// ReplicaResult is what one replica said of itself during a step. What it did
// not say is nil.
type ReplicaResult struct {
	Replica string `json:"replica"`
	// Samples is how often it was read, Gaps how often it did not answer in time.
	Samples int `json:"samples"`
	Gaps    int `json:"gaps"`
	// Running and Waiting are requests in slots and in the queue, KVCacheUsage the
	// share of the KV cache in use: from the window's opening to the step's end.
	Running      *Level `json:"requests_running,omitempty"`
	Waiting      *Level `json:"requests_waiting,omitempty"`
	KVCacheUsage *Level `json:"kv_cache_usage_ratio,omitempty"`
	// Preemptions are requests that lost their slot, from the step's beginning on.
	Preemptions *int `json:"preemptions,omitempty"`
	// Queue and Prefill are what the replica itself measured of the requests that it
	// completed from the window's opening to the step's end, whoever asked them: the
	// wait in the queue, and from there to the first token.
	Queue   *Spent `json:"queue_seconds,omitempty"`
	Prefill *Spent `json:"prefill_seconds,omitempty"`

	InForce        InForce        `json:"batch_size_in_force"`
	Reconciliation Reconciliation `json:"reconciliation"`
}

// InForceVerdict says whether the declared batch size is what the replica runs
// with.
type InForceVerdict string

// The verdicts.
const (
	// Bound: as many requests ran as the batch size allows, and more waited.
	Bound InForceVerdict = "bound"
	// DidNotBind: no request waited for a slot, so the batch size changed nothing.
	DidNotBind InForceVerdict = "did_not_bind"
	// NotInForce: more requests ran, or requests waited for long while fewer ran
	// and always the same number: the replica runs with another limit.
	NotInForce InForceVerdict = "not_in_force"
	// InForceUnknown: no batch size is declared, too little was seen, or requests
	// waited for something else than slots.
	InForceUnknown InForceVerdict = "unknown"
)

// InForceVerdicts lists all verdicts, those that matter more first.
func InForceVerdicts() []InForceVerdict {
	return []InForceVerdict{NotInForce, Bound, InForceUnknown, DidNotBind}
}

// InForce is a verdict, and why.
type InForce struct {
	Verdict InForceVerdict `json:"verdict"`
	Detail  string         `json:"detail"`
	// Allowed is how many requests the declared batch size lets run on the replica,
	// which may have several engines; 0 is undeclared, or of a release that did not
	// keep it.
	Allowed int `json:"allowed,omitempty"`
}

// ReconciliationVerdict says whether a replica counted what the prober did.
type ReconciliationVerdict string

// The verdicts.
const (
	// Reconciled: both counted the same.
	Reconciled ReconciliationVerdict = "ok"
	// ForeignTraffic: the replica counted more, so others used it too.
	ForeignTraffic ReconciliationVerdict = "foreign_traffic"
	// SeveralReplicas: the replica counted less, or its counts went up and down:
	// there are several behind its URL, or there is a proxy.
	SeveralReplicas ReconciliationVerdict = "several_replicas"
	// Restarted: the replica began to count anew.
	Restarted ReconciliationVerdict = "replica_restarted"
	// NotReconciled: the replica could not be read, before the step or after it.
	NotReconciled ReconciliationVerdict = "unknown"
)

// ReconciliationVerdicts lists all verdicts, those that matter more first.
func ReconciliationVerdicts() []ReconciliationVerdict {
	return []ReconciliationVerdict{Restarted, SeveralReplicas, ForeignTraffic, NotReconciled, Reconciled}
}

// Reconciliation is what became of holding the prober's counts of a step against
// a replica's own.
type Reconciliation struct {
	Verdict ReconciliationVerdict `json:"verdict"`
	Detail  string                `json:"detail,omitempty"`
	// Requests and OutputTokens are what the replica counted: answers that it
	// began and tokens that it made.
	Requests     int `json:"requests"`
	OutputTokens int `json:"output_tokens"`
	// ForeignRequests and ForeignTokens are those of them that cannot have been
	// the prober's: what others had at least.
	ForeignRequests int `json:"foreign_requests"`
	ForeignTokens   int `json:"foreign_output_tokens"`
	// ForeignShare is ForeignTokens over OutputTokens, from 0 to 1.
	ForeignShare float64 `json:"foreign_output_tokens_ratio"`
}

// reconciled is the reconciliation of a step: the sums over its replicas, and the
// verdict that matters most. It is nil where none was watched.
func reconciled(replicas []ReplicaResult) *Reconciliation {
	if len(replicas) == 0 {
		return nil
	}
	all := Reconciliation{Verdict: Reconciled}
	verdicts := ReconciliationVerdicts()
	for i := range replicas {
		r := &replicas[i].Reconciliation
		if slices.Index(verdicts, r.Verdict) < slices.Index(verdicts, all.Verdict) {
			all.Verdict, all.Detail = r.Verdict, fmt.Sprintf("%s: %s", replicas[i].Replica, r.Detail)
		}
		all.Requests += r.Requests
		all.OutputTokens += r.OutputTokens
		all.ForeignRequests += r.ForeignRequests
		all.ForeignTokens += r.ForeignTokens
	}
	if all.OutputTokens > 0 {
		all.ForeignShare = float64(all.ForeignTokens) / float64(all.OutputTokens)
	}
	return &all
}

// InForce is the verdict of the step's replica whose verdict matters most. It
// says false where none was watched.
func (r *StepResult) InForce() (InForce, bool) {
	for _, v := range InForceVerdicts() {
		if i := slices.IndexFunc(r.Replicas, func(r ReplicaResult) bool { return r.InForce.Verdict == v }); i >= 0 {
			return r.Replicas[i].InForce, true
		}
	}
	return InForce{}, false
}

// LevelOf adds up a level over the step's replicas. It says false where one of
// them does not have it. A sum of maxima is at least the maximum of the sum.
func (r *StepResult) LevelOf(level func(*ReplicaResult) *Level) (sum Level, known bool) {
	for i := range r.Replicas {
		l := level(&r.Replicas[i])
		if l == nil {
			return Level{}, false
		}
		sum.Mean += l.Mean
		sum.Max += l.Max
	}
	return sum, len(r.Replicas) > 0
}

// SpentOf is the mean over all requests of the step's replicas. It says false where
// one of them does not tell, and where there were no requests.
func (r *StepResult) SpentOf(spent func(*ReplicaResult) *Spent) (all Spent, known bool) {
	seconds := 0.0
	for i := range r.Replicas {
		s := spent(&r.Replicas[i])
		if s == nil {
			return Spent{}, false
		}
		all.Requests += s.Requests
		seconds += float64(s.Requests) * s.Mean
	}
	if all.Requests == 0 {
		return Spent{}, false
	}
	all.Mean = seconds / float64(all.Requests)
	return all, true
}

// KVCacheUsage is the largest share of the KV cache in use of all replicas that
// tell it, from 0 to 1. It says false where none does.
func (r *StepResult) KVCacheUsage() (most float64, known bool) {
	for i := range r.Replicas {
		if l := r.Replicas[i].KVCacheUsage; l != nil {
			most, known = max(most, l.Max), true
		}
	}
	return most, known
}

// Preemptions is how many requests lost their slot on all replicas. It says false
// where one does not tell.
func (r *StepResult) Preemptions() (sum int, known bool) {
	for i := range r.Replicas {
		n := r.Replicas[i].Preemptions
		if n == nil {
			return 0, false
		}
		sum += *n
	}
	return sum, len(r.Replicas) > 0
}

// Gaps is how often replicas did not answer in time when they were to be read.
func (r *StepResult) Gaps() int {
	sum := 0
	for i := range r.Replicas {
		sum += r.Replicas[i].Gaps
	}
	return sum
}
