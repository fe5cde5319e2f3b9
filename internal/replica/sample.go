package replica

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Figure is a figure that a replica may or may not export. What it does not
// export is not known, and not 0.
type Figure struct {
	Value float64
	Known bool
}

// Sample is one reading of a replica's /metrics. Its figures are sums over the
// engines of a data-parallel replica, but for KVCacheUsage.
type Sample struct {
	At time.Time
	// Engines is how many engines tell how many requests they run: the
	// data-parallel ranks of the replica.
	Engines int

	// Running and Waiting are requests in slots and in the queue.
	Running, Waiting Figure
	// KVCacheUsage is the share of the KV cache in use, from 0 to 1, of the
	// engine that uses the most.
	KVCacheUsage Figure

	// Counted since the replica's start: Preemptions are requests that lost their
	// slot, Succeeded those that ended well, FirstTokens answers that have begun
	// and FirstTokenSeconds their summed TTFT.
	Preemptions, OutputTokens, PromptTokens   Figure
	FirstTokens, FirstTokenSeconds, Succeeded Figure
	// QueueSeconds is the time that Queued requests spent in the queue, and
	// PrefillSeconds what Prefilled ones took from there to their first token. vLLM
	// counts a request here when it ends well.
	Queued, QueueSeconds, Prefilled, PrefillSeconds Figure

	// ProcessStart is when the latest of the replica's processes started, in Unix
	// seconds.
	ProcessStart Figure
}

// add takes one more series of a figure that is a sum.
func (f *Figure) add(x float64) { f.Value, f.Known = f.Value+x, true }

// raise takes one more series of a figure that is a maximum.
func (f *Figure) raise(x float64) { f.Value, f.Known = max(f.Value, x), true }

// metrics are those that are read, under the names of all releases of vLLM that
// have a V1 engine, with what a series of each adds to a sample.
var metrics = map[string]func(*Sample, float64){
	"vllm:num_requests_running":               func(s *Sample, x float64) { s.Running.add(x); s.Engines++ },
	"vllm:num_requests_waiting":               func(s *Sample, x float64) { s.Waiting.add(x) },
	"vllm:kv_cache_usage_perc":                func(s *Sample, x float64) { s.KVCacheUsage.raise(x) },
	"vllm:gpu_cache_usage_perc":               func(s *Sample, x float64) { s.KVCacheUsage.raise(x) }, // its older name
	"vllm:num_preemptions_total":              func(s *Sample, x float64) { s.Preemptions.add(x) },
	"vllm:generation_tokens_total":            func(s *Sample, x float64) { s.OutputTokens.add(x) },
	"vllm:prompt_tokens_total":                func(s *Sample, x float64) { s.PromptTokens.add(x) },
	"vllm:time_to_first_token_seconds_count":  func(s *Sample, x float64) { s.FirstTokens.add(x) },
	"vllm:time_to_first_token_seconds_sum":    func(s *Sample, x float64) { s.FirstTokenSeconds.add(x) },
	"vllm:request_queue_time_seconds_count":   func(s *Sample, x float64) { s.Queued.add(x) },
	"vllm:request_queue_time_seconds_sum":     func(s *Sample, x float64) { s.QueueSeconds.add(x) },
	"vllm:request_prefill_time_seconds_count": func(s *Sample, x float64) { s.Prefilled.add(x) },
	"vllm:request_prefill_time_seconds_sum":   func(s *Sample, x float64) { s.PrefillSeconds.add(x) },
	"vllm:request_success_total":              func(s *Sample, x float64) { s.Succeeded.add(x) },
	"process_start_time_seconds":              func(s *Sample, x float64) { s.ProcessStart.raise(x) },
}

// maxPage bounds what is read of a page: ten times what a replica of many
// engines and adapters has.
const maxPage = 16 << 20

// maxLine is the longest line that is read; vLLM's are of some hundred bytes.
const maxLine = 64 << 10

// Parse reads a page in Prometheus's text format. A series whose value is no
// number from 0 on, which none of these can be, is as if it were not there.
func Parse(page io.Reader) (Sample, error) {
	wanted, err := wantedLines(page, metrics)
	if err != nil {
		return Sample{}, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(wanted))
	if err != nil {
		return Sample{}, fmt.Errorf("the page is not in Prometheus's text format: %.200s", err.Error()) // it may repeat a whole line
	}
	var s Sample
	for name, family := range families {
		for _, m := range family.GetMetric() {
			if x := valueOf(m); x >= 0 && !math.IsInf(x, 0) {
				metrics[name](&s, x)
			}
		}
	}
	return s, nil
}

// wantedLines are the page's lines with metrics of the given names. A page has up to some thousand
// lines, of which some ten of each engine are wanted. To parse these alone takes a
// sixteenth of the time and a twenty-fourth of the allocations, and four readings
// a second of each replica take both from the measurement. Without its comments,
// each line is a metric of its own name, parts of histograms too.
func wantedLines[V any](page io.Reader, names map[string]V) ([]byte, error) {
	limited := &io.LimitedReader{R: page, N: maxPage}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, maxLine/8), maxLine)
	var wanted []byte
	for lines.Scan() {
		line := lines.Bytes()
		end := bytes.IndexAny(line, "{ \t")
		if end < 0 {
			continue
		}
		if _, is := names[string(line[:end])]; is {
			wanted = append(append(wanted, line...), '\n')
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("the page has a line of more than %d bytes: is this vLLM's?", maxLine)
	case err != nil:
		return nil, fmt.Errorf("reading the page: %w", err)
	case limited.N == 0:
		return nil, fmt.Errorf("the page has more than %d bytes: is this vLLM's?", maxPage)
	}
	return wanted, nil
}

// valueOf is the value of a metric, which has no type where only its line was
// read. It is no number where the metric has no single value.
func valueOf(m *dto.Metric) float64 {
	switch {
	case m.GetUntyped() != nil:
		return m.GetUntyped().GetValue()
	case m.GetGauge() != nil:
		return m.GetGauge().GetValue()
	case m.GetCounter() != nil:
		return m.GetCounter().GetValue()
	default:
		return math.NaN()
	}
}
