package report

import (
	"bytes"
	"testing"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/golden"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// Every word, with its reason where it has one.
func TestWriteComparisons(t *testing.T) {
	table := &compare.Table{
		Base: "20261124T120000Z-aaaa", Other: "20261125T120000Z-bbbb", Effect: 0.05,
		Cells: []compare.Cell{
			{
				RequestRate: 10, Metric: compare.Throughput, Base: 9.95, Other: 9.951, BaseSteps: 5, OtherSteps: 5, Change: 0.0001,
				Interval: &compare.Interval{Lower: -0.0019, Upper: 0.0021}, Method: stats.Pairs, Word: stats.NoDifference, Beyond: 0.0021,
			},
			{
				RequestRate: 10, Metric: compare.TTFTMean, Base: 0.06512, Other: 0.06624, BaseSteps: 5, OtherSteps: 5, Change: 0.017,
				Interval: &compare.Interval{Lower: -0.03, Upper: 0.067}, Method: stats.Pairs, Word: stats.Undetermined, Reason: compare.Reason{Code: compare.Chance}, NeededRepeats: 12,
			},
			{
				RequestRate: 60, Metric: compare.TTFTP99, Base: 0.2, Other: 0.15, BaseSteps: 5, OtherSteps: 4, Change: -0.25,
				Interval: &compare.Interval{Lower: -0.3, Upper: -0.2}, Method: stats.Repeats, Word: stats.Better,
			},
			{
				RequestRate: 60, Metric: compare.Goodput, Base: 60, Other: 50, BaseSteps: 5, OtherSteps: 5, Change: -1. / 6,
				Interval: &compare.Interval{Lower: -0.2, Upper: -0.13}, Method: stats.Pairs, Word: stats.Worse,
			},
			{RequestRate: 60, Metric: compare.E2EMean, Other: 2.5, OtherSteps: 1, Word: stats.Undetermined, Reason: compare.Reason{Code: compare.NotInBase}},
			{
				Metric: compare.Capacity, Base: 66.1, Other: 64.2, BaseSteps: 10, OtherSteps: 1, Change: 64.2/66.1 - 1,
				Interval: &compare.Interval{Lower: -0.08, Upper: 0.02}, Method: stats.Former, Word: stats.Undetermined, Reason: compare.Reason{Code: compare.Chance}, NeededRepeats: 4,
			},
			{
				Metric: compare.SLORate, Base: 60, Other: 45, BaseSteps: 10, OtherSteps: 1, Change: -0.25,
				Interval: &compare.Interval{Lower: -0.35, Upper: -0.15}, Method: stats.Former, Word: stats.Worse,
			},
		},
		Findings: []compare.Finding{
			{Kind: compare.Differ, Detail: compare.Differing{Run: "a", Others: []string{"b", "c"}, Keys: []string{"slo", "workload"}}},
			{Kind: compare.NotInForce, Arm: prober.Arm{Target: "bs16", Replicas: 1, GPUs: 4, BatchSize: 16}, RequestRate: 60, Detail: compare.ByReplicas{BatchSize: 16}},
		},
	}
	for _, format := range CompareFormats() {
		var out bytes.Buffer
		if err := WriteComparisons(&out, Format(format), []*compare.Table{table}); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "comparison."+format, out.String())
	}
	if len(metricNames) != len(compare.Metrics()) {
		t.Errorf("%d metrics have a name, of %d", len(metricNames), len(compare.Metrics()))
	}
}
