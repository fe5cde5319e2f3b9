package collector

import (
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
	"vllm_prober/internal/schedule"
	"vllm_prober/prober"
)

const namespace = "vllm_prober"

// Probe turns what a prober sees of one probe into metrics. It is told by being
// the prober's Observer and collected by being a prometheus.Collector. What
// belongs to a step moves at the step's end and all at once, so that every scrape
// sees whole steps: the completed requests and the measured seconds that they
// took always belong together, and an invalid step leaves no latency behind.
// What tells of the present moves with it.
type Probe struct {
	prober.Silent

	ttft, tpot, itl, e2e *prometheus.HistogramVec
	sendLag              prometheus.Histogram

	requests, completed, good, offered, seconds *prometheus.CounterVec
	promptTokens, cachedTokens                  *prometheus.CounterVec
	outputTokens, dropped, attained             *prometheus.CounterVec
	runs, skipped, guardTrips                   *prometheus.CounterVec

	saturated, attainment                                              *prometheus.GaugeVec
	best, ratio                                                        *prometheus.GaugeVec
	valid, throughput, goodput, benchThroughput, unfinished, coalesced *prometheus.GaugeVec
	replicas                                                           replicaGauges
	figures                                                            stepFigures
	arms                                                               armFigures
	searches                                                           searchFigures
	gpus                                                               gpuGauges
	inFlight, offeredRate                                              *prometheus.GaugeVec

	active, progress, lastSuccess, lastDuration, next, paused, objective prometheus.Gauge

	// ofRuns are collected with live, but for a heartbeat, which has no runs.
	ofSteps, live, ofRuns []prometheus.Collector
	latest                []*prometheus.GaugeVec // those of ofSteps that tell of the latest step

	// closing keeps a scrape from seeing a half-told step; version is how many
	// steps have been told.
	closing sync.RWMutex
	version atomic.Uint64
}

var (
	armLabels  = []string{"target", "gpus", "batch_size"}
	stepLabels = with(armLabels, "request_rate")
)

// NewProbe makes the metrics of a probe of cfg, with every series that its
// ladder can have at 0: a rate over a counter that only appears with its first
// event would miss that event.
func NewProbe(cfg *config.Config, probe config.Probe) *Probe {
	p := &Probe{}
	constant := prometheus.Labels{"probe": probe.Name}
	p.makeHistograms(constant)
	p.makeCounters(constant)
	p.makeGauges(constant, probe.Arms)
	p.objective.Set(probe.SLO.Attainment)
	for _, a := range probe.Arms {
		target, ok := cfg.Target(a.Target)
		if !ok {
			continue
		}
		arm := prober.ArmOf(a, target)
		if arm.Replicas == 0 {
			continue // its series are made when it is known how many replicas there are
		}
		p.arms.show(arm)
		p.inFlight.WithLabelValues(armValues(arm)...)
		p.offeredRate.WithLabelValues(armValues(arm)...)
		for _, rate := range probe.Rates(a) {
			p.touch(stepValues(arm, rate))
		}
	}
	if probe.Heartbeat == nil {
		p.live = append(p.live, p.ofRuns...)
	}
	for _, outcome := range prober.RunOutcomes() {
		p.runs.WithLabelValues(string(outcome))
	}
	for _, reason := range schedule.Reasons() {
		p.skipped.WithLabelValues(string(reason))
	}
	for _, limit := range config.GuardLimits() {
		for _, action := range []config.GuardAction{config.Wait, probe.Guard.Action} {
			p.guardTrips.WithLabelValues(string(limit), string(action))
		}
	}
	return p
}

