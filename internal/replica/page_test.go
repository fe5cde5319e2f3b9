package replica

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// asText is the header of a page from vLLM, asProtobuf that of one from what can
// write that.
var (
	asText     = http.Header{"Content-Type": {"text/plain; version=1.0.0; charset=utf-8"}}
	asProtobuf = http.Header{"Content-Type": {string(expfmt.NewFormat(expfmt.TypeProtoDelim))}}
)

// pages are saved texts of vLLM's releases and what they say. The first three are
// of one engine in the same state.
func pages() map[string]Page {
	state := func(r Rank) *Rank {
		r.Running, r.Waiting, r.KVCacheUsage, r.Preemptions = known(12), known(3), known(0.25), known(5)
		return &r
	}
	counted := state(Rank{PrefixQueries: known(1000), PrefixHits: known(250)})
	return map[string]Page{
		"vllm-0.6.txt": {
			Ranks:     map[string]*Rank{"": state(Rank{PrefixHitRatio: known(0.625)})},
			BlockSize: known(16), CacheTokens: known(38000), ProcessStart: known(1.73e9), // 2375 blocks of 16
		},
		"vllm-0.8.txt":  {Ranks: map[string]*Rank{"": counted}, BlockSize: known(16), CacheTokens: known(9168)}, // 573 blocks of 16
		"vllm-0.10.txt": {Ranks: map[string]*Rank{"0": counted}, BlockSize: known(16), CacheTokens: known(9168)},
		"two-ranks.txt": {
			Ranks: map[string]*Rank{"0": counted, "1": {
				Running: known(7), Waiting: known(0), KVCacheUsage: known(0.125), Preemptions: known(6),
				PrefixQueries: known(800), PrefixHits: known(0),
			}},
			BlockSize: known(16), CacheTokens: known(17000), ProcessStart: known(1.76e9), // 9000 and 500 blocks of 16
		},
	}
}

func saved(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// toProtobuf writes a text page as protobuf.
func toProtobuf(tb testing.TB, text string) []byte {
	tb.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	var b bytes.Buffer
	encoder := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeProtoDelim))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Bytes()
}

func show(p Page) string {
	var text strings.Builder
	fmt.Fprintf(&text, "block size %+v, cache %+v, start %+v", p.BlockSize, p.CacheTokens, p.ProcessStart)
	for engine, rank := range p.Ranks {
		fmt.Fprintf(&text, "\n%q: %+v", engine, *rank)
	}
	return text.String()
}

func TestParsePageOfEveryRelease(t *testing.T) {
	for name, want := range pages() {
		t.Run(name, func(t *testing.T) {
			text := saved(t, name)
			for format, got := range map[string]func() (Page, error){
				"text":            func() (Page, error) { return ParsePage(strings.NewReader(text), asText) },
				"no content type": func() (Page, error) { return ParsePage(strings.NewReader(text), nil) },
				"protobuf":        func() (Page, error) { return ParsePage(bytes.NewReader(toProtobuf(t, text)), asProtobuf) },
			} {
				page, err := got()
				if err != nil || !reflect.DeepEqual(page, want) {
					t.Errorf("%s: %v\n%s\nwant\n%s", format, err, show(page), show(want))
				}
			}
		})
	}
}

func TestParsePage(t *testing.T) {
	for name, tt := range map[string]struct {
		page string
		want Page
	}{
		"models of one engine add up, but for the share of the KV cache": {
			"vllm:num_requests_running{engine=\"0\",model_name=\"a\"} 1\nvllm:num_requests_running{engine=\"0\",model_name=\"b\"} 2\n" +
				"vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"a\"} 0.5\nvllm:kv_cache_usage_perc{engine=\"0\",model_name=\"b\"} 0.25\n",
			Page{Ranks: map[string]*Rank{"0": {Running: known(3), KVCacheUsage: known(0.5)}}},
		},
		"what is no number from 0 on is not there": {
			"vllm:num_requests_running 0\nvllm:num_requests_waiting NaN\nvllm:gpu_prefix_cache_hit_rate -1\nvllm:num_preemptions_total +Inf\n",
			Page{Ranks: map[string]*Rank{"": {Running: known(0)}}},
		},
		"a cache whose size is not known yet": {
			"vllm:num_requests_running 0\nvllm:cache_config_info{block_size=\"None\",num_gpu_blocks=\"7\"} 1\n" +
				"vllm:cache_config_info{block_size=\"32\",num_gpu_blocks=\"None\"} 1\n",
			Page{Ranks: map[string]*Rank{"": {Running: known(0)}}, BlockSize: known(32)},
		},
		"a long name of an engine is cut": {
			"vllm:num_requests_running{engine=\"" + strings.Repeat("é", maxText) + "\"} 1\n",
			Page{Ranks: map[string]*Rank{strings.Repeat("é", maxText/2): {Running: known(1)}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParsePage(strings.NewReader(tt.page), asText)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%v\n%s\nwant\n%s", err, show(got), show(tt.want))
			}
		})
	}
}

