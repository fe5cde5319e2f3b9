package prometheus

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/prometheus/common/model"
)

// tolerance is how far the rules may be from the prober's own results: the table of
// these shows three digits and more.
const tolerance = 0.01

// testFieldReport prints the field report's tables from the recorded series, and
// holds them against what the prober itself has printed.
func (s *server) testFieldReport(t *testing.T, steps []step) {
	if len(steps) < demoSteps/2 {
		t.Fatalf("only %d steps of the latest run are valid: the machine is too busy", len(steps))
	}
	t.Log("\n" + s.fieldReport(t))
	agree := func(what string, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) <= tolerance*math.Abs(want)) {
			t.Errorf("%s: the rules say %g, the prober %g", what, got, want)
		}
	}
	peak := map[string]float64{} // by batch size and GPUs
	for _, step := range steps {
		at := "{" + step.matchers()
		agree("throughput "+at, s.one(t, throughput+at+"}"), step.throughput)
		agree("TTFT "+at, s.one(t, ttft+at+`,figure="mean"}`), step.ttft)
		agree("TPOT "+at, s.one(t, tpot+at+`,figure="mean"}`), step.tpot)
		verdict := 0.0
		if step.saturated == "yes" {
			verdict = 1
		}
		agree("saturated "+at, s.one(t, "step:vllm_prober_saturated:latest"+at+"}"), verdict)
		arm := step.batchSize + " " + step.gpus
		peak[arm] = max(peak[arm], step.throughput)
		for _, base := range steps {
			if base.batchSize != "16" || base.gpus != step.gpus || base.rate != step.rate {
				continue
			}
			agree("change of throughput "+at, 1+s.one(t, change(throughput)+at+"}")/100, step.throughput/base.throughput)
			agree("change of TTFT "+at, 1+s.one(t, change(ttft)+at+`,figure="mean"}`)/100, step.ttft/base.ttft)
			agree("change of TPOT "+at, 1+s.one(t, change(tpot)+at+`,figure="mean"}`)/100, step.tpot/base.tpot)
		}
	}
	if len(steps) == demoSteps {
		for _, size := range []string{"16", "32"} {
			at := fmt.Sprintf(`{probe="ladder",batch_size=%q,gpus="4"}`, size)
			factor := peak[size+" 4"] / peak[size+" 1"]
			agree("scaling factor "+at, s.one(t, "arm:vllm_prober_throughput_requests_per_second:scaling_factor"+at), factor)
			agree("scaling efficiency "+at, s.one(t, "arm:vllm_prober_throughput_requests_per_second:scaling_efficiency_ratio"+at), factor/4)
		}
	}
}

const (
	throughput = "step:vllm_prober_throughput_requests_per_second:latest"
	ttft       = "step:vllm_prober_time_to_first_token_seconds:latest"
	tpot       = "step:vllm_prober_time_per_output_token_seconds:latest"
)

func change(of string) string {
	return strings.TrimSuffix(of, "latest") + "change_to_smallest_batch_percent"
}

// one is the value of an expression's only row.
func (s *server) one(t *testing.T, expr string) float64 {
	t.Helper()
	rows, err := s.instant(expr)
	if err != nil {
		t.Errorf("%s: %v", expr, err)
		return math.NaN()
	}
	if len(rows) != 1 {
		t.Errorf("%s: %d rows, want 1", expr, len(rows))
		return math.NaN()
	}
	return float64(rows[0].Value)
}

// fieldReport is the tables: rates, batch sizes and the change between them for
// each number of GPUs; scaling; saturation.
func (s *server) fieldReport(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, gpus := range []string{"1", "4"} {
		fmt.Fprintf(&b, "%s GPUs\n\n", gpus)
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, "req/s\tdone/s 16\tdone/s 32\tchange\tTTFT ms 16\tTTFT ms 32\tchange\tTPOT ms 16\tTPOT ms 32\tchange\tTTFT over lowest\tqueue share\tdone/offered\tsaturated\t")
		for _, rate := range []string{"10", "20", "40", "60"} {
			cell := func(name, size, more string) float64 {
				rows, err := s.instant(fmt.Sprintf(`%s{probe="ladder",gpus=%q,batch_size=%q,request_rate=%q%s}`, name, gpus, size, rate, more))
				if err != nil || len(rows) != 1 {
					return math.NaN()
				}
				return float64(rows[0].Value)
			}
			mean := `,figure="mean"`
			if math.IsNaN(cell(throughput, "16", "")) && math.IsNaN(cell(throughput, "32", "")) {
				continue // the arm has no step at this rate
			}
			fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%+.1f%%\t%.1f\t%.1f\t%+.1f%%\t%.1f\t%.1f\t%+.1f%%\t%.2f\t%.2f\t%.2f\t%.0f\t\n", rate,
				cell(throughput, "16", ""), cell(throughput, "32", ""), cell(change(throughput), "32", ""),
				1000*cell(ttft, "16", mean), 1000*cell(ttft, "32", mean), cell(change(ttft), "32", mean),
				1000*cell(tpot, "16", mean), 1000*cell(tpot, "32", mean), cell(change(tpot), "32", mean),
				cell("step:vllm_prober_ttft_over_lowest_rate:ratio", "32", mean), cell("step:vllm_prober_queue_share_of_ttft:ratio", "32", ""),
				cell("step:vllm_prober_achieved_over_offered:ratio", "32", ""), cell("step:vllm_prober_saturated:latest", "32", ""))
		}
		_ = w.Flush()
		b.WriteString("\n")
	}
	for _, name := range []string{"scaling_factor", "scaling_efficiency_ratio"} {
		rows, err := s.instant(`arm:vllm_prober_throughput_requests_per_second:` + name + `{probe="ladder"}`)
		if err != nil {
			t.Error(err)
		}
		for _, row := range rows {
			fmt.Fprintf(&b, "%s of %s with %s GPUs: %.2f\n", name, row.Metric[model.LabelName("target")], row.Metric["gpus"], float64(row.Value))
		}
	}
	return b.String()
}