func (p *Probe) makeHistograms(constant prometheus.Labels) {
	vec := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(histogramOpts(name, help, buckets, constant), stepLabels)
		p.ofSteps = append(p.ofSteps, v)
		return v
	}
	p.ttft = vec("time_to_first_token_seconds",
		"Time from a measured request's intended time to its first token, of requests that were ok.", ttftBuckets)
	p.tpot = vec("time_per_output_token_seconds",
		"Time per output token after the first of a measured request, of requests that were ok.", tokenBuckets)
	p.itl = vec("inter_token_latency_seconds",
		"Time between tokens of measured requests that were ok, one entry a token after the first read's.", tokenBuckets)
	p.e2e = vec("request_duration_seconds",
		"Time from a measured request's intended time to its last token, of requests that were ok.", e2eBuckets)
	p.sendLag = prometheus.NewHistogram(histogramOpts("send_lag_seconds",
		"How much later than intended requests were sent, through the prober's own fault.", lagBuckets, constant))
	p.live = append(p.live, p.sendLag)
}

func histogramOpts(name, help string, buckets []float64, constant prometheus.Labels) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, ConstLabels: constant, Buckets: buckets,
		NativeHistogramBucketFactor:    nativeFactor,
		NativeHistogramMaxBucketNumber: maxNativeBuckets,
	}
}

func (p *Probe) makeCounters(constant prometheus.Labels) {
	vec := func(name, help string, labels []string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: name, Help: help, ConstLabels: constant,
		}, labels)
		p.ofSteps = append(p.ofSteps, v)
		return v
	}
	p.requests = vec("requests_total", "Requests that ended, by the phase that they were intended in and by outcome.",
		with(stepLabels, "phase", "outcome"))
	p.offered = vec("offered_requests_total", "Requests intended within the windows of valid steps.", stepLabels)
	p.completed = vec("completed_requests_total",
		"Requests that ended ok within the windows of valid steps; over measured_seconds_total it is the throughput.", stepLabels)
	p.good = vec("good_requests_total", "Completed requests that kept the SLO; over measured_seconds_total it is the goodput.", stepLabels)
	p.attained = vec("attained_requests_total",
		"Requests intended within the windows of valid steps that kept the SLO; over offered_requests_total it is the SLO attainment.", stepLabels)
	p.seconds = vec("measured_seconds_total", "Length of the windows of valid steps.", stepLabels)
	p.promptTokens = vec("prompt_tokens_total", "Prompt tokens of measured requests that were ok, as the server counts them.", stepLabels)
	p.cachedTokens = vec("cached_prompt_tokens_total",
		"Prompt tokens of measured requests that the server's prefix cache held: 0 unless the workload shares a prefix.", stepLabels)
	p.outputTokens = vec("output_tokens_total", "Output tokens of measured requests that were ok, as the server counts them.", stepLabels)
	p.dropped = vec("dropped_arrivals_total", "Arrivals that were not sent because max_in_flight was reached.", stepLabels)
	p.runs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "runs_total", Help: "Runs that ended, by result.", ConstLabels: constant,
	}, []string{"result"})
	p.guardTrips = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "guard_trips_total", ConstLabels: constant,
		Help: "Times that a limit of the guard was passed, by limit and by what was then done: before a run that is always to wait.",
	}, []string{"limit", "action"})
	p.skipped = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "runs_skipped_total", Help: "Starts of runs that were left out, by reason.", ConstLabels: constant,
	}, []string{"reason"})
	p.ofRuns = append(p.ofRuns, p.runs, p.skipped, p.guardTrips)
}

