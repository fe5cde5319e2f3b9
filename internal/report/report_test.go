package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"vllm_prober/internal/config"
	"vllm_prober/internal/golden"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// result is a run of two batch sizes on 4 GPUs and one on 1, with a step that is
// withheld, one that has failures, one that the drain limit cut, one with what its
// replicas and its GPUs said of themselves, and one that the guard aborted.
func result() *prober.RunResult {
	small := prober.Arm{Target: "bs16", Replicas: 4, GPUs: 4, BatchSize: 16}
	large := prober.Arm{Target: "bs32", Replicas: 4, GPUs: 4, BatchSize: 32}
	single := prober.Arm{Target: "plain", Replicas: 1, GPUs: 1}
	step := func(arm prober.Arm, rate, throughput, ttft, tpot float64) prober.StepResult {
		return prober.StepResult{
			Step: prober.Step{Arm: arm, RequestRate: rate}, Saturated: prober.Unsaturated, Attainment: 0.955, Throughput: throughput, Goodput: throughput - 1, BenchThroughput: throughput - 2,
			OutputTokenThroughput: throughput * 64,
			Outcomes:              map[prober.Phase]map[prober.Outcome]int{prober.Window: {prober.OK: 100}},
			Latencies: &prober.Latencies{
				TTFT: prober.Distribution{Count: 100, Mean: ttft, P50: ttft, P99: 2 * ttft},
				TPOT: prober.Distribution{Count: 100, Mean: tpot, P50: tpot, P99: 2 * tpot},
				E2E:  prober.Distribution{Count: 100, Mean: ttft + 63*tpot},
			},
		}
	}
	withheld := step(large, 60, 58, 0, 0)
	withheld.Latencies, withheld.Saturated = nil, prober.Undetermined
	withheld.Broken = []prober.Broken{{Promise: prober.PromiseCPU, Detail: "1% of the work waited 20ms"}}
	failing := step(single, 10, 9, 0.09, 0.04)
	failing.Outcomes[prober.Window][prober.HTTP503] = 3
	failing.Failures = []prober.Failure{{
		Outcome: prober.HTTP503, Count: 3, Example: "http://a: status 503 Service Unavailable: overloaded (request id-1)",
	}, {Outcome: prober.Aborted, Count: 2}}
	failing.CachedTokens = 16
	overloaded := step(single, 20, 13, 6.7, 0.07)
	overloaded.Unfinished, overloaded.Saturated = 40, prober.Saturated
	watched := step(small, 60, 60, 0.12, 0.047)
	preempted := 3
	for range 2 {
		watched.Replicas = append(watched.Replicas, prober.ReplicaResult{
			Running: &prober.Level{Mean: 15.25, Max: 50}, Waiting: &prober.Level{Mean: 4.5, Max: 9},
			KVCacheUsage: &prober.Level{Mean: 0.5, Max: 0.75}, Preemptions: &preempted,
			InForce: prober.InForce{Verdict: prober.NotInForce, Detail: "50 ran"},
		})
	}
	watched.Reconciliation = &prober.Reconciliation{Verdict: prober.ForeignTraffic, ForeignRequests: 12, ForeignShare: 0.08}
	power, utilization, joules, tokens := 1604.25, 0.974, 0.4178, 2.3936
	watched.GPU = &prober.GPUResult{
		UUIDs: []string{"GPU-a", "GPU-b"}, PowerWatts: &power, UtilizationRatio: &utilization, JoulesPerOutputToken: &joules, OutputTokensPerJoule: &tokens,
		ThrottledSeconds: map[string]float64{"sw_power_cap": 83.21, "hw_thermal_slowdown": 0.0004, "hw_power_brake": 0},
	}
	withheld.GPU = &prober.GPUResult{UUIDs: []string{"GPU-c"}, PowerWatts: &power, ThrottledSeconds: map[string]float64{"sw_power_cap": 0}}
	aborted := step(single, 40, 0, 0, 0)
	aborted.Latencies, aborted.Saturated = nil, prober.Undetermined
	aborted.Guard = &prober.Trip{Limit: config.WaitingRequests, Action: config.AbortStep, Replica: "http://a", Value: 12, Allowed: 4}
	aborted.Broken = []prober.Broken{{Promise: prober.PromiseGuard, Detail: "the guard aborted the step: " + aborted.Guard.String()}}
	return &prober.RunResult{
		Run: prober.Run{ID: "20261124T120000Z-abcd", Probe: "ladder", Seed: 42, Steps: 7},
		Models: []prober.ArmModel{
			{Arm: small, Model: "m|x", Versions: []string{"0.31.0", "0.32.0"}}, {Arm: single, Model: "m"},
		},
		// In the order in which a run makes them.
		Results: []prober.StepResult{
			step(small, 10, 10, 0.065, 0.028), step(large, 10, 10.5, 0.052, 0.028), failing,
			watched, withheld, overloaded, aborted,
		},
		Outcome: prober.RunSuccess,
		Answers: []prober.Answer{
			{Arm: small, Capacity: &prober.Estimate{Value: 66.43, Lower: 64, Upper: 70}, SLORate: &prober.Estimate{Value: 48.4, Lower: 47, Upper: 51}, Steps: 7},
			{Arm: single, Capacity: &prober.Estimate{Value: 16.57, Upper: 18}, Steps: 2, Err: "it made 2 steps, as many as search.max_steps allows"},
		},
		Comparison: &prober.Comparison{
			By: config.ByBatchSize, RequestRate: 70, Best: &large,
			Arms: []prober.Compared{
				{Arm: small, Repeats: 5, Throughput: 66.4},
				{Arm: large, Repeats: 4, Throughput: 71.2, ToBase: &stats.Interval{Value: 1.072, Lower: 1.051, Upper: 1.094}},
			},
		},
	}
}

