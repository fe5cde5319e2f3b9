// Package config is the configuration file: its types, its defaults, and a
// strict reading of it in which every mistake is reported with its line, the
// value found there, and what is allowed.
package config

import (
	"math"
	"time"

	promconfig "github.com/prometheus/common/config"
)

// Config is a whole configuration file. It is immutable once loaded: a reload
// makes a new one.
type Config struct {
	Targets []Target `yaml:"targets"`
	Probes  []Probe  `yaml:"probes"`
}

// Target is what is probed as one: the replicas of one deployment.
type Target struct {
	// Name is unique among the targets and is the value of the label "target".
	Name string `yaml:"name"`
	// Replicas are the base URLs of the vLLM servers, without credentials and
	// without a trailing slash. An arm with n replicas uses the first n. There are
	// none where the replicas are discovered.
	Replicas []string `yaml:"replicas,omitempty"`
	// Discovery finds the replicas of a target that lists none.
	Discovery Discovery `yaml:",inline"`
	// Model is the served model's name; empty means the first that
	// /v1/models lists.
	Model string `yaml:"model,omitempty"`
	// GPUsPerReplica times the replicas in use gives the label "gpus".
	GPUsPerReplica int `yaml:"gpus_per_replica"`
	// GPUUUIDs are the GPUs of each replica, in the order of Replicas; those that
	// are left out are looked for on this machine.
	GPUUUIDs [][]string `yaml:"gpu_uuids,omitempty"`
	// BatchSize is what the deployment declares as --max-num-seqs; 0 means
	// undeclared, and the label "batch_size" is then empty.
	BatchSize int `yaml:"batch_size,omitempty"`
	// Labels are free labels, exported on vllm_prober_target_info alone.
	Labels map[string]string `yaml:"labels,omitempty"`
	// Balance says which replica the next request goes to.
	Balance Balance `yaml:"balance"`
	// HTTPClient holds TLS, authorization and proxy settings. It is always
	// written: left out, it means Prometheus's defaults, which are not zero.
	HTTPClient promconfig.HTTPClientConfig `yaml:"http_client"`
}

// Balance is a way to spread requests over replicas.
type Balance string

// The ways to spread requests.
const (
	RoundRobin    Balance = "round_robin"
	LeastInFlight Balance = "least_in_flight"
)

// Probe is a measurement to make again and again: arms × workload × ladder.
type Probe struct {
	// Name is unique among the probes and is the value of the label "probe".
	Name string `yaml:"name"`
	// Schedule says when runs begin, and what they may spend.
	Schedule Schedule `yaml:"schedule,omitempty"`
	// Arms are what is compared; every arm climbs the ladder.
	Arms []Arm `yaml:"arms"`
	// Workload is what is asked.
	Workload Workload `yaml:"workload"`
	// Pacing is the process that the arrivals follow.
	Pacing Pacing `yaml:"pacing"`
	// Ladder is the request rates and how long each is held.
	Ladder Ladder `yaml:"ladder,omitempty"`
	// Heartbeat takes the place of Schedule, Ladder and Guard in a probe that never
	// ends.
	Heartbeat *Heartbeat `yaml:"heartbeat,omitempty"`
	// Search goes on after the ladder's last rate until it knows where the arm
	// is saturated; nil means that it does not.
	Search *Search `yaml:"search,omitempty"`
	// Compare puts the arms side by side after the search; nil means that it
	// does not.
	Compare *Compare `yaml:"compare,omitempty"`
	// SLO is what a good request keeps.
	SLO SLO `yaml:"slo,omitempty"`
	// Guard keeps the probe from harming what others use.
	Guard Guard `yaml:"guard,omitempty"`
	// Timeouts end a request that makes no progress.
	Timeouts Timeouts `yaml:"timeouts"`
	// MaxInFlight is the cap on requests in flight. Reaching it drops arrivals
	// and makes the step invalid; it never slows the load down.
	MaxInFlight int `yaml:"max_in_flight"`
	// MaxSendLag is the 99th percentile of send lag, and of the delay before
	// one of the prober's goroutines gets a processor, above which a step is
	// invalid.
	MaxSendLag time.Duration `yaml:"max_send_lag"`
	// Seed makes arrivals and prompts reproducible; 0 means a new seed for
	// each run, which the result then names.
	Seed uint64 `yaml:"seed,omitempty"`
}

// Arm is a target, or a target with only the first Replicas of it in use.
type Arm struct {
	Target string `yaml:"target"`
	// Replicas is how many replicas to use; 0 means all.
	Replicas int `yaml:"replicas,omitempty"`
	// Rates replaces the ladder's rates for this arm, for arms whose capacities
	// lie far apart.
	Rates []float64 `yaml:"rates,omitempty"`
	// BatchSize and GPUsPerReplica are what Prepare makes of the target's; 0 means
	// that it leaves them.
	BatchSize      int `yaml:"batch_size,omitempty"`
	GPUsPerReplica int `yaml:"gpus_per_replica,omitempty"`
	// Prepare makes the arm's engines before its steps; nil means that they run
	// already.
	Prepare *Prepare `yaml:"prepare,omitempty"`
}