func (p *Probe) makeGauges(constant prometheus.Labels, arms []config.Arm) {
	opts := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: constant}
	}
	vec := func(name, help string, part *[]prometheus.Collector, labels []string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(opts(name, help), labels)
		*part = append(*part, v)
		return v
	}
	step := func(name, help string, more ...string) *prometheus.GaugeVec {
		v := vec(name, help, &p.ofSteps, with(stepLabels, more...))
		p.latest = append(p.latest, v)
		return v
	}
	previous := func(name, help string, more ...string) *prometheus.GaugeVec {
		return vec(name, help, &p.ofSteps, with(stepLabels, more...))
	}
	arm := func(name, help string, more ...string) *prometheus.GaugeVec {
		return vec(name, help, &p.live, with(armLabels, more...))
	}
	ofRuns := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(opts(name, help))
		p.ofRuns = append(p.ofRuns, g)
		return g
	}
	p.valid = step("step_valid", "Whether what the reason names was kept in the latest step (1) or not (0).", "reason")
	p.throughput = step("step_throughput_requests_per_second", "Requests completed per second of the window, in the latest valid step.")
	p.goodput = step("step_goodput_requests_per_second",
		"Requests completed within the SLO per second of the window, in the latest valid step.")
	p.benchThroughput = step("step_bench_throughput_requests_per_second",
		"The throughput that `vllm bench serve` would report for the latest valid step, with the drain in its time.")
	p.unfinished = step("step_unfinished_requests", "Measured requests that the drain limit cut in the latest valid step.")
	p.replicas = newReplicaGauges(step)
	p.gpus = newGPUGauges(step)
	p.coalesced = step("step_coalesced_reads_ratio",
		"Share of the reads that brought several chunks at once, in the latest valid step: their gaps are not the server's.")
	p.saturated = step("step_saturated",
		"Whether the arm got more than it can bear for ever, in the latest step: 1 for the verdict, 0 for the others.", "verdict")
	p.attainment = step("step_slo_attainment_ratio", "Share of the requests offered in the window that kept the SLO, in the latest valid step.")
	p.figures = newStepFigures(step, previous)
	p.arms = newArmFigures(arms, arm)
	p.searches = newSearchFigures(arm)
	p.best = arm("compare_best", "Whether the arm did the most beyond chance in the latest comparison.")
	p.ratio = arm("compare_throughput_ratio",
		"Throughput of an arm as a multiple of the first one's in the latest comparison: the estimate and its 95% interval.", "bound")
	p.inFlight = arm("in_flight_requests", "Requests in flight.")
	p.offeredRate = arm("offered_request_rate", "Requests per second offered at the moment.")
	p.active = ofRuns("run_active", "Whether a run is under way.")
	p.progress = ofRuns("run_progress_ratio", "Share of the steps of the current or latest run that have ended.")
	p.lastSuccess = ofRuns("run_last_success_timestamp_seconds", "When the latest run ended that made all its steps.")
	p.lastDuration = ofRuns("run_last_duration_seconds", "How long the latest run took.")
	p.next = ofRuns("run_next_timestamp_seconds", "When the next run begins.")
	p.paused = prometheus.NewGauge(opts("paused", "Whether the probe is paused."))
	p.objective = prometheus.NewGauge(opts("slo_attainment_objective_ratio", "Share of the requests that have to keep the SLO, as configured."))
	p.live = append(p.live, p.paused, p.objective)
}

// touch makes the series of a step.
func (p *Probe) touch(step []string) {
	for _, v := range []*prometheus.HistogramVec{p.ttft, p.tpot, p.itl, p.e2e} {
		v.WithLabelValues(step...)
	}
	for _, v := range []*prometheus.CounterVec{
		p.offered, p.completed, p.good, p.attained, p.seconds, p.promptTokens, p.cachedTokens, p.outputTokens, p.dropped,
	} {
		v.WithLabelValues(step...)
	}
	for _, phase := range prober.Phases() {
		for _, outcome := range prober.Outcomes() {
			p.requests.WithLabelValues(with(step, string(phase), string(outcome))...)
		}
	}
}

// Describe describes nothing: the metrics of many probes share their names,
// and come and go with the configuration.
func (p *Probe) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (p *Probe) Collect(metrics chan<- prometheus.Metric) {
	p.collectSteps(metrics)
	p.collectLive(metrics)
}

// collectSteps collects what moves only when version does.
func (p *Probe) collectSteps(metrics chan<- prometheus.Metric) {
	p.closing.RLock()
	defer p.closing.RUnlock()
	for _, c := range p.ofSteps {
		c.Collect(metrics)
	}
}

func (p *Probe) collectLive(metrics chan<- prometheus.Metric) {
	for _, c := range p.live {
		c.Collect(metrics)
	}
}

// NextRun tells when the next run begins; the zero time means never.
func (p *Probe) NextRun(at time.Time) {
	if at.IsZero() {
		p.next.Set(math.Inf(1))
		return
	}
	p.next.Set(unix(at))
}

