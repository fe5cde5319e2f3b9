package prometheus

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"

	"vllm_prober/dashboards"
)

// What the demo does not have: replicas that share a GPU, a GPU that two exporters see,
// steps of former searches, and an arm without a batch size. Samples are 15 s apart.
const rareSeries = `
load 15s
  vllm_prober_gpu_energy_joules_total{uuid="GPU-x-a",instance="i"} 0+1500x80
  vllm_prober_gpu_energy_joules_total{uuid="GPU-x-a",instance="j"} 7+1500x80
  vllm_prober_gpu_energy_joules_total{uuid="GPU-x-b",instance="i"} 0+750x80
  vllm_prober_replica_gpu_info{target="t",replica="http://1",uuid="GPU-x-a"} 1x80
  vllm_prober_replica_gpu_info{target="t",replica="http://2",uuid="GPU-x-a"} 1x80
  vllm_prober_replica_gpu_info{target="t",replica="http://2",uuid="GPU-x-b"} 1x80
  vllm_prober_gpu_info{uuid="GPU-x-a",index="3",name="H200",instance="i"} 1x80
  vllm_prober_gpu_info{uuid="GPU-x-a",index="0",name="H200",instance="j"} 1x80
  vllm_prober_gpu_info{uuid="GPU-x-b",index="4",name="H200",instance="i"} 1x80
  vllm_prober_gpu_utilization_ratio{uuid="GPU-x-a",instance="i"} 0.5x80
  vllm_prober_gpu_utilization_ratio{uuid="GPU-x-a",instance="j"} 0.5x80
  vllm_prober_gpu_utilization_ratio{uuid="GPU-x-b",instance="i"} 0.25x80
  step:vllm_prober_end_timestamp_seconds:latest{probe="ladder",target="t",gpus="1",request_rate="10"} 0x80
  vllm_prober_batch_size_in_force{probe="ladder",target="t",gpus="1",request_rate="10",verdict="bound"} 1x80
  vllm_prober_batch_size_in_force{probe="ladder",target="t",gpus="1",request_rate="13",verdict="bound"} 1x80
  vllm_prober_step_reconciliation{probe="ladder",target="t",gpus="1",request_rate="10",verdict="reconciled"} 1x80
  vllm_prober_step_reconciliation{probe="ladder",target="t",gpus="1",request_rate="13",verdict="reconciled"} 1x80
  vllm_prober_step_gpu_throttled{probe="ladder",target="t",gpus="1",request_rate="10",reason="sw_power_cap"} 1x80
  vllm_prober_step_gpu_throttled{probe="ladder",target="t",gpus="1",request_rate="13",reason="sw_power_cap"} 1x80
  vllm_prober_step_valid{probe="ladder",target="t",gpus="1",request_rate="13",reason="cpu"} 0x80
  vllm_prober_step_valid{probe="ladder",target="t",gpus="1",request_rate="14",reason="cpu"} 0x80
  vllm_prober_requests_total{probe="ladder",target="t",gpus="1",request_rate="13",phase="window",outcome="ok"} 0 100x79
  vllm_prober_requests_total{probe="ladder",target="t",gpus="1",request_rate="14",phase="window",outcome="ok"} 0x60 100x19
  vllm_prober_offered_request_rate{probe="ladder",target="t",gpus="1"} 0x80
  vllm_prober_offered_request_rate{probe="ladder",target="t",gpus="1",batch_size="16"} 0x80
`

// The dashboards' queries give what they should of what is rare, worked out by hand.
func TestQueriesOfWhatIsRare(t *testing.T) {
	queries, err := dashboards.Queries(shown())
	if err != nil {
		t.Fatal(err)
	}
	storage, engine := promqltest.LoadedStorage(t, rareSeries), promqltest.NewTestEngine(t, false, 0, 1e6)
	// of is what a panel's first query gives after 20 minutes, by one of the labels.
	of := func(dashboard, panel string, name string) map[string]float64 {
		t.Helper()
		i := slices.IndexFunc(queries, func(q dashboards.Query) bool { return q.Dashboard == dashboard && q.Panel == panel && q.RefID == "A" })
		if i < 0 {
			t.Fatalf("no panel %q of %q", panel, dashboard)
		}
		q, err := engine.NewInstantQuery(t.Context(), storage, nil, queries[i].Expr, time.Unix(0, 0).Add(20*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		result := q.Exec(t.Context())
		vector, err := result.Vector()
		if err != nil {
			t.Errorf("%q of %q: %v", panel, dashboard, err)
		}
		return valuesOf(vector, name)
	}
	const ladder, replicas = "vLLM prober / Ladder", "vLLM prober / Replicas and GPUs"
	const unnamed, named = "batch_size=``,gpus=`1`,target=`t`", "batch_size=`16`,gpus=`1`,target=`t`"
	for _, c := range []struct {
		dashboard, panel, by string
		want                 map[string]float64
	}{
		{replicas, "Energy by target", "target", map[string]float64{"t": 100 + 50}}, // 1500 J and 750 J each 15 s
		{replicas, "Utilization", "uuid", map[string]float64{"GPU-x-a": 0.5, "GPU-x-b": 0.25}},
		{ladder, "Batch size in force", "request_rate", map[string]float64{"10": 1}},
		{ladder, "Load of others", "request_rate", map[string]float64{"10": 1}},
		{ladder, "Clocks held down", "request_rate", map[string]float64{"10": 1}},
		{ladder, "Steps that cannot be believed", "request_rate", map[string]float64{"14": 0}},
		{"vLLM prober / Compare", "variable arm_a", "matchers", map[string]float64{unnamed: 1, named: 1}},
	} {
		if got := of(c.dashboard, c.panel, c.by); !maps.Equal(got, c.want) {
			t.Errorf("%q of %q gives %v, want %v", c.panel, c.dashboard, got, c.want)
		}
	}
}

// valuesOf are the values of series by one of their labels; two of the same add up.
func valuesOf(vector promql.Vector, name string) map[string]float64 {
	values := map[string]float64{}
	for _, s := range vector {
		key := s.Metric.Get(name)
		values[key] = math.Round(1e9*(values[key]+s.F)) / 1e9
	}
	return values
}
