package collector

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// figures are the figures of a distribution that are shown, by the value of the
// label "figure".
var figures = map[string]func(prober.Distribution) float64{
	"mean": func(d prober.Distribution) float64 { return d.Mean },
	"p50":  func(d prober.Distribution) float64 { return d.P50 },
	"p90":  func(d prober.Distribution) float64 { return d.P90 },
	"p95":  func(d prober.Distribution) float64 { return d.P95 },
	"p99":  func(d prober.Distribution) float64 { return d.P99 },
	"max":  func(d prober.Distribution) float64 { return d.Max },
}

// latencies are the distributions that are shown, by the name of their histogram.
var latencies = map[string]func(*prober.Latencies) prober.Distribution{
	"time_to_first_token_seconds":   func(l *prober.Latencies) prober.Distribution { return l.TTFT },
	"time_per_output_token_seconds": func(l *prober.Latencies) prober.Distribution { return l.TPOT },
	"inter_token_latency_seconds":   func(l *prober.Latencies) prober.Distribution { return l.ITL },
	"request_duration_seconds":      func(l *prober.Latencies) prober.Distribution { return l.E2E },
}

// summary is what a rule needs of a step to hold the next ones against it.
type summary struct {
	run        string    // its id
	first      time.Time // when the run's first valid step at the rate ended
	latencies  prober.Latencies
	throughput float64
}

// pair is the latest valid step at a request rate, and the latest one of the run
// before. A histogram cannot tell them apart: how far back one run reaches is
// known to the prober alone, and not to a window of PromQL's.
type pair struct {
	latest, previous *summary
}

// take takes a step that is newer than those of the pair. The steps of one run
// that repeat a rate take the place of one another.
func (p *pair) take(s *summary) {
	switch {
	case p.latest == nil:
	case p.latest.run == s.run:
		s.first = p.latest.first
	default:
		p.previous = p.latest
	}
	p.latest = s
}

// stepFigures are the gauges of the latest steps and of those of the runs before.
type stepFigures struct {
	latest, previous   map[string]*prometheus.GaugeVec // by the name of the histogram
	previousThroughput *prometheus.GaugeVec
	pairs              map[string]*pair // by the step

	requests, ended, first, rate, offered *prometheus.GaugeVec
}

// newStepFigures makes the gauges with what makes one of the latest step and what
// makes one of the step before.
func newStepFigures(latest, previous func(name, help string, more ...string) *prometheus.GaugeVec) stepFigures {
	f := stepFigures{latest: map[string]*prometheus.GaugeVec{}, previous: map[string]*prometheus.GaugeVec{}, pairs: map[string]*pair{}}
	for of := range latencies {
		f.latest[of] = latest("step_"+of, "The figures of "+namespace+"_"+of+" over the latest valid step.", "figure")
		f.previous[of] = previous("previous_step_"+of,
			"The figures of "+namespace+"_"+of+" over the latest valid step of the run before.", "figure")
	}
	f.previousThroughput = previous("previous_step_throughput_requests_per_second",
		"Requests completed per second of the window, in the latest valid step of the run before.")
	f.requests = latest("step_measured_requests", "Measured requests that were ok in the latest valid step: what its latencies rest on.")
	f.ended = latest("step_end_timestamp_seconds", "When the latest valid step ended.")
	f.first = latest("step_first_end_timestamp_seconds",
		"When the run of the latest valid step ended its first valid one at this rate: repeats leave it as it is.")
	f.rate = latest("step_request_rate", "The label request_rate of the latest valid step as a number, in requests per second.")
	f.offered = latest("step_offered_requests_per_second",
		"Requests that were intended per second of the window, in the latest valid step: chance makes it differ from the request rate.")
	return f
}

// show shows a valid step.
func (f *stepFigures) show(r *prober.StepResult, step []string) {
	f.ended.WithLabelValues(step...).Set(unix(r.EndedAt))
	f.rate.WithLabelValues(step...).Set(r.RequestRate)
	if window := r.Window.Seconds(); window > 0 {
		f.offered.WithLabelValues(step...).Set(float64(r.Offered) / window)
	}
	s := &summary{run: r.RunID, first: r.EndedAt, throughput: r.Throughput}
	if r.Latencies != nil {
		s.latencies = *r.Latencies
	}
	f.requests.WithLabelValues(step...).Set(float64(s.latencies.TTFT.Count))
	key := strings.Join(step, "\xff")
	if f.pairs[key] == nil {
		f.pairs[key] = &pair{}
	}
	p := f.pairs[key]
	p.take(s)
	f.first.WithLabelValues(step...).Set(unix(s.first))
	showFigures(f.latest, p.latest, step)
	if p.previous != nil {
		showFigures(f.previous, p.previous, step)
		f.previousThroughput.WithLabelValues(step...).Set(p.previous.throughput)
	}
}

