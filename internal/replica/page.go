package replica

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protodelim"
)

// Page is what a replica's /metrics say, engine by engine.
type Page struct {
	// Ranks are the replica's engines by their label "engine": one for each
	// data-parallel rank, and one without a name in releases without that label.
	Ranks map[string]*Rank
	// BlockSize is how many tokens a block of the KV cache holds, CacheTokens how
	// many the caches of all engines hold.
	BlockSize, CacheTokens Figure
	// ProcessStart is when the latest of the replica's processes started, in Unix
	// seconds.
	ProcessStart Figure
}

// Rank is what one engine of a replica says of itself.
type Rank struct {
	// Running and Waiting are requests in slots and in the queue.
	Running, Waiting Figure
	// KVCacheUsage is the share of the KV cache in use, from 0 to 1.
	KVCacheUsage Figure
	// Preemptions counts the requests that lost their slot since the start.
	Preemptions Figure
	// PrefixQueries and PrefixHits count what the prefix cache was asked for and
	// what it held since the start: tokens, or blocks in the first releases with a
	// V1 engine.
	PrefixQueries, PrefixHits Figure
	// PrefixHitRatio is the latter over the former, from 0 to 1, as V0 engines
	// tell it, which count neither.
	PrefixHitRatio Figure
}

// ofRanks are the figures of an engine, each with its names in vLLM's releases and
// with what a series adds to it. Some releases export two names at a time: the
// first that a page has counts.
var ofRanks = []struct {
	names []string
	take  func(*Rank, float64)
}{
	{[]string{"vllm:num_requests_running"}, func(r *Rank, x float64) { r.Running.add(x) }},
	{[]string{"vllm:num_requests_waiting"}, func(r *Rank, x float64) { r.Waiting.add(x) }},
	{[]string{"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"}, func(r *Rank, x float64) { r.KVCacheUsage.raise(x) }},
	{[]string{"vllm:num_preemptions_total"}, func(r *Rank, x float64) { r.Preemptions.add(x) }},
	{
		[]string{"vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"},
		func(r *Rank, x float64) { r.PrefixQueries.add(x) },
	},
	{[]string{"vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"}, func(r *Rank, x float64) { r.PrefixHits.add(x) }},
	{[]string{"vllm:gpu_prefix_cache_hit_rate"}, func(r *Rank, x float64) { r.PrefixHitRatio.raise(x) }}, // -1 where there is no cache
}

const (
	cacheInfo    = "vllm:cache_config_info"
	processStart = "process_start_time_seconds"
)

// ofPage are the names of all metrics that are read of a page.
var ofPage = func() map[string]struct{} {
	names := map[string]struct{}{cacheInfo: {}, processStart: {}}
	for _, figure := range ofRanks {
		for _, name := range figure.names {
			names[name] = struct{}{}
		}
	}
	return names
}()

// maxRanks bounds the engines of a page, each of which has series of its own.
const maxRanks = 1024

// maxFamilies bounds the metrics of a page in protobuf, which may be of a byte each.
const maxFamilies = 1 << 16

// maxText bounds a text of a replica's that becomes a label.
const maxText = 200

// ParsePage reads a page in Prometheus's text format, or in its protobuf format
// where header says so. A series whose value is no number from 0 on, which none of
// these can be, is as if it were not there.
func ParsePage(page io.Reader, header http.Header) (Page, error) {
	families, err := familiesOf(page, expfmt.ResponseFormat(header))
	if err != nil {
		return Page{}, err
	}
	p := Page{Ranks: map[string]*Rank{}}
	for _, figure := range ofRanks {
		for _, name := range figure.names {
			family, has := families[name]
			for _, m := range family {
				if x := valueOf(m); isFigure(x) {
					figure.take(p.rank(labelOf(m, "engine")), x)
				}
			}
			if has {
				break
			}
		}
	}
	for _, m := range families[processStart] {
		if x := valueOf(m); isFigure(x) {
			p.ProcessStart.raise(x)
		}
	}
	for _, m := range families[cacheInfo] {
		p.takeCache(m)
	}
	switch {
	case len(p.Ranks) == 0:
		return Page{}, errors.New("the page has no metrics of a vLLM engine: is this vLLM, and does it run without --disable-log-stats?")
	case len(p.Ranks) > maxRanks:
		return Page{}, fmt.Errorf("the page has %d engines, more than %d: is this vLLM's?", len(p.Ranks), maxRanks)
	}
	return p, nil
}

func isFigure(x float64) bool { return x >= 0 && !math.IsInf(x, 0) }

func (p *Page) rank(engine string) *Rank {
	if p.Ranks[engine] == nil {
		p.Ranks[engine] = &Rank{}
	}
	return p.Ranks[engine]
}

// takeCache takes the labels that tell how an engine's KV cache is made. What is
// not known yet is None there.
func (p *Page) takeCache(m *dto.Metric) {
	number := func(label string) (float64, bool) {
		x, err := strconv.ParseFloat(labelOf(m, label), 64)
		return x, err == nil && isFigure(x)
	}
	size, hasSize := number("block_size")
	if hasSize {
		p.BlockSize.raise(size)
	}
	if tokens, has := number("kv_cache_size_tokens"); has {
		p.CacheTokens.add(tokens)
	} else if blocks, has := number("num_gpu_blocks"); has && hasSize {
		p.CacheTokens.add(blocks * size)
	}
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return shown(l.GetValue())
		}
	}
	return ""
}

// shown makes a text of a replica's fit to be a label.
func shown(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxText)], "") }

// familiesOf are the metrics of a page that are read, by name.
func familiesOf(page io.Reader, format expfmt.Format) (map[string][]*dto.Metric, error) {
	if format.FormatType() == expfmt.TypeProtoDelim {
		return fromProtobuf(page)
	}
	wanted, err := wantedLines(page, ofPage)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	parsed, err := parser.TextToMetricFamilies(bytes.NewReader(wanted))
	if err != nil {
		return nil, errors.New("the page is not in Prometheus's text format") // err repeats what it found
	}
	families := map[string][]*dto.Metric{}
	for name, family := range parsed {
		families[name] = family.GetMetric()
	}
	return families, nil
}

// fromProtobuf reads length-delimited families. The decoder of expfmt makes room
// for as many bytes as a length says, whatever it says.
func fromProtobuf(page io.Reader) (map[string][]*dto.Metric, error) {
	limited := &io.LimitedReader{R: page, N: maxPage}
	in, families := bufio.NewReader(limited), map[string][]*dto.Metric{}
	for range maxFamilies {
		family := &dto.MetricFamily{}
		switch err := protodelim.UnmarshalFrom(in, family); {
		case limited.N == 0:
			return nil, fmt.Errorf("the page has more than %d bytes: is this vLLM's?", maxPage)
		case errors.Is(err, io.EOF):
			return families, nil
		case err != nil:
			return nil, fmt.Errorf("the page is not in Prometheus's protobuf format: %w", err)
		}
		name := family.GetName()
		if _, is := ofPage[name]; is {
			families[name] = append(families[name], family.GetMetric()...)
		}
	}
	return nil, fmt.Errorf("the page has more than %d metrics: is this vLLM's?", maxFamilies)
}
