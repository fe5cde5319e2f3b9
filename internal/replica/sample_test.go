package replica

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"vllm_prober/internal/simulator"
)

func known(x float64) Figure { return Figure{Value: x, Known: true} }

func TestParse(t *testing.T) {
	tests := map[string]struct {
		page string
		want Sample
	}{
		"nothing":                          {"", Sample{}},
		"another server":                   {"# TYPE go_goroutines gauge\ngo_goroutines 8\n", Sample{}},
		"comments are no figures":          {"# HELP vllm:num_requests_running vllm:num_requests_running 7\n", Sample{}},
		"a name that goes on is another":   {"vllm:num_requests_waiting_by_reason{reason=\"capacity\"} 3\n", Sample{}},
		"no labels":                        {"vllm:num_requests_running 3\n", Sample{Running: known(3), Engines: 1}},
		"0 is known":                       {"vllm:num_requests_waiting{engine=\"0\"} 0.0\n", Sample{Waiting: known(0)}},
		"a time stamp":                     {"vllm:num_preemptions_total{engine=\"0\"} 4 1700000000000\n", Sample{Preemptions: known(4)}},
		"the last line without its end":    {"vllm:num_requests_waiting 2", Sample{Waiting: known(2)}},
		"what is no number of requests":    {"vllm:num_requests_running NaN\nvllm:num_requests_waiting -1\nvllm:generation_tokens_total +Inf\n", Sample{}},
		"braces and line breaks in labels": {"vllm:num_requests_running{model_name=\"a} 9\\n{\"} 5\n", Sample{Running: known(5), Engines: 1}},
		"the older name of KV cache usage": {"vllm:gpu_cache_usage_perc{model_name=\"m\"} 0.25\n", Sample{KVCacheUsage: known(0.25)}},
		"both names of KV cache usage": {
			"vllm:gpu_cache_usage_perc{model_name=\"m\"} 0.25\nvllm:kv_cache_usage_perc{model_name=\"m\"} 0.25\n", Sample{KVCacheUsage: known(0.25)},
		},
		"data-parallel ranks add up, but for the share of the KV cache": {
			`vllm:num_requests_running{engine="0",model_name="m"} 3
vllm:num_requests_running{engine="1",model_name="m"} 4
vllm:num_requests_waiting{engine="0",model_name="m"} 1
vllm:num_requests_waiting{engine="1",model_name="m"} 0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.5
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
vllm:num_preemptions_total{engine="0",model_name="m"} 1
vllm:num_preemptions_total{engine="1",model_name="m"} 2
vllm:generation_tokens_total{engine="0",model_name="m"} 100
vllm:generation_tokens_total{engine="1",model_name="m"} 200
vllm:prompt_tokens_total{engine="0",model_name="m"} 1e3
vllm:prompt_tokens_total{engine="1",model_name="m"} 2e3
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="m"} 4
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 0.5
vllm:time_to_first_token_seconds_sum{engine="1",model_name="m"} 1.5
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 5
vllm:time_to_first_token_seconds_count{engine="1",model_name="m"} 6
vllm:request_queue_time_seconds_bucket{engine="0",le="0.3",model_name="m"} 4
vllm:request_queue_time_seconds_sum{engine="0",model_name="m"} 0.25
vllm:request_queue_time_seconds_sum{engine="1",model_name="m"} 0.5
vllm:request_queue_time_seconds_count{engine="0",model_name="m"} 3
vllm:request_queue_time_seconds_count{engine="1",model_name="m"} 4
vllm:request_prefill_time_seconds_sum{engine="0",model_name="m"} 1
vllm:request_prefill_time_seconds_sum{engine="1",model_name="m"} 2
vllm:request_prefill_time_seconds_count{engine="0",model_name="m"} 5
vllm:request_prefill_time_seconds_count{engine="1",model_name="m"} 8
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 1
vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 2
vllm:request_success_total{engine="1",finished_reason="length",model_name="m"} 4
process_start_time_seconds 1.7e9
`,
			Sample{
				Engines: 2, Running: known(7), Waiting: known(1), KVCacheUsage: known(0.75), Preemptions: known(3),
				OutputTokens: known(300), PromptTokens: known(3000), FirstTokens: known(11), FirstTokenSeconds: known(2), Succeeded: known(7),
				Queued: known(7), QueueSeconds: known(0.75), Prefilled: known(13), PrefillSeconds: known(3),
				ProcessStart: known(1.7e9),
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(strings.NewReader(tt.page))
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ page, want string }{
		"a value that is none": {"vllm:num_requests_running many\n", "not in Prometheus's text format"},
		"half a line":          {"vllm:num_requests_running{engine=\"0", "not in Prometheus's text format"},
		"a line without end":   {strings.Repeat("x", maxLine+1), "a line of more than"},
		"a page without end":   {strings.Repeat(strings.Repeat("x", 1023)+"\n", maxPage>>10), "has more than"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(strings.NewReader(tt.page)); err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 300 {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// The simulated replica exports all that is read.
func TestParseTakesAllThatAReplicaExports(t *testing.T) {
	got, err := Parse(strings.NewReader(simulatedPage(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := Sample{
		Engines: 1, Running: known(0), Waiting: known(0), KVCacheUsage: known(0), Preemptions: known(0),
		OutputTokens: known(0), PromptTokens: known(0), FirstTokens: known(0), FirstTokenSeconds: known(0), Succeeded: known(0),
		Queued: known(0), QueueSeconds: known(0), Prefilled: known(0), PrefillSeconds: known(0),
	}
	// It started within this test, but for the clock's grain.
	if age := float64(time.Now().UnixNano())/1e9 - got.ProcessStart.Value; !got.ProcessStart.Known || age < -1 || age > 3600 {
		t.Errorf("it started %g s ago", age)
	}
	want.ProcessStart = got.ProcessStart
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func simulatedPage(tb testing.TB) string {
	tb.Helper()
	w := httptest.NewRecorder()
	replica := simulator.NewReplica(tb.Context(), simulator.Options{Parameters: simulator.FieldReport()})
	replica.ServeHTTP(w, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// Whatever bytes come, the figures that are known are numbers from 0 on.
func FuzzParse(f *testing.F) {
	f.Add([]byte(simulatedPage(f)))
	f.Add([]byte("vllm:num_requests_running{engine=\"0\"} 1e3 5\r\nprocess_start_time_seconds NaN\n"))
	f.Fuzz(func(t *testing.T, page []byte) {
		s, err := Parse(bytes.NewReader(page))
		if err != nil {
			return
		}
		for _, figure := range []Figure{
			s.Running, s.Waiting, s.KVCacheUsage, s.Preemptions, s.OutputTokens, s.PromptTokens,
			s.FirstTokens, s.FirstTokenSeconds, s.Succeeded, s.ProcessStart,
			s.Queued, s.QueueSeconds, s.Prefilled, s.PrefillSeconds,
		} {
			if figure.Value < 0 || math.IsNaN(figure.Value) || !figure.Known && figure.Value != 0 {
				t.Errorf("%+v", s)
			}
		}
		if s.Running.Known != (s.Engines > 0) {
			t.Errorf("%d engines with %+v", s.Engines, s.Running)
		}
	})
}

// largePage has 1,500 lines and more: that of a replica of some engines.
func largePage(tb testing.TB) (page string, lines int) {
	tb.Helper()
	one, b := simulatedPage(tb), strings.Builder{}
	for engine := 0; lines < 1500; engine++ {
		for line := range strings.Lines(one) {
			if engine > 0 && strings.HasPrefix(line, "#") {
				continue
			}
			b.WriteString(strings.Replace(line, `engine="0"`, fmt.Sprintf("engine=%q", fmt.Sprint(engine)), 1))
			lines++
		}
	}
	return b.String(), lines
}

// BenchmarkParse is what a reading costs.
func BenchmarkParse(b *testing.B) {
	page, lines := largePage(b)
	b.Logf("%d lines, %d bytes", lines, len(page))
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(strings.NewReader(page)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseEverything is what it would cost to parse all lines.
func BenchmarkParseEverything(b *testing.B) {
	page, _ := largePage(b)
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		if _, err := parser.TextToMetricFamilies(strings.NewReader(page)); err != nil {
			b.Fatal(err)
		}
	}
}
