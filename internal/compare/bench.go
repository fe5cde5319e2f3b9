package compare

import "encoding/json"

// bench is what vllm bench serve saves of a run, as far as it is needed here. The lists
// have one entry for each request, in the order of their sending; without
// --save-detailed there are but the latencies.
type bench struct {
	declared

	RequestRate json.RawMessage `json:"request_rate"` // a number, or "inf"
	Burstiness  json.RawMessage `json:"burstiness"`   // a number, or null for an infinite one; empty of old releases, whose arrivals are random
	Concurrency *int            `json:"max_concurrency"`
	Throughput  *float64        `json:"request_throughput"`
	Goodput     *float64        `json:"request_goodput"`
	Completed   int             `json:"completed"`
	Failed      int             `json:"failed"`
	MeanTTFT    *float64        `json:"mean_ttft_ms"`
	MedianTTFT  *float64        `json:"median_ttft_ms"`
	P99TTFT     *float64        `json:"p99_ttft_ms"`
	MeanTPOT    *float64        `json:"mean_tpot_ms"`
	P99TPOT     *float64        `json:"p99_tpot_ms"`
	MeanE2E     *float64        `json:"mean_e2el_ms"`
	P99E2E      *float64        `json:"p99_e2el_ms"`

	Latencies  []float64   `json:"latencies"`   // from the sending to the last token, in seconds; 0 of what failed
	StartTimes []float64   `json:"start_times"` // in seconds of a clock of its own
	TTFTs      []float64   `json:"ttfts"`
	ITLs       [][]float64 `json:"itls"`
	OutputLens []int       `json:"output_lens"`
	Errors     []string    `json:"errors"`
}

// readBench reads one run of vllm bench serve, of that name.
func readBench(name string, text []byte) (foreign, error) {
	var b bench
	if err := json.Unmarshal(text, &b); err != nil {
		return foreign{}, err
	}
	s := Step{Figures: Figures{}, Foreign: true, WithDrain: true}
	if json.Unmarshal(b.RequestRate, &s.RequestRate) != nil || !isFigure(s.RequestRate) {
		return foreign{}, errNoRate
	}
	s.Figures.put(Throughput, b.Throughput, 1)
	s.Figures.put(Goodput, b.Goodput, 1)
	s.Figures.count(Throughput, b.Completed)
	for metric, value := range map[Metric]*float64{
		TTFTMean: b.MeanTTFT, TTFTP50: b.MedianTTFT, TTFTP99: b.P99TTFT,
		TPOTMean: b.MeanTPOT, TPOTP99: b.P99TPOT, E2EMean: b.MeanE2E, E2EP99: b.P99E2E,
	} {
		s.Figures.put(metric, value, milli)
	}
	requests := b.requests()
	s.Figures.reckon(requests)
	s.Figures.setFlaw(rateNotHeld(name, s.RequestRate, requests, string(b.Burstiness) == "null"))
	run := foreign{steps: []Step{s}, declared: b.declared, findings: []Finding{{Kind: Foreign, Detail: OtherTool{VLLMBench}}}}
	if b.Concurrency != nil && *b.Concurrency > 0 {
		run.findings = append(run.findings, Finding{Kind: Foreign, RequestRate: s.RequestRate, Detail: InFlightLimit{name, *b.Concurrency}})
	}
	if b.Failed > 0 {
		run.findings = append(run.findings, Finding{Kind: Foreign, RequestRate: s.RequestRate, Detail: FailedRequests{name, b.Failed}})
	}
	return run, nil
}

// requests are the single ones, as far as the file tells of each.
func (b *bench) requests() []request {
	all := make([]request, max(len(b.Latencies), len(b.TTFTs)))
	for i := range all {
		r := &all[i]
		r.sent = at(b.StartTimes, i)
		if at(b.Errors, i) != "" {
			continue
		}
		r.ttft, r.e2e = at(b.TTFTs, i), at(b.Latencies, i)
		if len(b.Latencies) == 0 && i < len(b.ITLs) { // of a release that did not save them
			r.e2e = r.ttft
			for _, gap := range b.ITLs[i] {
				r.e2e += gap
			}
		}
		if n := at(b.OutputLens, i); n > 1 && r.ttft > 0 {
			r.tpot = (r.e2e - r.ttft) / float64(n-1)
		}
	}
	return all
}

// at is an element of a list, or nothing of a list that is too short.
func at[T any](list []T, i int) (element T) {
	if i < len(list) {
		element = list[i]
	}
	return element
}