func TestParsePageRefuses(t *testing.T) {
	engines := strings.Builder{}
	for i := range maxRanks + 1 {
		fmt.Fprintf(&engines, "vllm:num_requests_running{engine=\"%d\"} 1\n", i)
	}
	endless := bytes.Repeat(toProtobuf(t, "# HELP x "+strings.Repeat("x", 1<<20)+"\nx 1\n"), 16)
	histogram := toProtobuf(t, "# TYPE vllm:num_requests_running histogram\nvllm:num_requests_running_count 3\n")
	for name, tt := range map[string]struct {
		page   string
		header http.Header
		want   string
	}{
		"another server":                      {"# TYPE go_goroutines gauge\ngo_goroutines 8\n", asText, "no metrics of a vLLM engine"},
		"a value that is none":                {"vllm:num_requests_running secret\n", asText, "not in Prometheus's text format"},
		"a page of HTML":                      {"<html><body>Welcome</body></html>", http.Header{"Content-Type": {"text/html"}}, "no metrics of a vLLM engine"},
		"too many engines":                    {engines.String(), asText, "1025 engines, more than 1024"},
		"a page without end":                  {strings.Repeat(strings.Repeat("x", 1023)+"\n", maxPage>>10), asText, "has more than"},
		"text that is said to be protobuf":    {"vllm:num_requests_running 1\n", asProtobuf, "not in Prometheus's protobuf format"},
		"a message that is said to be huge":   {string(binary.AppendUvarint(nil, math.MaxInt64)), asProtobuf, "not in Prometheus's protobuf format"},
		"half a message":                      {string(binary.AppendUvarint(nil, 1000)) + "x", asProtobuf, "not in Prometheus's protobuf format"},
		"protobuf without end":                {string(endless), asProtobuf, "has more than 16777216 bytes"},
		"empty messages without end":          {strings.Repeat("\x00", maxPage), asProtobuf, "has more than 65536 metrics"},
		"a histogram where a gauge should be": {string(histogram), asProtobuf, "no metrics of a vLLM engine"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParsePage(strings.NewReader(tt.page), tt.header)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Whatever bytes come, in either format, the figures that are known are numbers
// from 0 on and the names of engines are texts.
func FuzzParsePage(f *testing.F) {
	for name := range pages() {
		text := saved(f, name)
		f.Add([]byte(text), false)
		f.Add(toProtobuf(f, text), true)
	}
	f.Add(binary.AppendUvarint(nil, math.MaxUint64), true)
	f.Fuzz(func(t *testing.T, page []byte, protobuf bool) {
		header := asText
		if protobuf {
			header = asProtobuf
		}
		p, err := ParsePage(bytes.NewReader(page), header)
		if err != nil {
			return
		}
		figures := []Figure{p.BlockSize, p.CacheTokens, p.ProcessStart}
		for engine, r := range p.Ranks {
			if engine != strings.ToValidUTF8(engine, "") || len(engine) > maxText {
				t.Errorf("an engine is called %q", engine)
			}
			figures = append(figures, r.Running, r.Waiting, r.KVCacheUsage, r.Preemptions, r.PrefixQueries, r.PrefixHits, r.PrefixHitRatio)
		}
		for _, figure := range figures {
			if figure.Value < 0 || math.IsNaN(figure.Value) || !figure.Known && figure.Value != 0 {
				t.Errorf("%s", show(p))
			}
		}
	})
}

// The types that protobuf gives a metric matter no more than those of a text.
func TestValueOf(t *testing.T) {
	two := 2.0
	for name, tt := range map[string]struct {
		metric *dto.Metric
		want   float64
	}{
		"untyped":   {&dto.Metric{Untyped: &dto.Untyped{Value: &two}}, 2},
		"a gauge":   {&dto.Metric{Gauge: &dto.Gauge{Value: &two}}, 2},
		"a counter": {&dto.Metric{Counter: &dto.Counter{Value: &two}}, 2},
		"a summary": {&dto.Metric{Summary: &dto.Summary{SampleSum: &two}}, math.NaN()},
	} {
		if got := valueOf(tt.metric); got != tt.want && !(math.IsNaN(got) && math.IsNaN(tt.want)) {
			t.Errorf("%s: got %g, want %g", name, got, tt.want)
		}
	}
}
