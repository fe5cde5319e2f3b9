package compare

import (
	"cmp"
	"encoding/json"
	"slices"
)

// guidellm is its report as JSON, as far as it is needed here: of versions 0.3 to 0.8,
// between which places and units moved.
type guidellm struct {
	Config struct {
		Metadata struct {
			Labels declared `json:"labels"`
		} `json:"metadata"`
	} `json:"config"`
	Benchmarks []guidellmBenchmark `json:"benchmarks"`
}

type guidellmBenchmark struct {
	Config struct { // from 0.4 on
		Strategy guidellmStrategy `json:"strategy"`
	} `json:"config"`
	Args struct { // before
		Strategy guidellmStrategy `json:"strategy"`
	} `json:"args"`
	Metrics struct {
		Totals     guidellmTotals `json:"request_totals"` // from 0.4 on
		Throughput guidellmFigure `json:"requests_per_second"`
		TTFT       guidellmFigure `json:"time_to_first_token_ms"`
		ITL        guidellmFigure `json:"inter_token_latency_ms"`
		Latency    guidellmFigure `json:"request_latency"` // in seconds
	} `json:"metrics"`
	// Start and End are of what was measured: the run without its warm-up and cooldown.
	Start    float64        `json:"start_time"`
	End      float64        `json:"end_time"`
	Totals   guidellmTotals `json:"request_totals"` // before
	Requests struct {
		Successful []guidellmRequest `json:"successful"`
		Errored    []guidellmRequest `json:"errored"`
		Incomplete []guidellmRequest `json:"incomplete"`
	} `json:"requests"`
}

type guidellmStrategy struct {
	Type string   `json:"type_"`
	Rate *float64 `json:"rate"`
}

type guidellmTotals struct {
	Successful int `json:"successful"`
	Errored    int `json:"errored"`
	Incomplete int `json:"incomplete"`
}

type guidellmFigure struct {
	Successful *struct {
		Count       int      `json:"count"`
		Mean        *float64 `json:"mean"`
		Median      *float64 `json:"median"`
		Percentiles struct {
			P99 *float64 `json:"p99"`
		} `json:"percentiles"`
	} `json:"successful"`
}

// guidellmRequest is a single request. Its time between tokens is the mean of one
// answer, which is its TPOT.
type guidellmRequest struct {
	Start    float64 `json:"request_start_time"` // from 0.4 on, in seconds since 1970
	OldStart float64 `json:"start_time"`         // before
	TTFT     float64 `json:"time_to_first_token_ms"`
	ITL      float64 `json:"inter_token_latency_ms"`
	Latency  float64 `json:"request_latency"` // in seconds
}

// readGuidellm reads the benchmarks of a report that have an offered rate, of the run
// of that name.
func readGuidellm(name string, text []byte) (foreign, error) {
	var g guidellm
	if err := json.Unmarshal(text, &g); err != nil {
		return foreign{}, err
	}
	run := foreign{declared: g.Config.Metadata.Labels, findings: []Finding{{Kind: Foreign, Detail: OtherTool{Guidellm}}}}
	for _, b := range g.Benchmarks {
		strategy := b.Config.Strategy
		if strategy.Rate == nil {
			strategy = b.Args.Strategy
		}
		if strategy.Rate == nil || !isFigure(*strategy.Rate) || strategy.Type != "constant" && strategy.Type != "poisson" {
			continue
		}
		requests := b.requests()
		s := Step{RequestRate: *strategy.Rate, Figures: Figures{}, Foreign: true, WithDrain: !b.isWindow(requests)}
		run.findings = append(run.findings, b.measured(name, &s, requests)...)
		if b.holdsAll() {
			s.Figures.setFlaw(rateNotHeld(name, s.RequestRate, requests, strategy.Type == "constant"))
		}
		run.steps = append(run.steps, s)
	}
	if len(run.steps) == 0 {
		return foreign{}, errNoRate
	}
	return run, nil
}

// measured fills in the figures of a step, and says what has to be known of them.
func (b *guidellmBenchmark) measured(name string, s *Step, requests []request) (found []Finding) {
	totals := b.totals()
	s.Figures.fill(b.Metrics.Throughput, 1, Throughput, "", "")
	s.Figures.count(Throughput, totals.Successful)
	s.Figures.fill(b.Metrics.TTFT, milli, TTFTMean, TTFTP50, TTFTP99)
	s.Figures.fill(b.Metrics.Latency, 1, E2EMean, "", E2EP99)
	if n := len(b.Requests.Successful); n > 0 && n == totals.Successful {
		s.Figures.reckon(requests)
	} else {
		s.Figures.fill(b.Metrics.ITL, milli, TPOTMean, "", TPOTP99)
		found = append(found, Finding{Kind: Foreign, Detail: WeightedByTokens{name}})
	}
	if failed := totals.Errored + totals.Incomplete; failed > 0 {
		found = append(found, Finding{Kind: Foreign, RequestRate: s.RequestRate, Detail: FailedRequests{name, failed}})
	}
	return found
}

func (b *guidellmBenchmark) totals() guidellmTotals {
	if b.Metrics.Totals != (guidellmTotals{}) {
		return b.Metrics.Totals
	}
	return b.Totals
}

// holdsAll says whether the report holds each request: it may have been told to keep but a
// sample of each status. With a warm-up or a cooldown they are more than the totals.
func (b *guidellmBenchmark) holdsAll() bool {
	kept, totals := b.Requests, b.totals()
	return len(kept.Successful) >= totals.Successful && len(kept.Errored) >= totals.Errored && len(kept.Incomplete) >= totals.Incomplete
}

// isWindow says whether it was measured while the load lasted: from when answers already
// came, until when requests were still sent.
func (b *guidellmBenchmark) isWindow(requests []request) bool {
	answered := func(r request) bool { return r.e2e > 0 && r.sent+r.e2e <= b.Start }
	sent := func(r request) bool { return r.sent > b.End }
	return b.Start < b.End && slices.ContainsFunc(requests, answered) && slices.ContainsFunc(requests, sent)
}

// requests are the single ones in the order of their sending.
func (b *guidellmBenchmark) requests() (all []request) {
	for _, r := range b.Requests.Successful {
		all = append(all, request{sent: cmp.Or(r.Start, r.OldStart), ttft: r.TTFT * milli, tpot: r.ITL * milli, e2e: r.Latency})
	}
	for _, r := range slices.Concat(b.Requests.Errored, b.Requests.Incomplete) {
		all = append(all, request{sent: cmp.Or(r.Start, r.OldStart)})
	}
	slices.SortStableFunc(all, func(a, b request) int { return cmp.Compare(a.sent, b.sent) })
	return all
}

// fill adds those figures of a distribution that have a metric.
func (all Figures) fill(f guidellmFigure, unit float64, mean, p50, p99 Metric) {
	if f.Successful == nil {
		return
	}
	for metric, value := range map[Metric]*float64{mean: f.Successful.Mean, p50: f.Successful.Median, p99: f.Successful.Percentiles.P99} {
		if metric != "" {
			all.put(metric, value, unit)
		}
	}
}
