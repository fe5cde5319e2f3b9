package config

import "time"

// Guard is the limits at which a probe leaves its replicas alone. A limit that is
// nil is none; 0 is one, and lets nothing pass.
type Guard struct {
	// WaitingRequests is the most requests of others that may wait for a slot of
	// a replica.
	WaitingRequests *float64 `yaml:"waiting_requests,omitempty"`
	// ForeignRequestsRunning is the most requests of others that may run on a
	// replica.
	ForeignRequestsRunning *float64 `yaml:"foreign_requests_running,omitempty"`
	// KVCacheUsageRatio is the largest share of a replica's KV cache that may be in
	// use, by whomever.
	KVCacheUsageRatio *float64 `yaml:"kv_cache_usage_ratio,omitempty"`
	// PreemptionsPerSecond is the most requests, of whomever, that may lose their
	// slot on a replica.
	PreemptionsPerSecond *float64 `yaml:"preemptions_per_second,omitempty"`
	// ErrorRatio is the largest share of a step's own requests that may fail.
	ErrorRatio *float64 `yaml:"error_ratio,omitempty"`
	// Action is what happens when a limit is passed within a step.
	Action GuardAction `yaml:"action"`
	// WaitAtMost is how long a run waits for the limits to be kept.
	WaitAtMost time.Duration `yaml:"wait_at_most"`
}

// GuardLimit is the name of one of a Guard's limits, as in the file.
type GuardLimit string

// The limits.
const (
	WaitingRequests        GuardLimit = "waiting_requests"
	ForeignRequestsRunning GuardLimit = "foreign_requests_running"
	KVCacheUsageRatio      GuardLimit = "kv_cache_usage_ratio"
	PreemptionsPerSecond   GuardLimit = "preemptions_per_second"
	ErrorRatio             GuardLimit = "error_ratio"
)

// GuardLimits lists all limits.
func GuardLimits() []GuardLimit {
	return []GuardLimit{WaitingRequests, ForeignRequestsRunning, KVCacheUsageRatio, PreemptionsPerSecond, ErrorRatio}
}

// GuardAction is what happens when a limit is passed within a step. In each case
// the step is aborted at once and counts for nothing.
type GuardAction string

// The actions.
const (
	// Wait waits until the limits are kept and makes the step once more.
	Wait GuardAction = "wait"
	// AbortStep goes on with the next step.
	AbortStep GuardAction = "abort_step"
	// AbortRun ends the run.
	AbortRun GuardAction = "abort_run"
)

// GuardActions lists all actions.
func GuardActions() []GuardAction { return []GuardAction{Wait, AbortStep, AbortRun} }

// Limit is the value of a limit. It says false where none is set.
func (g *Guard) Limit(name GuardLimit) (value float64, set bool) {
	limit := map[GuardLimit]*float64{
		WaitingRequests: g.WaitingRequests, ForeignRequestsRunning: g.ForeignRequestsRunning,
		KVCacheUsageRatio: g.KVCacheUsageRatio, PreemptionsPerSecond: g.PreemptionsPerSecond, ErrorRatio: g.ErrorRatio,
	}[name]
	if limit == nil {
		return 0, false
	}
	return *limit, true
}
