package compare

import (
	"encoding/json"

	"vllm_prober/prober"
)

// guidellm is its report, of the first version and of the second, as far as it is
// needed here.
type guidellm struct {
	Benchmarks []struct {
		Config struct { // of the second version
			Strategy guidellmStrategy `json:"strategy"`
		} `json:"config"`
		Args struct { // of the first
			Strategy guidellmStrategy `json:"strategy"`
		} `json:"args"`
		Metrics struct {
			Throughput guidellmFigure `json:"requests_per_second"`
			TTFT       guidellmFigure `json:"time_to_first_token_ms"`
			ITL        guidellmFigure `json:"inter_token_latency_ms"`
			Latency    guidellmFigure `json:"request_latency"` // in seconds
		} `json:"metrics"`
	} `json:"benchmarks"`
}

type guidellmStrategy struct {
	Type string   `json:"type_"`
	Rate *float64 `json:"rate"`
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

// readGuidellm reads the benchmarks of a report that have an offered rate.
func readGuidellm(name string, text []byte) (Side, error) {
	var g guidellm
	if err := json.Unmarshal(text, &g); err != nil {
		return Side{}, err
	}
	side := Side{Name: name, Findings: []Finding{{Kind: Foreign, Detail: OtherTool{Guidellm}}}}
	for _, b := range g.Benchmarks {
		strategy := b.Config.Strategy
		if strategy.Rate == nil {
			strategy = b.Args.Strategy
		}
		if strategy.Rate == nil || !isFigure(*strategy.Rate) || strategy.Type != "constant" && strategy.Type != "poisson" {
			continue
		}
		s := Step{Run: name, Arm: prober.Arm{Target: name}, RequestRate: *strategy.Rate, Figures: Figures{}, WithDrain: true}
		s.Figures.fill(b.Metrics.Throughput, 1, Throughput, "", "")
		s.Figures.fill(b.Metrics.TTFT, milli, TTFTMean, TTFTP50, TTFTP99)
		s.Figures.fill(b.Metrics.ITL, milli, TPOTMean, "", TPOTP99)
		s.Figures.fill(b.Metrics.Latency, 1, E2EMean, "", E2EP99)
		if l := b.Metrics.Latency.Successful; l != nil {
			s.Figures.count(Throughput, l.Count)
		}
		side.Steps = append(side.Steps, s)
	}
	if len(side.Steps) == 0 {
		return Side{}, errNoRate
	}
	return side, nil
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