// Ladder is the steps of a run: every rate is held for warm-up and window, and
// then on until the last measured request has ended, at most for Drain.
type Ladder struct {
	// Rates are the offered request rates in requests per second, rising.
	Rates []float64 `yaml:"rates"`
	// Warmup is the time under load before the window opens.
	Warmup time.Duration `yaml:"warmup"`
	// Window is the measured time: a request intended within it is measured.
	Window time.Duration `yaml:"window"`
	// Drain is the longest time that the load goes on after the window.
	Drain time.Duration `yaml:"drain"`
	// Cooldown is the time without load between two steps.
	Cooldown time.Duration `yaml:"cooldown"`
	// Repeats is how often each rate is held against each arm.
	Repeats int `yaml:"repeats"`
}

// Heartbeat is one low request rate that is held for ever, in one window after the
// other.
type Heartbeat struct {
	// Rate is the offered request rate in requests per second.
	Rate float64 `yaml:"rate"`
	// Window is the measured time of one step.
	Window time.Duration `yaml:"window"`
}

// Search is the limits of the search for an arm's capacity and, with an SLO, for
// the highest rate that keeps it.
type Search struct {
	// MaxWindow is how long a step's window may become, which is doubled while
	// nobody can say whether the arm is saturated; of the ladder's steps, too.
	MaxWindow time.Duration `yaml:"max_window"`
	// MaxRate is the highest request rate to try, in requests per second.
	MaxRate float64 `yaml:"max_rate"`
	// MaxSteps is how many steps the search may add for each arm.
	MaxSteps int `yaml:"max_steps"`
}

// Compare is an experiment that tells which of a probe's arms is the best.
type Compare struct {
	// By is what the arms differ in.
	By CompareBy `yaml:"by"`
	// At is the request rate at which they are compared.
	At CompareAt `yaml:"at"`
	// Repeats is how many steps each arm makes at it.
	Repeats int `yaml:"repeats"`
}

// CompareBy is what arms differ in.
type CompareBy string

// ByBatchSize compares arms of different batch sizes and as many GPUs.
const ByBatchSize CompareBy = "batch_size"

// CompareAt is a request rate that a run finds by itself.
type CompareAt string

// AtSaturation is the lowest request rate that saturates all arms.
const AtSaturation CompareAt = "saturation"

// Pacing is the arrival process, always of the offered rate on average.
type Pacing struct {
	Process Process `yaml:"process"`
	// Burstiness is the shape of gamma-distributed gaps: 1 is Poisson, less is
	// burstier, more is more regular. For the process gamma alone.
	Burstiness float64 `yaml:"burstiness,omitempty"`
}

// Process names an arrival process.
type Process string

// The arrival processes.
const (
	Poisson  Process = "poisson"
	Constant Process = "constant"
	Gamma    Process = "gamma"
)

// Workload is what is asked of a model.
type Workload struct {
	Endpoint Endpoint `yaml:"endpoint"`
	// PromptTokens is the length of each prompt, the shared prefix included.
	PromptTokens Length `yaml:"prompt_tokens,omitempty"`
	// OutputTokens is the length of each answer, made exact by min_tokens and
	// ignore_eos.
	OutputTokens Length `yaml:"output_tokens,omitempty"`
	// SharedPrefixTokens is how many tokens at the start are the same in all
	// prompts; 0 means that no two prompts share anything, prefix cache included.
	SharedPrefixTokens int `yaml:"shared_prefix_tokens,omitempty"`
	// PromptsFile replaces made prompts by those of a file: *.jsonl holds a
	// JSON object a line, any other file a prompt a line.
	PromptsFile string `yaml:"prompts_file,omitempty"`
	// Priority is sent with each request: vLLM with --scheduling-policy priority
	// takes lower ones first, and others have 0. 0 is not sent.
	Priority int `yaml:"priority,omitempty"`
	// ExtraBody is added to each request's JSON, for parameters of vLLM that
	// the prober does not set itself.
	ExtraBody JSONObject `yaml:"extra_body,omitempty"`
}

// JSONObject is what becomes a JSON object.
type JSONObject map[string]any

// Endpoint is the part of vLLM's HTTP interface that is measured.
type Endpoint string

// The endpoints.
const (
	Completions Endpoint = "completions"
	Chat        Endpoint = "chat"
)

// Length is a distribution of lengths in tokens. Exactly one of its fields is
// set; in YAML a plain number means Fixed.
type Length struct {
	Fixed     int              `yaml:"fixed,omitempty"`
	Uniform   *UniformTokens   `yaml:"uniform,omitempty"`
	Lognormal *LognormalTokens `yaml:"lognormal,omitempty"`
}

// UniformTokens draws each whole number from Min to Max alike.
type UniformTokens struct {
	Min int `yaml:"min"`
	Max int `yaml:"max"`
}

// LognormalTokens draws exp(ln Median + Sigma·N(0,1)), rounded, of those draws
// that lie from Min to Max.
type LognormalTokens struct {
	Median float64 `yaml:"median"`
	Sigma  float64 `yaml:"sigma"`
	Min    int     `yaml:"min"`
	Max    int     `yaml:"max"`
}

