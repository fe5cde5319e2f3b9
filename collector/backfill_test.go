package collector

import (
	"bytes"
	"errors"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/golden"
	"vllm_prober/prober"
)

// past are steps of two probes over two hours, an invalid one among them.
func past(yield func(*prober.StepResult, error) bool) {
	for hour := range 2 {
		for i, rate := range []float64{10, 20} {
			for _, probe := range []string{"p", "q"} {
				step := stepAt(rate, rate-float64(hour))
				step.Probe, step.EndedAt = probe, time.Unix(int64(3600*hour+60*i), 250e6)
				step.Latencies = &prober.Latencies{
					TTFT: prober.Distribution{Count: 2, Mean: 0.1, P50: 0.1, P90: 0.1, P95: 0.1, P99: 0.125, Max: 0.125},
					E2E:  prober.Distribution{Count: 2, Mean: 1, P50: 1, P90: 1, P95: 1, P99: 1.5, Max: 1.5},
				}
				if probe == "q" && hour == 1 {
					step.Broken, step.Latencies = []prober.Broken{{Promise: prober.PromiseCPU}}, nil
				}
				if !yield(&step, nil) {
					return
				}
			}
		}
	}
}

func TestBackfill(t *testing.T) {
	var b bytes.Buffer
	if err := Backfill(&b, past); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "backfill.txt", b.String())
	checkOpenMetrics(t, b.String())
	for _, line := range []string{ // worked out by hand
		`vllm_prober_step_throughput_requests_per_second{batch_size="16",gpus="8",probe="p",request_rate="20",target="t"} 19.0 3660.25`,
		`vllm_prober_step_time_to_first_token_seconds{batch_size="16",figure="p99",gpus="8",probe="p",request_rate="10",target="t"} 0.125 0.25`,
		`vllm_prober_step_valid{batch_size="16",gpus="8",probe="q",reason="cpu",request_rate="10",target="t"} 0.0 3600.25`,
	} {
		if !strings.Contains(b.String(), "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	for line := range strings.Lines(b.String()) { // of an invalid step there are its verdicts alone
		if strings.Contains(line, `probe="q"`) && strings.HasSuffix(line, " 3600.25\n") && !strings.HasPrefix(line, "vllm_prober_step_valid{") && !strings.HasPrefix(line, "vllm_prober_step_saturated{") {
			t.Errorf("an invalid step has %s", line)
		}
	}
}

// checkOpenMetrics holds a text against OpenMetrics' rules for gauges with
// timestamps: each family stands whole after its HELP and TYPE, each series whole
// and in the order of time, and # EOF is the end.
func checkOpenMetrics(t *testing.T, text string) {
	t.Helper()
	body, ended := strings.CutSuffix(text, "# EOF\n")
	if !ended || strings.Contains(body, "# EOF") {
		t.Error("the text does not end with # EOF, once")
	}
	help := regexp.MustCompile(`^# HELP ([a-z_]+) .+$`)
	kind := regexp.MustCompile(`^# TYPE ([a-z_]+) gauge$`)
	sample := regexp.MustCompile(`^([a-z_]+)(\{(?:[a-z_]+="[^"\\]*",?)+\}) (\S+) (\S+)$`)
	family, series, at := "", "", 0.0
	seen := map[string]bool{}
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		if m := help.FindStringSubmatch(line); m != nil {
			if family = m[1]; seen[family] {
				t.Errorf("%s stands in two places", family)
			}
			seen[family] = true
			continue
		}
		if m := kind.FindStringSubmatch(line); m != nil {
			if m[1] != family {
				t.Errorf("the type of %s follows the help of %s", m[1], family)
			}
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil || m[1] != family {
			t.Errorf("in the family %s: %s", family, line)
			continue
		}
		if _, err := strconv.ParseFloat(m[3], 64); err != nil {
			t.Error(err)
		}
		when, err := strconv.ParseFloat(m[4], 64)
		if err != nil {
			t.Error(err)
		}
		if key := m[1] + m[2]; key == series {
			if when <= at {
				t.Errorf("not later than the sample before: %s", line)
			}
		} else {
			if seen[key] {
				t.Errorf("%s stands in two places", key)
			}
			series, seen[key] = key, true
		}
		at = when
	}
	if len(seen) == 0 && body != "" {
		t.Error("there is no family")
	}
}

func TestBackfillOfNothing(t *testing.T) {
	var b bytes.Buffer
	if err := Backfill(&b, func(func(*prober.StepResult, error) bool) {}); err != nil || b.String() != "# EOF\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// With an error nothing is written: half a history would look like a whole one.
func TestBackfillEndsWithAnError(t *testing.T) {
	var b bytes.Buffer
	broken := errors.New("the file is damaged")
	failing := iter.Seq2[*prober.StepResult, error](func(yield func(*prober.StepResult, error) bool) {
		step := stepAt(10, 9)
		_ = yield(&step, nil) && yield(nil, broken)
	})
	if err := Backfill(&b, failing); !errors.Is(err, broken) || b.Len() > 0 {
		t.Errorf("%v, and %q was written", err, b.String())
	}
}
