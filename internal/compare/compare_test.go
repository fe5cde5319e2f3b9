package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"vllm_prober/internal/results"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s is %g, want %g", what, got, want)
	}
}

// made is a step whose mean TTFT and throughput are given.
func made(run string, arm prober.Arm, rate float64, seed uint64, ttft float64, completed int) *prober.StepResult {
	latency := prober.Distribution{Count: completed, Mean: ttft}
	return &prober.StepResult{
		Step:       prober.Step{RunID: run, Arm: arm, RequestRate: rate, Seed: seed, Warmup: 10 * time.Second, Window: 30 * time.Second},
		Completed:  completed,
		Good:       completed,
		Throughput: float64(completed) / 30, Goodput: float64(completed) / 30, Saturated: prober.Unsaturated,
		Latencies: &prober.Latencies{TTFT: latency},
	}
}

var small, large = prober.Arm{Target: "small", Replicas: 1}, prober.Arm{Target: "large", Replicas: 1}

func sides(base, other []*prober.StepResult) (Side, Side) {
	var a, b Side
	for _, r := range base {
		a.Steps = append(a.Steps, OfStep(r))
	}
	for _, r := range other {
		b.Steps = append(b.Steps, OfStep(r))
	}
	a.Name, b.Name = "small", "large"
	return a, b
}

func cell(t *testing.T, table *Table, rate float64, metric Metric) Cell {
	t.Helper()
	at := slices.IndexFunc(table.Cells, func(c Cell) bool { return c.RequestRate == rate && c.Metric == metric })
	if at < 0 {
		t.Fatalf("no %s at %g in %+v", metric, rate, table.Cells)
	}
	return table.Cells[at]
}

// The arms of one run are compared by the steps that were made beside each other. A
// drift that is larger than the difference then does not hide it.
func TestArmsOfARunAreComparedInPairs(t *testing.T) {
	var base, other []*prober.StepResult
	for i, drift := range []float64{1, 1.5, 2, 1.2} {
		noise := 1 + 0.004*float64(i%2)
		base = append(base, made("r", small, 10, uint64(i), 0.1*drift, 300))
		other = append(other, made("r", large, 10, uint64(i), 0.1*drift*1.1*noise, 300))
	}
	slices.Reverse(other) // the order does not matter
	a, b := sides(base, other)
	c := cell(t, Between(a, b, Effect), 10, TTFTMean)
	if c.Method != stats.Pairs || c.Word != stats.Worse || c.BaseSteps != 4 || c.OtherSteps != 4 {
		t.Errorf("%+v", c)
	}
	// By hand: the mean of the logarithms is ln 1.1 + ln(1.004)/2.
	near(t, "the change", c.Change, 1.1*math.Sqrt(1.004)-1, 1e-9)

	// A step that has no partner has no part in it, and none in the figures beside it.
	a, b = sides(base, append(slices.Clone(other), made("r", large, 10, 77, 5, 300)))
	alone := cell(t, Between(a, b, Effect), 10, TTFTMean)
	near(t, "the change without it", alone.Change, c.Change, 1e-9)
	near(t, "that of the figures", alone.Other/alone.Base-1, c.Change, 1e-9)
	if alone.OtherSteps != 4 {
		t.Errorf("%+v", alone)
	}

	// Nor does it say how fine they are, although half a request is more of its few.
	few := made("r", large, 10, 77, 5, 300)
	few.Completed = 3
	a, b = sides(base, append(slices.Clone(other), few))
	if got := cell(t, Between(a, b, Effect), 10, Throughput); got.Interval.Upper > 0.01 {
		t.Errorf("%+v, %+v", got, got.Interval)
	}

	// Of two runs they are not pairs, whatever their seeds, and the drift hides it.
	for _, r := range other {
		r.RunID = "another"
	}
	a, b = sides(base, other)
	c = cell(t, Between(a, b, Effect), 10, TTFTMean)
	if c.Method != stats.Repeats || c.Word != stats.Undetermined || c.NeededRepeats != 0 || c.Reason != (Reason{Code: TooVaried, Count: 1000}) {
		t.Errorf("%+v", c)
	}
}