// SLO is the limits a request must keep to be good; a zero is no limit.
type SLO struct {
	TTFT time.Duration `yaml:"ttft,omitempty"`
	TPOT time.Duration `yaml:"tpot,omitempty"`
	E2E  time.Duration `yaml:"e2e,omitempty"`
	// Attainment is the share of the requests that have to be good for a request
	// rate to keep the SLO, above 0 and up to 1.
	Attainment float64 `yaml:"attainment"`
}

// IsSet says whether there is any limit to keep.
func (s SLO) IsSet() bool { return s.TTFT > 0 || s.TPOT > 0 || s.E2E > 0 }

// Timeouts bound the phases of one request.
type Timeouts struct {
	// Connect bounds the making of a connection, TLS included.
	Connect time.Duration `yaml:"connect"`
	// FirstToken bounds the time from the request's sending to its first token.
	FirstToken time.Duration `yaml:"first_token"`
	// Stall bounds the time between two reads of the stream.
	Stall time.Duration `yaml:"stall"`
	// Total bounds the whole request.
	Total time.Duration `yaml:"total"`
}

// Target returns the target of that name.
func (c *Config) Target(name string) (Target, bool) {
	for _, t := range c.Targets {
		if t.Name == name {
			return t, true
		}
	}
	return Target{}, false
}

// Probe returns the probe of that name.
func (c *Config) Probe(name string) (Probe, bool) {
	for _, p := range c.Probes {
		if p.Name == name {
			return p, true
		}
	}
	return Probe{}, false
}

// TargetsOf returns the targets that the arms of probes use, each once.
func (c *Config) TargetsOf(probes ...Probe) (targets []Target) {
	taken := map[string]bool{}
	for _, p := range probes {
		for _, a := range p.Arms {
			if t, has := c.Target(a.Target); has && !taken[t.Name] {
				taken[t.Name] = true
				targets = append(targets, t)
			}
		}
	}
	return targets
}

// Rates returns the request rates that an arm of the probe climbs: its own, or
// the ladder's.
func (p Probe) Rates(a Arm) []float64 {
	if len(a.Rates) > 0 {
		return a.Rates
	}
	return p.Steps().Rates
}

// heartbeatWarmup is the time under load before the first window of a heartbeat:
// enough to connect, and for a model that was idle to wake up.
const heartbeatWarmup = 10 * time.Second

// Steps returns how the probe's steps are held: as its ladder says, or as those of
// a heartbeat are. Its requests end by their own timeouts alone, so that a replica
// that hangs shows as such.
func (p Probe) Steps() Ladder {
	if p.Heartbeat == nil {
		return p.Ladder
	}
	return Ladder{
		Rates: []float64{p.Heartbeat.Rate}, Warmup: heartbeatWarmup, Window: p.Heartbeat.Window, Drain: p.Timeouts.Total, Repeats: 1,
	}
}

// Planned is how long a run takes whose drains take no time and that searches for nothing; where that is more
// than a time.Duration can hold, it is the longest one.
func (p Probe) Planned() time.Duration {
	l, steps := p.Steps(), 0
	for _, a := range p.Arms {
		steps += len(p.Rates(a)) * l.Repeats
	}
	if steps == 0 {
		return 0
	}
	each := l.Warmup + l.Window + l.Cooldown
	if each > math.MaxInt64/time.Duration(steps) {
		return math.MaxInt64
	}
	return time.Duration(steps)*each - l.Cooldown
}

// MaxTokens is the longest length that can be drawn.
func (l Length) MaxTokens() int {
	switch {
	case l.Uniform != nil:
		return l.Uniform.Max
	case l.Lognormal != nil:
		return l.Lognormal.Max
	default:
		return l.Fixed
	}
}

// MinTokens is the shortest length that can be drawn.
func (l Length) MinTokens() int {
	switch {
	case l.Uniform != nil:
		return l.Uniform.Min
	case l.Lognormal != nil:
		return l.Lognormal.Min
	default:
		return l.Fixed
	}
}

// MeanTokens is the mean of the lengths that are drawn. Of a lognormal
// distribution it is that of the truncated one (by parts: E[X; a<X<b] is
// exp(μ+σ²/2) times the share of N(μ+σ², σ²) between ln a and ln b), whose
// rounding to whole tokens is left out.
func (l Length) MeanTokens() float64 {
	switch {
	case l.Uniform != nil:
		return float64(l.Uniform.Min+l.Uniform.Max) / 2
	case l.Lognormal != nil:
		n := l.Lognormal
		mu := math.Log(n.Median)
		between := func(mean float64) float64 {
			below := func(x float64) float64 { return math.Erfc((mean-math.Log(x))/(n.Sigma*math.Sqrt2)) / 2 }
			return below(float64(n.Max)+0.5) - below(float64(n.Min)-0.5)
		}
		mean := math.Exp(mu+n.Sigma*n.Sigma/2) * between(mu+n.Sigma*n.Sigma) / between(mu)
		return min(max(mean, float64(n.Min)), float64(n.Max))
	default:
		return float64(l.Fixed)
	}
}