func written(t *testing.T, format Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, result()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWrite(t *testing.T) {
	for _, format := range Formats() {
		t.Run(format, func(t *testing.T) {
			golden.Check(t, "result."+format, written(t, Format(format)))
		})
	}
}

// The changes are those that a person works out: 10.5 is 5% above 10, 52 ms 20%
// below 65 ms.
func TestArmsStandSideBySide(t *testing.T) {
	table := written(t, Table)
	_, compared, found := strings.Cut(table, "4 GPUs: bs16 as base")
	if !found {
		t.Fatalf("no comparison in\n%s", table)
	}
	var rows [][]string
	for line := range strings.Lines(compared) {
		rows = append(rows, strings.Fields(line))
	}
	want := map[int]string{
		3: "10 10.00 10.50 +5.0% ? 65.0 52.0 -20.0% ? 28.0 28.0 +0.0% ?", // of one step each, which tells nothing of chance
		4: "60 60.00 – – 120.0 – – 47.0 – –",                             // withheld
	}
	for i, row := range want {
		if got := strings.Join(rows[i], " "); got != row {
			t.Errorf("row %d is %s, want %s", i, got, row)
		}
	}
	if strings.Contains(table, "1 GPU: ") {
		t.Error("one arm alone is compared")
	}
}

// Where no GPU is known, people are not shown an empty column; programs always have
// the same ones.
func TestNoColumnOfUnknownGPUs(t *testing.T) {
	r := result()
	for i := range r.Results {
		r.Results[i].GPU = nil
	}
	for format, want := range map[Format]bool{Table: false, Markdown: false, CSV: true} {
		var b bytes.Buffer
		if err := Write(&b, format, r); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), "J/tok") || strings.Contains(b.String(), "joules_per_output_token"); got != want {
			t.Errorf("%s: the column is there: %t, want %t", format, got, want)
		}
	}
}

// What is withheld is a missing value to a program, and no 0.
func TestCSVLeavesOutWhatIsWithheld(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(written(t, CSV))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		if _, twice := at[name]; twice {
			t.Errorf("two columns are named %s", name)
		}
		at[name] = i
	}
	for _, row := range rows[1:] {
		withheld := strings.Contains(row[at["note"]], "withheld")
		aborted := strings.Contains(row[at["note"]], "guard")
		if (row[at["ttft_mean_ms"]] == "") != withheld || (row[at["throughput"]] == "") != aborted {
			t.Errorf("row %q", row)
		}
	}
}

