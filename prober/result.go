package prober

import (
	"cmp"
	"fmt"
	"time"

	"vllm_prober/internal/config"
)

// Arm is what a comparison compares: a target, or its first replicas.
type Arm struct {
	Target string `json:"target"`
	// Replicas is how many replicas are in use, GPUs how many GPUs they have.
	Replicas int `json:"replicas"`
	GPUs     int `json:"gpus"`
	// BatchSize is the declared one; 0 is undeclared.
	BatchSize int `json:"batch_size,omitempty"`
}

// Compare orders arms by what they have: GPUs, batch size, and then by name.
func (a Arm) Compare(b Arm) int {
	return cmp.Or(a.GPUs-b.GPUs, a.BatchSize-b.BatchSize, cmp.Compare(a.Target, b.Target), a.Replicas-b.Replicas)
}

// Run is one execution of a probe, as far as it is known when it begins.
type Run struct {
	ID        string    `json:"id"`
	Probe     string    `json:"probe"`
	Seed      uint64    `json:"seed"`
	StartedAt time.Time `json:"started_at"`
	// Steps is how many steps the run is to have, without those of searches.
	Steps int `json:"steps_planned"`
}

// Step is one offered request rate held against one arm, as far as it is known
// when it begins.
type Step struct {
	RunID string `json:"run_id"`
	Probe string `json:"probe"`
	// Number counts the run's steps from 1 on, of which so many were known when
	// this one began: a search adds to them.
	Number int `json:"number"`
	Known  int `json:"known"`
	Arm    Arm `json:"arm"`
	// Repeated says that the guard has aborted this step before.
	Repeated bool `json:"repeated,omitempty"`
	// RequestRate is the offered one, in requests per second.
	RequestRate float64   `json:"request_rate"`
	Seed        uint64    `json:"seed"`
	StartedAt   time.Time `json:"started_at"`
	// Warmup and Window are the lengths of these phases, MaxDrain the longest
	// that the third may take. A result's window may be longer than it was to be,
	// when the step was extended.
	Warmup   time.Duration `json:"warmup_ns"`
	Window   time.Duration `json:"window_ns"`
	MaxDrain time.Duration `json:"max_drain_ns"`
}

// id is the beginning of the ids of the step's requests. No two steps share it, so
// that no request finds another's prompt in a prefix cache.
func (s *Step) id() string {
	if s.Repeated {
		return fmt.Sprintf("%s-%d-repeated", s.RunID, s.Number)
	}
	return fmt.Sprintf("%s-%d", s.RunID, s.Number)
}

// Promise is a condition of a step's validity: something that the prober itself
// must keep, or that must not have happened to the replicas.
type Promise string

// The promises.
const (
	// PromiseSendLag: requests were sent when they were intended.
	PromiseSendLag Promise = "send_lag"
	// PromiseInFlightCap: no arrival was dropped at the cap on requests in flight.
	PromiseInFlightCap Promise = "in_flight_cap"
	// PromiseCPU: what was ready to run got a processor.
	PromiseCPU Promise = "cpu"
	// PromiseComplete: the step was not interrupted.
	PromiseComplete Promise = "complete"
	// PromiseNoRestart: no replica began anew within the step. It is not the
	// prober's to keep, but what a replica does while it is gone and while it
	// warms up is no measurement of it.
	PromiseNoRestart Promise = "replica_restarted"
	// PromiseGuard: the guard did not abort the step.
	PromiseGuard Promise = "guard"
	// PromiseReplicas: no replica of the target came or went. The prober cannot
	// keep it, but what was measured is neither the arm before nor the arm after.
	PromiseReplicas Promise = "replicas"
)

// Promises lists all promises.
func Promises() []Promise {
	return []Promise{PromiseSendLag, PromiseInFlightCap, PromiseCPU, PromiseComplete, PromiseNoRestart, PromiseGuard, PromiseReplicas}
}

// Broken is a promise that was not kept, and by how much.
type Broken struct {
	Promise Promise `json:"promise"`
	Detail  string  `json:"detail"`
}

// Failure is an outcome other than OK with one example of it.
type Failure struct {
	Outcome Outcome `json:"outcome"`
	Count   int     `json:"count"`
	Example string  `json:"example"`
}

// Latencies are the distributions over a step's measured requests.
type Latencies struct {
	TTFT Distribution `json:"ttft_seconds"`
	TPOT Distribution `json:"tpot_seconds"`
	// ITL has one entry for each token after those of the first read.
	ITL Distribution `json:"itl_seconds"`
	E2E Distribution `json:"e2e_seconds"`
}

