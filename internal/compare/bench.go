package compare

import (
	"encoding/json"

	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// bench is what vllm bench serve saves of a run, as far as it is needed here; the lists
// have one entry for each request, in the order of their sending, and only with
// --save-detailed.
type bench struct {
	RequestRate json.RawMessage `json:"request_rate"` // a number, or "inf"
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

	TTFTs      []float64   `json:"ttfts"`
	ITLs       [][]float64 `json:"itls"`
	OutputLens []int       `json:"output_lens"`
	Errors     []string    `json:"errors"`
}

// readBench reads one run of vllm bench serve.
func readBench(name string, text []byte) (Side, error) {
	var b bench
	if err := json.Unmarshal(text, &b); err != nil {
		return Side{}, err
	}
	s := Step{Run: name, Arm: prober.Arm{Target: name}, Figures: Figures{}, WithDrain: true}
	if json.Unmarshal(b.RequestRate, &s.RequestRate) != nil || !isFigure(s.RequestRate) {
		return Side{}, errNoRate
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
	b.detail(s.Figures)
	side := Side{Name: name, Steps: []Step{s}, Findings: []Finding{{Kind: Foreign, Detail: OtherTool{VLLMBench}}}}
	if b.Concurrency != nil && *b.Concurrency > 0 {
		side.Findings = append(side.Findings, Finding{Kind: Foreign, RequestRate: s.RequestRate, Detail: InFlightLimit{name, *b.Concurrency}})
	}
	if b.Failed > 0 {
		side.Findings = append(side.Findings, Finding{Kind: Foreign, RequestRate: s.RequestRate, Detail: FailedRequests{name, b.Failed}})
	}
	return side, nil
}

// detail adds what the single requests tell of chance, where they were saved.
func (b *bench) detail(figures Figures) {
	var ttft, tpot, e2e []stats.Sample
	for i, x := range b.TTFTs {
		if !isFigure(x) || i < len(b.Errors) && b.Errors[i] != "" {
			continue
		}
		at := float64(i) / float64(len(b.TTFTs))
		ttft = append(ttft, stats.Sample{At: at, Value: x})
		if i >= len(b.ITLs) || i >= len(b.OutputLens) {
			continue
		}
		rest := 0.0
		for _, gap := range b.ITLs[i] {
			rest += gap
		}
		if !isFigure(rest) {
			continue
		}
		e2e = append(e2e, stats.Sample{At: at, Value: x + rest})
		if n := b.OutputLens[i]; n > 1 {
			tpot = append(tpot, stats.Sample{At: at, Value: rest / float64(n-1)})
		}
	}
	for metric, samples := range map[Metric][]stats.Sample{
		TTFTMean: ttft, TTFTP50: ttft, TTFTP99: ttft, TPOTMean: tpot, TPOTP99: tpot, E2EMean: e2e, E2EP99: e2e,
	} {
		if f, has := figures[metric]; has && len(samples) > 0 {
			figures[metric] = known(f, latencies[metric], stats.BatchesOf(samples))
		}
	}
}