// A run that stands on both sides is no pair with itself: of a run that took twice as
// long as the one that both have, "no difference" would be said. It is told of instead.
func TestARunIsNoPairWithItself(t *testing.T) {
	var base, other []*prober.StepResult
	for i := range 4 {
		ttft := 0.1 + 0.0001*float64(i)
		base = append(base, made("r", small, 10, uint64(i), ttft, 300))
		other = append(other, made("r", small, 10, uint64(i), ttft, 300), made("new", small, 10, uint64(i), 2*ttft, 300))
	}
	a, b := sides(base, other)
	table := Between(a, b, Effect)
	for _, metric := range []Metric{TTFTMean, Throughput} {
		if c := cell(t, table, 10, metric); c.Method == stats.Pairs || c.Word == stats.NoDifference && metric == TTFTMean {
			t.Errorf("%+v", c)
		}
	}
	if run := OnBothSides(a, b); run != "r" {
		t.Errorf("on both sides is %q", run)
	}
	for i := range base {
		base[i].Arm = large
	}
	if run := OnBothSides(sides(base, other)); run != "" {
		t.Errorf("two arms of %q are one", run)
	}
}

// The definitions of all records are looked at, and what is the same is said once.
func TestDefinitionsOfAllRecords(t *testing.T) {
	record := func(id, slo string) *results.Record {
		r := &results.Record{}
		r.ID, r.Probe = id, "p"
		r.Configuration = `
targets: [{name: t, replicas: ["http://vllm:8000"]}]
probes: [{name: p, arms: [{target: t}], ladder: {rates: [20]}, slo: {ttft: ` + slo + `}}]`
		return r
	}
	if found := Definitions(record("a", "1s"), record("b", "1s"), &results.Record{}); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	found := Definitions(record("a", "1s"), record("b", "1s"), record("c", "2s"), record("d", "3s"))
	if len(found) != 1 || found[0].Kind != Differ || !reflect.DeepEqual(found[0].Detail, Differing{"a", []string{"c", "d"}, []string{"slo"}}) {
		t.Errorf("%+v", found)
	}
	if found := Definitions(); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

// Of several runs a run is one sample, however many steps it has.
func TestRunsAreTheUnitWhereThereAreSeveral(t *testing.T) {
	var base []*prober.StepResult
	for run, level := range []float64{0.1, 0.12, 0.11} {
		for repeat := range 4 {
			base = append(base, made(fmt.Sprint(run), small, 10, uint64(repeat), level, 300))
		}
	}
	other := []*prober.StepResult{made("new", small, 10, 1, 0.13, 300), made("new", small, 10, 2, 0.13, 300)}
	a, b := sides(base, other)
	c := cell(t, Between(a, b, Effect), 10, TTFTMean)
	logs := []float64{math.Log(0.1), math.Log(0.12), math.Log(0.11)}
	average := (logs[0] + logs[1] + logs[2]) / 3
	deviation := 0.0
	for _, x := range logs {
		deviation += (x - average) * (x - average) / 2
	}
	// By hand: one more of three, with 2 degrees of freedom, so t = 4.3027.
	half := 4.3027 * math.Sqrt(deviation) * math.Sqrt(1+1./3)
	if c.Method != stats.Former {
		t.Fatalf("%+v", c)
	}
	near(t, "the lower end", c.Interval.Lower, math.Exp(math.Log(0.13)-average-half)-1, 1e-4)
	near(t, "the upper end", c.Interval.Upper, math.Exp(math.Log(0.13)-average+half)-1, 1e-4)
}

// A count is not known any better than to a request or so.
func TestEqualCountsDoNotMakeSureOfLittle(t *testing.T) {
	var base, other []*prober.StepResult
	for i := range 2 {
		base = append(base, made("r", small, 1, uint64(i), 0.1, 30))
		other = append(other, made("r", large, 1, uint64(i), 0.1, 31))
	}
	a, b := sides(base, other)
	if c := cell(t, Between(a, b, Effect), 1, Throughput); c.Word != stats.Undetermined || c.Interval.Lower > 0 {
		t.Errorf("31 requests twice in place of 30: %+v", c)
	}
}

// Why nothing can be said is said.
func TestReasons(t *testing.T) {
	plain := func() *prober.StepResult { return made("r", small, 10, 1, 0.1, 300) }
	saturated := plain()
	saturated.Saturated = prober.Saturated
	longer := plain()
	longer.Window = time.Minute
	cut := plain()
	cut.Unfinished = 7
	invalid := plain()
	invalid.Latencies = nil
	damaged := plain()
	damaged.Batches = &prober.Batches{Completed: []int{1}}
	growing := plain()
	growing.Batches = batches(func(i int) float64 { return 0.1 + 0.001*float64(i) })
	falling := plain()
	falling.Batches = batches(func(i int) float64 { return 0.5 - 0.001*float64(i) })
	bad := plain()
	bad.Good, bad.Goodput = 0, 0
	rare := plain()
	rare.Batches = batches(func(int) float64 { return 0.1 })
	rare.Latencies.TTFT.P99 = 0.1
	for name, test := range map[string]struct {
		base, other *prober.StepResult
		metric      Metric
		want        Reason
	}{
		"records without batches":        {plain(), plain(), TTFTMean, Reason{Code: NotRecorded}},
		"a damaged record":               {plain(), damaged, TTFTMean, Reason{Code: NotRecorded}},
		"a queue that grows, for longer": {saturated, longer, TTFTMean, Reason{Code: LoadDiffered}},
		"requests that were cut":         {plain(), cut, TTFTMean, Reason{Code: RequestsCut, Count: 7}},
		"an invalid step":                {invalid, plain(), TTFTMean, Reason{Code: NotInBase}},
		"a queue that grows":             {growing, growing, TTFTMean, Reason{Code: Rose}},
		"a queue that shrinks":           {falling, falling, TTFTMean, Reason{Code: Fell}},
		"a figure that is new":           {plain(), invalid, TTFTMean, Reason{Code: OnlyInBase}},
		"no request within the SLO":      {plain(), bad, Goodput, Reason{Code: NoRequest}},
		"a tail of few":                  {rare, rare, TTFTP99, Reason{Code: FewAbove}},
	} {
		a, b := sides([]*prober.StepResult{test.base}, []*prober.StepResult{test.other})
		for i := range b.Steps {
			b.Steps[i].Pair, b.Steps[i].Run = "", "another"
		}
		c := cell(t, Between(a, b, Effect), 10, test.metric)
		if c.Word != stats.Undetermined || c.Reason != test.want || c.Interval != nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// batches are those of 320 requests whose latencies are all the same function.
func batches(latency func(i int) float64) *prober.Batches {
	samples := make([]stats.Sample, 320)
	for i := range samples {
		samples[i] = stats.Sample{At: (float64(i) + 0.5) / 320, Value: latency(i)}
	}
	b := stats.BatchesOf(samples)
	return &prober.Batches{Completed: b.Count, Good: b.Count, TTFT: b, TPOT: b, E2E: b}
}

// One step of each with batches is enough where the difference is large.
func TestSingleStepsAreComparedByTheirParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	step := func(level float64) *prober.StepResult {
		r := made("r", small, 10, 1, 0, 320)
		sum := 0.0
		r.Batches = batches(func(int) float64 {
			x := level * math.Exp(0.2*rng.NormFloat64())
			sum += x
			return x
		})
		r.Latencies.TTFT.Mean = sum / 320
		return r
	}
	a, b := sides([]*prober.StepResult{step(0.1)}, []*prober.StepResult{step(0.15)})
	table := Between(a, b, Effect)
	if c := cell(t, table, 10, TTFTMean); c.Method != stats.Within || c.Word != stats.Worse || c.Interval.Lower > 0.5 || c.Interval.Upper < 0.5 {
		t.Errorf("%+v", c)
	}
	// The same requests completed in each part.
	if c := cell(t, table, 10, Throughput); c.Word != stats.NoDifference {
		t.Errorf("%+v", c)
	}
	if slices.ContainsFunc(table.Cells, func(c Cell) bool { return c.Metric == Goodput }) {
		t.Error("goodput is compared where it is throughput")
	}
}

// Rates that only one side has are left out.
func TestOnlyCommonRatesAreCompared(t *testing.T) {
	a, b := sides(
		[]*prober.StepResult{made("r", small, 10, 1, 0.1, 300), made("r", small, 20, 1, 0.1, 300)},
		[]*prober.StepResult{made("r", large, 20, 1, 0.1, 300), made("r", large, 30, 1, 0.1, 300)})
	for _, c := range Between(a, b, Effect).Cells {
		if c.RequestRate != 20 {
			t.Errorf("%+v", c)
		}
	}
	if table := Between(a, Side{}, Effect); len(table.Cells) != 0 {
		t.Errorf("%+v", table.Cells)
	}
}

// By hand: 10 requests a second that have tokens coming for 2 s are 20 that run, where
// 16 may.
func TestLittlesLawTellsWhatIsNotInForce(t *testing.T) {
	arm := prober.Arm{Target: "a", Replicas: 1, GPUs: 1, BatchSize: 16}
	r := made("r", arm, 10, 1, 0.1, 300)
	r.Latencies.E2E = prober.Distribution{Count: 300, Mean: 2.1}
	found := Findings([]Step{OfStep(r)})
	if len(found) != 1 || found[0].Kind != NotInForce {
		t.Fatalf("%+v", found)
	}
	little, _ := found[0].Detail.(ByLittle)
	if little.BatchSize != 16 || little.Slots != 16 || little.Throughput != 10 {
		t.Errorf("%+v", little)
	}
	near(t, "the time for which tokens come", little.Seconds, 2, 1e-9)
	near(t, "the number that runs", little.Running, 20, 1e-9)
	r.Latencies.E2E.Mean = 1.6
	if found := Findings([]Step{OfStep(r)}); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	r.Replicas = []prober.ReplicaResult{{InForce: prober.InForce{Verdict: prober.NotInForce, Detail: "31 ran"}}}
	if found := Findings([]Step{OfStep(r)}); len(found) != 1 || found[0].Kind != NotInForce || found[0].Detail != (ByReplicas{16}) {
		t.Errorf("%+v", found)
	}
}

// A batch size that bound nothing explains nothing.
func TestABatchSizeThatDidNotBind(t *testing.T) {
	step := func(batch int) *prober.StepResult {
		r := made("r", prober.Arm{Target: "a", Replicas: 1, BatchSize: batch}, 10, 1, 0.1, 300)
		r.Replicas = []prober.ReplicaResult{{InForce: prober.InForce{Verdict: prober.DidNotBind}}}
		return r
	}
	a, b := sides([]*prober.StepResult{step(16)}, []*prober.StepResult{step(32)})
	if found := Between(a, b, Effect).Findings; len(found) != 1 || found[0].Kind != DidNotBind || found[0].Detail != (NoSlotWanted{"small", "large"}) {
		t.Errorf("%+v", found)
	}
	a, b = sides([]*prober.StepResult{step(16)}, []*prober.StepResult{step(16)})
	if found := Between(a, b, Effect).Findings; len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

// Windows of 32 s whose first four are 20% slower begin before the warm-up has ended.
func TestAWarmUpThatWasTooShort(t *testing.T) {
	for _, warm := range []float64{1, 1.2} {
		rng := rand.New(rand.NewPCG(1, 2))
		var steps []Step
		for i := range 8 {
			r := made("r", small, 10, uint64(i), 0.1, 320)
			r.Window = 32 * time.Second
			r.Batches = batches(func(i int) float64 {
				x := 0.1 * math.Exp(0.1*rng.NormFloat64())
				if i < 40 {
					x *= warm
				}
				return x
			})
			r.Batches.TPOT = &stats.Batches{Count: make([]int, stats.Parts), Sum: make([]float64, stats.Parts), Above: r.Batches.TTFT.Above}
			steps = append(steps, OfStep(r))
		}
		found := Findings(steps)
		if warm == 1 {
			if len(found) != 0 {
				t.Errorf("%+v", found)
			}
			continue
		}
		if len(found) != 1 || found[0].Kind != WarmUp || found[0].RequestRate != 10 {
			t.Fatalf("%+v", found)
		}
		warming, _ := found[0].Detail.(StillWarming)
		if warming.Seconds != 4 || warming.Latency != "TTFT" {
			t.Errorf("%+v", warming)
		}
		near(t, "what it was more", warming.By, 0.2, 0.02)
	}
}