func TestJSONReadsBack(t *testing.T) {
	var got prober.RunResult
	if err := json.Unmarshal([]byte(written(t, JSON)), &got); err != nil {
		t.Fatal(err)
	}
	want := result()
	if got.Seed != want.Seed || len(got.Results) != len(want.Results) || got.Results[0].Latencies.TTFT != want.Results[0].Latencies.TTFT ||
		got.Results[4].Latencies != nil || got.Results[5].Unfinished != 40 {
		t.Errorf("got %+v", got)
	}
}

// Where several steps tell of chance, the changes come with what they show: of three pairs
// whose TTFT is 10% more to a per mille or so, of a TPOT that is the same, and of one that
// is now more, now less.
func TestChangesComeWithTheirVerdicts(t *testing.T) {
	r := &prober.RunResult{}
	for i, tpot := range []float64{0.02, 0.03, 0.015} {
		seed := func(s *prober.StepResult) { s.Seed = uint64(i) }
		for rate, first := range map[float64]float64{10: 0.044 + 0.00001*float64(i), 20: 0.036} {
			change := took(first, 0.02)
			if rate == 20 {
				change = took(first, tpot)
			}
			r.Results = append(r.Results, made(single, rate, no, seed), made(other, rate, no, change, seed))
		}
	}
	var b bytes.Buffer
	if err := Write(&b, Table, r); err != nil {
		t.Fatal(err)
	}
	_, compared, _ := strings.Cut(b.String(), "1 GPU: a as base")
	var rows []string
	for line := range strings.Lines(compared) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	for i, want := range []string{
		"10 10.00 10.00 +0.0% = 40.0 44.0 +10.0% worse 20.0 20.0 +0.0% =",
		"20 20.00 20.00 +0.0% = 40.0 36.0 -10.0% better 20.0 20.8 +4.0% ?", // the cube root of 20·30·15
	} {
		if len(rows) < 5 || rows[3+i] != want {
			t.Errorf("got %q, want %q", rows, want)
		}
	}
}

// A step whose partner was invalid stands in the figures and not in the change, which says so:
// the cube root of 40·40·80 ms is 50.4, and the pairs are alike.
func TestAChangeOfFewerStepsThanItsFiguresSaysSo(t *testing.T) {
	r := &prober.RunResult{}
	for i, first := range []float64{0.04, 0.04, 0.08} {
		seed := func(s *prober.StepResult) { s.Seed = uint64(i) }
		beside := made(other, 10, no, seed)
		if first > 0.04 {
			beside = made(other, 10, no, seed, broken(prober.PromiseCPU))
		}
		r.Results = append(r.Results, made(single, 10, no, took(first, 0.02), seed), beside)
	}
	var b bytes.Buffer
	if err := Write(&b, Table, r); err != nil {
		t.Fatal(err)
	}
	_, compared, _ := strings.Cut(b.String(), "1 GPU: a as base")
	if want := "50.4 40.0 +0.0% = of 2 pairs "; !strings.Contains(strings.Join(strings.Fields(compared), " "), want) {
		t.Errorf("no %s in\n%s", want, compared)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 steps", 1: "1 step", 2: "2 steps"} {
		if got := Count(n, "step"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAComparisonThatFoundNothingSaysWhy(t *testing.T) {
	few := []prober.Compared{{Arm: prober.Arm{Target: "a"}}, {Arm: prober.Arm{Target: "b"}}}
	arms := slices.Clone(few)
	arms[1].ToBase = &stats.Interval{Value: 1, Lower: 0.9, Upper: 1.1}
	for want, c := range map[string]*prober.Comparison{
		"No comparison by batch size: no capacity\n":                                                  {By: config.ByBatchSize, Err: "no capacity"},
		"No comparison by batch size: the run ended before it\n":                                      {By: config.ByBatchSize},
		"Compared by batch size at 70 req/s, which saturates all: none does the most beyond chance\n": {By: config.ByBatchSize, RequestRate: 70, Arms: arms},
		"all: too few steps were valid to name an arm\n":                                              {By: config.ByBatchSize, RequestRate: 70, Arms: few},
	} {
		r := result()
		r.Comparison = c
		var b bytes.Buffer
		if err := Write(&b, Table, r); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