// StepResult is what a step has found.
type StepResult struct {
	Step
	EndedAt time.Time `json:"ended_at"`

	// Offered is how many requests were intended within the window, Unfinished
	// how many of them the drain limit cut. Where there are such, the latencies
	// are of the faster ones alone.
	Offered    int `json:"offered"`
	Unfinished int `json:"unfinished"`
	// Dropped is how many arrivals of all phases met the cap on requests in flight.
	Dropped int `json:"dropped"`
	// Completed is how many requests ended well within the window, whenever they
	// were intended; Good is how many of these kept the SLO.
	Completed int `json:"completed"`
	Good      int `json:"good"`
	// Throughput and Goodput are these per second of the window.
	Throughput float64 `json:"throughput"`
	Goodput    float64 `json:"goodput"`
	// OutputTokenThroughput is the output tokens of the completed per second.
	OutputTokenThroughput float64 `json:"output_token_throughput"`
	// BenchThroughput is the figure that `vllm bench serve` would give for the
	// measured requests: their number over the time from the first one's
	// beginning to the last one's end, which falls short by the drain.
	BenchThroughput float64 `json:"bench_throughput"`

	// Saturated says whether the arm got more than it can bear for ever. It is
	// undetermined for a step that is not valid.
	Saturated Saturation `json:"saturated"`
	// SettledThroughput is the throughput since the batch has had time to fill, in
	// requests per second: of a saturated arm, its capacity.
	SettledThroughput float64 `json:"settled_throughput"`
	// Attainment is the share of the requests offered in the window that kept the
	// SLO, from 0 to 1: those that failed did not.
	Attainment float64 `json:"slo_attainment_ratio"`

	// Outcomes counts all requests.
	Outcomes map[Phase]map[Outcome]int `json:"outcomes"`
	Failures []Failure                 `json:"failures,omitempty"`

	// Latencies are withheld, and nil, when a promise was broken.
	Latencies *Latencies   `json:"latencies,omitempty"`
	SendLag   Distribution `json:"send_lag_seconds"`
	Broken    []Broken     `json:"broken,omitempty"`

	// The tokens of the measured requests that were OK.
	PromptTokens int `json:"prompt_tokens"`
	OutputTokens int `json:"output_tokens"`
	CachedTokens int `json:"cached_tokens"`
	// CoalescedReads is the share of reads that brought several chunks at once.
	CoalescedReads float64 `json:"coalesced_reads_ratio"`

	// Replicas is what the replicas said of themselves, in the order of the
	// target's configuration; empty where none was watched. Reconciliation holds
	// their counts against the prober's.
	Replicas       []ReplicaResult `json:"replicas,omitempty"`
	Reconciliation *Reconciliation `json:"reconciliation,omitempty"`
	// GPU is what the GPUs did that serve the arm; nil where it is not known which
	// these are, or where they cannot be read.
	GPU *GPUResult `json:"gpu,omitempty"`
	// Guard is the limit at which the guard aborted the step. Nothing of such a
	// step is counted: its completed requests, throughput and tokens are 0.
	Guard *Trip `json:"guard,omitempty"`

	// Measured are the requests of the window that were OK, with times from the
	// step's beginning, and ITL all gaps between their tokens.
	Measured []Observation `json:"-"`
	ITL      *Histogram    `json:"-"`
	// Batches are nil where the latencies are withheld, and in records of releases
	// that kept none.
	Batches *Batches `json:"-"`
}

// Valid says whether all promises were kept.
func (r *StepResult) Valid() bool { return len(r.Broken) == 0 }

// RunResult is what a run has found.
type RunResult struct {
	Run
	EndedAt time.Time    `json:"ended_at"`
	Outcome RunOutcome   `json:"outcome"`
	Models  []ArmModel   `json:"models"`
	Results []StepResult `json:"steps"`
	// Answers are what the search has found of each arm, if there was one.
	Answers []Answer `json:"answers,omitempty"`
	// Comparison is the arms side by side, if the probe compares them.
	Comparison *Comparison `json:"comparison,omitempty"`
	// Err says why the run could not begin or did not end; empty when all its
	// steps were made.
	Err string `json:"error,omitempty"`
}

// ArmModel is what the replicas of an arm said of themselves before a run.
type ArmModel struct {
	Arm         Arm      `json:"arm"`
	Model       string   `json:"model"`
	MaxModelLen int      `json:"max_model_len,omitempty"`
	Versions    []string `json:"versions,omitempty"`
}

// Observer is told what the prober sees while it sees it. Its methods are
// called from many goroutines at once and must return at once.
type Observer interface {
	RunStarted(Run)
	// Preparing tells that an arm's command begins to make its engines.
	Preparing(Arm)
	StepStarted(Step)
	RequestSent(Step)
	RequestEnded(Step, *Observation)
	StepEnded(*StepResult)
	// GuardTripped tells that a limit of the guard was passed: after the end of
	// the step that this aborted, or between steps.
	GuardTripped(Trip)
	RunEnded(*RunResult)
}

// Good says whether a request that was OK kept the SLO. An answer of one token
// has no TPOT to miss.
func Good(slo config.SLO, o *Observation) bool {
	tpot, has := o.TPOT()
	return (slo.TTFT == 0 || o.TTFT() <= slo.TTFT) &&
		(slo.TPOT == 0 || !has || tpot <= slo.TPOT) &&
		(slo.E2E == 0 || o.E2E() <= slo.E2E)
}