// SetPaused tells whether the probe is paused.
func (p *Probe) SetPaused(paused bool) {
	p.paused.Set(0)
	if paused {
		p.paused.Set(1)
	}
}

// RunsSkipped tells that starts were left out.
func (p *Probe) RunsSkipped(reason schedule.Reason, n int) {
	p.skipped.WithLabelValues(string(reason)).Add(float64(n))
}

// RunStarted implements prober.Observer.
func (p *Probe) RunStarted(prober.Run) {
	p.active.Set(1)
	p.progress.Set(0)
}

// StepStarted implements prober.Observer.
func (p *Probe) StepStarted(s prober.Step) {
	p.offeredRate.WithLabelValues(armValues(s.Arm)...).Set(s.RequestRate)
	p.arms.show(s.Arm)
	p.closing.Lock()
	defer p.closing.Unlock()
	// A rate that a search has chosen has its series before its first event, too.
	p.touch(stepValues(s.Arm, s.RequestRate))
	p.version.Add(1)
}

// RequestSent implements prober.Observer.
func (p *Probe) RequestSent(s prober.Step) { p.inFlight.WithLabelValues(armValues(s.Arm)...).Inc() }

// RequestEnded implements prober.Observer.
func (p *Probe) RequestEnded(s prober.Step, o *prober.Observation) {
	p.inFlight.WithLabelValues(armValues(s.Arm)...).Dec()
	if o.Sent > 0 {
		p.sendLag.Observe(o.SendLag().Seconds())
	}
}

// StepEnded implements prober.Observer.
func (p *Probe) StepEnded(r *prober.StepResult) {
	p.closing.Lock()
	defer p.closing.Unlock()
	defer p.version.Add(1)
	p.offeredRate.WithLabelValues(armValues(r.Arm)...).Set(0)
	p.progress.Set(float64(r.Number) / float64(max(r.Known, 1)))
	step := stepValues(r.Arm, r.RequestRate)
	for phase, outcomes := range r.Outcomes {
		for outcome, n := range outcomes {
			p.requests.WithLabelValues(with(step, string(phase), string(outcome))...).Add(float64(n))
		}
	}
	p.dropped.WithLabelValues(step...).Add(float64(r.Dropped))
	p.showLatest(r)
	if r.Valid() {
		p.closeStep(r, step)
	}
}

// showLatest sets the gauges of the latest step, and of the latest valid one.
func (p *Probe) showLatest(r *prober.StepResult) {
	step := stepValues(r.Arm, r.RequestRate)
	kept := map[prober.Promise]float64{}
	for _, promise := range prober.Promises() {
		kept[promise] = 1
	}
	for _, b := range r.Broken {
		kept[b.Promise] = 0
	}
	for promise, value := range kept {
		p.valid.WithLabelValues(with(step, string(promise))...).Set(value)
	}
	for _, verdict := range prober.Saturations() {
		value := 0.0
		if verdict == r.Saturated {
			value = 1
		}
		p.saturated.WithLabelValues(with(step, string(verdict))...).Set(value)
	}
	if !r.Valid() {
		return
	}
	p.throughput.WithLabelValues(step...).Set(r.Throughput)
	p.goodput.WithLabelValues(step...).Set(r.Goodput)
	p.attainment.WithLabelValues(step...).Set(r.Attainment)
	p.benchThroughput.WithLabelValues(step...).Set(r.BenchThroughput)
	p.coalesced.WithLabelValues(step...).Set(r.CoalescedReads)
	p.unfinished.WithLabelValues(step...).Set(float64(r.Unfinished))
	p.replicas.set(r, step)
	p.figures.show(r, step)
	p.gpus.set(r, step)
}

