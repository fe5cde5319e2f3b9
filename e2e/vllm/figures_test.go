//go:build e2e && linux

package vllm_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// figures are what a replica's own /metrics say, summed over their labels.
type figures map[string]float64

// The figures of vLLM that the tests read.
const (
	running         = "vllm:num_requests_running"
	waiting         = "vllm:num_requests_waiting"
	succeeded       = "vllm:request_success_total"
	promptTokens    = "vllm:prompt_tokens_total"
	outputTokens    = "vllm:generation_tokens_total"
	prefixCacheHits = "vllm:prefix_cache_hits_total"
	firstTokens     = "vllm:time_to_first_token_seconds_count"
	firstTokenTime  = "vllm:time_to_first_token_seconds_sum"
)

func (v *replica) figures() (figures, error) {
	text, err := v.get("/metrics")
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	f := figures{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			f[name] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			if h := m.GetHistogram(); h != nil {
				f[name+"_sum"] += h.GetSampleSum()
				f[name+"_count"] += float64(h.GetSampleCount())
			}
		}
	}
	return f, nil
}

// idle waits until the replica has nothing to do and returns its figures.
func (v *replica) idle(t *testing.T) figures {
	t.Helper()
	const limit = time.Minute
	// vLLM writes its figures down after it has sent a last token, so the
	// second look counts.
	for quiet, began := 0, time.Now(); ; time.Sleep(200 * time.Millisecond) {
		f, err := v.figures()
		if quiet++; err != nil || f[running] > 0 || f[waiting] > 0 { // one that got too much may not answer for long
			quiet = 0
		}
		if quiet == 2 {
			for _, name := range []string{
				running, waiting, succeeded, promptTokens, outputTokens, prefixCacheHits, firstTokens, firstTokenTime,
			} {
				if _, has := f[name]; !has {
					t.Fatalf("vLLM exports no %s", name)
				}
			}
			return f
		}
		if time.Since(began) > limit {
			t.Fatalf("vLLM is still at %g requests after %s, and %g wait: %v", f[running], limit, f[waiting], err)
		}
	}
}

func (f figures) minus(before figures) figures {
	delta := figures{}
	for name, value := range f {
		delta[name] = value - before[name]
	}
	return delta
}

// mostRunning looks at the number of running requests four times a second, until
// it is enough or ctx ends, and returns the largest that it saw.
func (v *replica) mostRunning(ctx context.Context, enough float64) (most float64) {
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for {
		if f, err := v.figures(); err == nil {
			most = max(most, f[running])
		}
		if most >= enough {
			return most
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return most
		}
	}
}

func (v *replica) healthy() bool {
	_, err := v.get("/health")
	return err == nil
}

func (v *replica) get(path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return body, err
}