// showFigures shows the figures of a step. A latency that no request has had is
// not there, and never 0.
func showFigures(gauges map[string]*prometheus.GaugeVec, s *summary, step []string) {
	for of, distribution := range latencies {
		d := distribution(&s.latencies)
		for figure, value := range figures {
			labels := with(step, figure)
			if d.Count == 0 {
				gauges[of].DeleteLabelValues(labels...)
				continue
			}
			gauges[of].WithLabelValues(labels...).Set(value(d))
		}
	}
}

// armFigures are the labels of arms as numbers, which PromQL cannot read from the
// labels themselves: which arm has the fewest GPUs, which the smallest batch size,
// and which comes first.
type armFigures struct {
	arms                      []config.Arm
	gpus, batchSize, position *prometheus.GaugeVec
}

func newArmFigures(arms []config.Arm, arm func(name, help string, more ...string) *prometheus.GaugeVec) armFigures {
	return armFigures{
		arms:      arms,
		gpus:      arm("arm_gpus", "The label gpus of an arm as a number."),
		batchSize: arm("arm_batch_size", "The label batch_size of an arm as a number."),
		position:  arm("arm_position", "Where an arm stands in the probe's configuration: 1 is the first one, which others are compared to."),
	}
}

// show shows an arm, which may be one of a number of replicas that no run had before.
func (f *armFigures) show(a prober.Arm) {
	labels := armValues(a)
	f.gpus.WithLabelValues(labels...).Set(float64(a.GPUs))
	if a.BatchSize > 0 {
		f.batchSize.WithLabelValues(labels...).Set(float64(a.BatchSize))
	}
	for i, c := range f.arms {
		if c.Target == a.Target && (c.Replicas == a.Replicas || c.Replicas == 0) {
			f.position.WithLabelValues(labels...).Set(float64(i + 1))
			return
		}
	}
}

// searchFigures are the gauges of what the latest searches have found, and of what
// the searches before had.
type searchFigures struct {
	capacity, sloRate, previousCapacity, ended *prometheus.GaugeVec
	known                                      map[prober.Arm]float64 // the capacities that are shown
}

func newSearchFigures(arm func(name, help string, more ...string) *prometheus.GaugeVec) searchFigures {
	return searchFigures{
		capacity: arm("saturation_request_rate",
			"Capacity of an arm in requests per second, by the latest search: the estimate, and the tried rates that it lies between.", "bound"),
		sloRate: arm("slo_request_rate",
			"Highest request rate at which an arm keeps the SLO, by the latest search: the estimate, and the tried rates that it lies between.",
			"bound"),
		previousCapacity: arm("previous_saturation_request_rate",
			"Capacity of an arm in requests per second, by the search before the latest one that found it."),
		ended: arm("search_end_timestamp_seconds", "When the run ended whose search was the latest to find the arm's capacity."),
		known: map[prober.Arm]float64{},
	}
}

// show shows what a run's searches have found, and leaves what earlier ones found
// where they have not.
func (f *searchFigures) show(r *prober.RunResult) {
	for _, a := range r.Answers {
		if a.SLORate != nil {
			bounds(f.sloRate, a.Arm, a.SLORate.Value, a.SLORate.Lower, a.SLORate.Upper)
		}
		if a.Capacity == nil {
			continue
		}
		bounds(f.capacity, a.Arm, a.Capacity.Value, a.Capacity.Lower, a.Capacity.Upper)
		f.ended.WithLabelValues(armValues(a.Arm)...).Set(unix(r.EndedAt))
		if before, has := f.known[a.Arm]; has {
			f.previousCapacity.WithLabelValues(armValues(a.Arm)...).Set(before)
		}
		f.known[a.Arm] = a.Capacity.Value
	}
}