func (p *Probe) closeStep(r *prober.StepResult, step []string) {
	p.offered.WithLabelValues(step...).Add(float64(r.Offered))
	p.completed.WithLabelValues(step...).Add(float64(r.Completed))
	p.good.WithLabelValues(step...).Add(float64(r.Good))
	p.attained.WithLabelValues(step...).Add(math.Round(r.Attainment * float64(r.Offered)))
	p.seconds.WithLabelValues(step...).Add(r.Window.Seconds())
	p.promptTokens.WithLabelValues(step...).Add(float64(r.PromptTokens))
	p.cachedTokens.WithLabelValues(step...).Add(float64(r.CachedTokens))
	p.outputTokens.WithLabelValues(step...).Add(float64(r.OutputTokens))

	observe := func(v *prometheus.HistogramVec) func(time.Duration, prometheus.Labels) {
		h := v.WithLabelValues(step...).(prometheus.ExemplarObserver)
		return func(d time.Duration, exemplar prometheus.Labels) { h.ObserveWithExemplar(d.Seconds(), exemplar) }
	}
	ttft, tpot, e2e := observe(p.ttft), observe(p.tpot), observe(p.e2e)
	for i := range r.Measured {
		o := &r.Measured[i]
		exemplar := prometheus.Labels{"request_id": o.ID}
		ttft(o.TTFT(), exemplar)
		e2e(o.E2E(), exemplar)
		if d, has := o.TPOT(); has {
			tpot(d, exemplar)
		}
	}
	itl := p.itl.WithLabelValues(step...)
	for seconds, n := range r.ITL.Buckets {
		for range n {
			itl.Observe(seconds)
		}
	}
}

// GuardTripped implements prober.Observer.
func (p *Probe) GuardTripped(t prober.Trip) {
	p.guardTrips.WithLabelValues(string(t.Limit), string(t.Action)).Inc()
}

// RunEnded implements prober.Observer.
func (p *Probe) RunEnded(r *prober.RunResult) {
	p.active.Set(0)
	p.showLatestRun(r)
	p.runs.WithLabelValues(string(r.Outcome)).Inc()
}

func (p *Probe) showLatestRun(r *prober.RunResult) {
	p.lastDuration.Set(r.EndedAt.Sub(r.StartedAt).Seconds())
	p.searches.show(r)
	if r.Comparison != nil {
		p.showComparison(r.Comparison)
	}
	if r.Outcome == prober.RunSuccess {
		p.lastSuccess.Set(unix(r.EndedAt))
	}
}

// showComparison shows a comparison in the place of the one before, which may have told
// of more arms.
func (p *Probe) showComparison(c *prober.Comparison) {
	p.best.Reset()
	p.ratio.Reset()
	for _, a := range c.Arms {
		best := 0.0
		if c.Best != nil && *c.Best == a.Arm {
			best = 1
		}
		p.best.WithLabelValues(armValues(a.Arm)...).Set(best)
		if i := a.ToBase; i != nil {
			bounds(p.ratio, a.Arm, i.Value, i.Lower, i.Upper)
		}
	}
}

// Restore sets the gauges of the latest steps and of the latest run to what runs
// before this process have found; the oldest comes first. Counters and histograms
// begin at 0 in each process, as Prometheus expects of them.
func (p *Probe) Restore(runs []*prober.RunResult) {
	p.closing.Lock()
	defer p.closing.Unlock()
	defer p.version.Add(1)
	for _, r := range runs {
		for i := range r.Results {
			p.arms.show(r.Results[i].Arm)
			p.showLatest(&r.Results[i])
		}
		if !r.EndedAt.IsZero() { // a run that was cut has no end
			p.showLatestRun(r)
		}
	}
}

// bounds sets an estimate and what it lies between.
func bounds(v *prometheus.GaugeVec, arm prober.Arm, estimate, lower, upper float64) {
	for bound, x := range map[string]float64{"estimate": estimate, "lower": lower, "upper": upper} {
		v.WithLabelValues(with(armValues(arm), bound)...).Set(x)
	}
}

func armValues(a prober.Arm) []string {
	size := ""
	if a.BatchSize > 0 {
		size = strconv.Itoa(a.BatchSize)
	}
	return []string{a.Target, strconv.Itoa(a.GPUs), size}
}

func stepValues(a prober.Arm, rate float64) []string {
	return append(armValues(a), strconv.FormatFloat(rate, 'g', -1, 64))
}

// with returns values and more in a slice of their own.
func with(values []string, more ...string) []string {
	return append(append(make([]string, 0, len(values)+len(more)), values...), more...)
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
