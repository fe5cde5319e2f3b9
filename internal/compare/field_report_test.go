package compare

import (
	"slices"
	"testing"

	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// reported is a line of a table that a person made: means of a single run, and a
// throughput that counts the drain. What it does not tell is 0.
type reported struct{ rate, throughput, ttft, tpot float64 }

func sideOf(name string, arm prober.Arm, lines ...reported) Side {
	side := Side{Name: name}
	for _, l := range lines {
		s := Step{Run: name, Arm: arm, RequestRate: l.rate, Figures: Figures{}, WithDrain: true}
		for metric, value := range map[Metric]float64{Throughput: l.throughput, TTFTMean: l.ttft / 1000, TPOTMean: l.tpot / 1000} {
			if value > 0 {
				s.Figures[metric] = Figure{Value: value, Why: Reason{Code: NotRecorded}}
			}
		}
		side.Steps = append(side.Steps, s)
	}
	return side
}

func fourGPUs(batch int) prober.Arm {
	return prober.Arm{Target: "four", Replicas: 4, GPUs: 4, BatchSize: batch}
}

// The report that this project grew from: throughput per second, TTFT and TPOT in
// milliseconds.
var (
	batch16 = sideOf("batch 16", fourGPUs(16),
		reported{10, 9.23, 65.12, 28.7}, reported{20, 16.60, 83.38, 0}, reported{30, 22.63, 90.09, 0},
		reported{40, 27.46, 97.59, 0}, reported{50, 31.21, 105.22, 0}, reported{60, 34.03, 120.67, 47.5})
	batch32 = sideOf("batch 32", fourGPUs(32),
		reported{10, 9.22, 66.24, 28.7}, reported{20, 16.61, 82.83, 0}, reported{30, 22.59, 91.12, 0},
		reported{40, 27.47, 97.04, 0}, reported{50, 31.24, 106.25, 0}, reported{60, 34.02, 115.46, 47.5})
	oneGPU = sideOf("one GPU", prober.Arm{Target: "one", Replicas: 1, GPUs: 1, BatchSize: 16},
		reported{10, 9.2, 90, 38.8}, reported{20, 13.6, 6714, 69.8})
)

// Its author took -4.3% for noise, and could not know. One run of each tells nothing.
func TestTheFieldReportTellsNoDifference(t *testing.T) {
	table := Between(batch16, batch32, Effect)
	if len(table.Cells) != 14 { // six throughputs and TTFTs, two TPOTs
		t.Fatalf("%d cells", len(table.Cells))
	}
	for _, c := range table.Cells {
		if c.Word != stats.Undetermined || c.Interval != nil || c.Reason != (Reason{Code: NotRecorded}) || c.NeededRepeats != 0 {
			t.Errorf("%s at %g: %+v", c.Metric, c.RequestRate, c)
		}
	}
	// -4.3% at 60, as it says.
	at := slices.IndexFunc(table.Cells, func(c Cell) bool { return c.RequestRate == 60 && c.Metric == TTFTMean })
	near(t, "the change of TTFT at 60", table.Cells[at].Change, -0.043, 0.0005)
}

// What its figures say, by hand: (1/34.03 - 1/60)/(1/9.23 - 1/10) is 12.72/8.342 = 1.52,
// and 47.5/28.7 = 1.66.
func TestTheFieldReportsThroughputIsAnArtefact(t *testing.T) {
	found := Findings(slices.Concat(batch16.Steps, batch32.Steps, oneGPU.Steps))
	var arms []prober.Arm
	for _, f := range found {
		if f.Kind != DrainArtefact {
			continue
		}
		arms = append(arms, f.Arm)
		if f.RequestRate != 10 || f.To != 60 {
			t.Errorf("from %g to %g", f.RequestRate, f.To)
		}
		if f.Arm.BatchSize == 16 {
			d, _ := f.Detail.(Drained)
			near(t, "what it lacks at 10", d.First, 0.008342, 1e-6)
			near(t, "what it lacks at 60", d.Last, 0.01272, 1e-5)
			near(t, "the growth of what it lacks", d.Grew, 1.52, 0.005)
			near(t, "the growth of the time", d.TimeGrew, 1.655, 0.001)
			near(t, "the throughput at 60", d.Throughput, 34.03, 0)
		}
	}
	// Of the one GPU it is no artefact: (1/13.6 - 1/20)/(1/9.2 - 1/10) is 2.7, and 69.8/38.8 is 1.8.
	if !slices.Equal(arms, []prober.Arm{fourGPUs(16), fourGPUs(32)}) {
		t.Errorf("found for %v", arms)
	}
}

// By hand: 16/9.2 is 1.74 s, and 1 + (1.739 - 0.09)/0.0388 is 43.5, so 43 tokens. These take
// four GPUs 0.065 + 42·0.0287 = 1.27 s, and 1.27/0.008342 is 152 requests (with the other
// column's 9.22, 150). At 13.6 a second these last 11 s, and wait 150/2·(1/13.6 - 1/20) = 1.8 s.
func TestTheFieldReportsBatchSizeWasNotInForce(t *testing.T) {
	all := slices.Concat(batch16.Steps, batch32.Steps, oneGPU.Steps)
	found := Findings(all)
	at := slices.IndexFunc(found, func(f Finding) bool { return f.Kind == Impossible })
	if at < 0 {
		t.Fatalf("%+v", found)
	}
	f := found[at]
	if f.Arm != oneGPU.Steps[0].Arm || f.RequestRate != 20 {
		t.Errorf("found for %+v at %g", f.Arm, f.RequestRate)
	}
	d, _ := f.Detail.(Contradiction)
	if d.BatchSize != 16 || d.Slots != 16 || d.CalmRate != 10 || d.Throughput != 9.2 || d.Tokens != 43 {
		t.Errorf("%+v", d)
	}
	near(t, "the longest request", d.Longest, 1.739, 0.0005)
	near(t, "the number of requests", d.Requests, 150, 0.5)
	near(t, "how long these last", d.Lasted, 11.05, 0.01)
	near(t, "the mean wait, at most", d.MostWait, 1.76, 0.01)
	near(t, "the mean wait that was reported", d.Wait, 6.714, 0)

	// With 50 slots, which are those of an engine that has such curves, nothing contradicts it.
	possible := sideOf("one GPU", prober.Arm{Target: "one", Replicas: 1, GPUs: 1, BatchSize: 50}, reported{10, 9.2, 90, 38.8}, reported{20, 13.6, 6714, 69.8})
	for _, f := range Findings(slices.Concat(batch16.Steps, possible.Steps)) {
		if f.Kind == Impossible {
			t.Errorf("with 50 slots: %+v", f.Detail)
		}
	}
}
