package compare

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// A file of vllm bench serve without its lists tells its figures and nothing of chance.
const plainBench = `{"date": "20261124-120000", "backend": "vllm", "model_id": "m", "num_prompts": 500, "request_rate": 50.0, "burstiness": 1.0,
	"max_concurrency": null, "duration": 11.35, "completed": 500, "failed": 0, "request_throughput": 44.06, "request_goodput": null,
	"mean_ttft_ms": 80.5, "median_ttft_ms": 80.0, "std_ttft_ms": 1.0, "p99_ttft_ms": 90.0, "mean_tpot_ms": 20.0, "p99_tpot_ms": 21.0}`

func TestAFileOfVLLMBench(t *testing.T) {
	side, err := Read("a.json", File{"f.json", []byte(plainBench)})
	if err != nil || len(side.Steps) != 1 {
		t.Fatalf("%+v, %v", side, err)
	}
	s := side.Steps[0]
	got := map[Metric]float64{}
	for metric, f := range s.Figures {
		got[metric] = math.Round(f.Value*1e6) / 1e6
	}
	want := map[Metric]float64{Throughput: 44.06, TTFTMean: 0.0805, TTFTP50: 0.08, TTFTP99: 0.09, TPOTMean: 0.02, TPOTP99: 0.021}
	if s.RequestRate != 50 || !s.WithDrain || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%g req/s, %v; want 50, %v", s.RequestRate, got, want)
	}
	if f := side.Findings; len(f) != 1 || f[0].Kind != Foreign || f[0].Detail != (OtherTool{VLLMBench}) {
		t.Errorf("%+v", f)
	}

	table := Between(side, side, Effect)
	for _, c := range table.Cells {
		if c.Word != stats.Undetermined || c.Reason != (Reason{Code: NotInFile}) {
			t.Errorf("%+v", c)
		}
	}
	// Its throughput is not that of a window.
	window, _ := sides(nil, nil)
	window.Steps = []Step{OfStep(made("r", small, 50, 1, 0.08, 1500))}
	if c := cell(t, Between(side, window, Effect), 50, Throughput); c.Reason != (Reason{Code: DrainCounted}) {
		t.Errorf("%+v", c)
	}
}

// detailed is a file of vllm bench serve with its lists: answers of 11 tokens whose
// first comes after about ttft seconds, and each next after a tenth of that.
func detailed(seed uint64, ttft float64) string {
	rng := rand.New(rand.NewPCG(seed, 1))
	var ttfts []float64
	var itls [][]float64
	var lens []int
	var errs []string
	for i := range 400 {
		x := ttft * math.Exp(0.1*rng.NormFloat64())
		if i == 7 { // a failed request
			ttfts, itls, lens, errs = append(ttfts, 0), append(itls, nil), append(lens, 0), append(errs, "refused")
			continue
		}
		ttfts, itls, lens, errs = append(ttfts, x), append(itls, slices.Repeat([]float64{x / 10}, 10)), append(lens, 11), append(errs, "")
	}
	mean := 1000 * ttft * math.Exp(0.005)
	text, err := json.Marshal(map[string]any{
		"request_rate": 20, "request_throughput": 19.0, "completed": 399, "failed": 1, "max_concurrency": 64, "mean_ttft_ms": mean, "median_ttft_ms": 1000 * ttft,
		"mean_tpot_ms": mean / 10, "mean_e2el_ms": 2 * mean, "ttfts": ttfts, "itls": itls, "output_lens": lens, "errors": errs,
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestADetailedFileOfVLLMBenchTellsOfChance(t *testing.T) {
	var both [2]Side
	for i, ttft := range []float64{0.1, 0.12} {
		side, err := Read(fmt.Sprint(i), File{"f.json", []byte(detailed(uint64(i), ttft))})
		if err != nil {
			t.Fatal(err)
		}
		both[i] = side
	}
	table := Between(both[0], both[1], Effect)
	for _, metric := range []Metric{TTFTMean, TTFTP50, TPOTMean, E2EMean} {
		c := cell(t, table, 20, metric)
		if c.Word != stats.Worse || c.Method != stats.Within {
			t.Errorf("%+v", c)
		}
		near(t, "the change of "+string(metric), c.Change, 0.2, 0.02)
	}
	var details []Detail
	for _, f := range both[0].Findings {
		details = append(details, f.Detail)
	}
	if want := []Detail{OtherTool{VLLMBench}, InFlightLimit{"f.json", 64}, FailedRequests{"f.json", 1}}; !slices.Equal(details, want) {
		t.Errorf("%+v, want %+v", details, want)
	}
	if c := cell(t, table, 20, Throughput); c.Word != stats.Undetermined {
		t.Errorf("%+v", c)
	}
}

// Several files of a side are repeats, and so are several runs that were appended to one.
func TestSeveralFilesAreRepeats(t *testing.T) {
	run := func(factor float64) []byte {
		return []byte(strings.Replace(plainBench, `"mean_ttft_ms": 80.5`, fmt.Sprintf(`"mean_ttft_ms": %g`, 80.5*factor), 1))
	}
	var a []File
	var appended []byte
	for i := range 4 {
		a = append(a, File{fmt.Sprint(i), run(1 + 0.001*float64(i))})
		appended = slices.Concat(appended, run(1.2+0.002*float64(i)), []byte("\n"))
	}
	base, err := Read("a", a...)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Read("b", File{"appended.json", appended})
	if err != nil {
		t.Fatal(err)
	}
	if c := cell(t, Between(base, other, Effect), 50, TTFTMean); c.Method != stats.Repeats || c.Word != stats.Worse || c.BaseSteps != 4 || c.OtherSteps != 4 {
		t.Errorf("%+v", c)
	}
}

// goodputs are files of vllm bench serve with these, of a run whose requests came at rate
// where 10 a second were asked for; null is that no goodput was asked for.
func goodputs(t *testing.T, name string, rate float64, all ...string) Side {
	t.Helper()
	var starts []float64
	for i := range 100 {
		starts = append(starts, 1+float64(i)/rate)
	}
	text, err := json.Marshal(starts)
	if err != nil {
		t.Fatal(err)
	}
	var files []File
	for i, goodput := range all {
		files = append(files, File{fmt.Sprint(name, i), fmt.Appendf(nil, `{"request_rate": 10, "burstiness": null, "request_throughput": 9.5,
			"request_goodput": %s, "completed": 100, "latencies": %s, "start_times": %s}`, goodput, text, text)})
	}
	side, err := Read(name, files...)
	if err != nil {
		t.Fatal(err)
	}
	return side
}

// A goodput of 0 is one: no request was good. Where none was asked for there is none.
func TestAGoodputOfNothing(t *testing.T) {
	good := goodputs(t, "good", 10, "4.0", "4.1", "4.05")
	for name, test := range map[string]struct {
		other Side
		want  ReasonCode
	}{
		"in some runs":              {goodputs(t, "bad", 10, "0.0", "0", "4.05"), NoRequest},
		"in all runs":               {goodputs(t, "bad", 10, "0.0", "0", "0.0"), NoRequest},
		"of a rate not held":        {goodputs(t, "bad", 20, "0.0", "0", "0"), RateNotHeld},
		"in one of a rate not held": {goodputs(t, "bad", 20, "0.0", "4.05", "4.05"), RateNotHeld},
		"not asked for":             {goodputs(t, "bad", 10, "null", "null", "null"), OnlyInBase},
	} {
		if c := cell(t, Between(good, test.other, Effect), 10, Goodput); c.Word != stats.Undetermined || c.Reason.Code != test.want || c.Interval != nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
	// A step whose rate was not held is not left out for having no goodput.
	mixed := goodputs(t, "mixed", 10, "4.05", "4.06")
	mixed.Steps = append(mixed.Steps, goodputs(t, "bad", 20, "0").Steps...)
	if c := cell(t, Between(good, mixed, Effect), 10, Goodput); c.Reason.Code != RateNotHeld {
		t.Errorf("%+v", c)
	}
}

// One run of an appended file that had no rate does not hide the others.
func TestAnAppendedRunWithoutARate(t *testing.T) {
	endless := strings.Replace(plainBench, `"request_rate": 50.0`, `"request_rate": "inf"`, 1)
	side, err := Read("a", File{"a.json", []byte(plainBench + endless + plainBench)})
	if err != nil {
		t.Fatal(err)
	}
	var runs []string
	for _, s := range side.Steps {
		runs = append(runs, s.Run)
	}
	if want := []string{"a.json", "a.json, run 3"}; !slices.Equal(runs, want) || len(side.Findings) != len(want) {
		t.Errorf("runs %q with %+v, want %q", runs, side.Findings, want)
	}
	if _, err := Read("a", File{"a.json", []byte(endless + endless)}); err == nil || !strings.Contains(err.Error(), "a.json: it has no request rate") {
		t.Errorf("no run has one: %v", err)
	}
	if _, err := Read("a", File{"a.json", []byte(plainBench + "{}")}); err == nil || !strings.Contains(err.Error(), "neither the request_throughput") {
		t.Errorf("another thing is appended: %v", err)
	}
}

// The runs of a file are of one arm, as those of several are.
func TestAnAppendedRunOfAnotherArm(t *testing.T) {
	of := func(size int) string {
		return fmt.Sprintf(`{"request_rate": 10, "request_throughput": 9, "batch_size": "%d"}`, size)
	}
	_, err := Read("a", File{"a.json", []byte(of(16) + of(32))})
	want := "reading a.json, run 2: it is of another arm, with batch_size 32, gpus 0 and replicas 0, than what was read before it, with batch_size 16,"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

func TestAReportOfGuidellm(t *testing.T) {
	metrics := `"metrics": {"requests_per_second": {"successful": {"mean": 9.5}},
		"time_to_first_token_ms": {"successful": {"mean": 80, "median": 79, "percentiles": {"p99": 95}}},
		"inter_token_latency_ms": {"successful": {"mean": 20, "median": 20, "percentiles": {"p99": 25}}},
		"request_latency": {"successful": {"mean": 1.5, "median": 1.5, "percentiles": {"p99": 1.75}}}}`
	for name, text := range map[string]string{
		"the first version":  `{"benchmarks": [{"args": {"strategy": {"type_": "poisson", "rate": 10}}, ` + metrics + `}]}`,
		"the second version": `{"benchmarks": [{"config": {"strategy": {"type_": "throughput"}}, ` + metrics + `}, {"config": {"strategy": {"type_": "constant", "rate": 10}}, ` + metrics + `}]}`,
	} {
		side, err := Read("g.json", File{"f.json", []byte(text)})
		if err != nil || len(side.Steps) != 1 {
			t.Fatalf("%s: %+v, %v", name, side, err)
		}
		got := map[Metric]float64{}
		for metric, f := range side.Steps[0].Figures {
			got[metric] = f.Value
		}
		want := map[Metric]float64{
			Throughput: 9.5, TTFTMean: 0.08, TTFTP50: 0.079, TTFTP99: 0.095, TPOTMean: 0.02, TPOTP99: 0.025, E2EMean: 1.5, E2EP99: 1.75,
		}
		if f := side.Findings; len(f) != 2 || f[0].Detail != (OtherTool{Guidellm}) || f[1].Detail != (WeightedByTokens{"f.json"}) {
			t.Errorf("%s: %+v", name, f)
		}
		if side.Steps[0].RequestRate != 10 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// sampled is a report of guidellm over 300 requests that were sent at a constant 10 a
// second, of which it holds each that is a multiple of every.
func sampled(every int) string {
	var kept []map[string]float64
	for i := 0; i < 300; i += every {
		kept = append(kept, map[string]float64{"request_start_time": 1000 + float64(i)/10, "time_to_first_token_ms": 80, "request_latency": 1.5})
	}
	text, err := json.Marshal(kept)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"benchmarks": [{"config": {"strategy": {"type_": "constant", "rate": 10}},
		"metrics": {"request_totals": {"successful": 300}, "requests_per_second": {"successful": {"mean": 9.5}}}, "requests": {"successful": %s}}]}`, text)
}

// Some of a run's requests do not tell at which rate all of them were sent.
func TestASampleTellsNoRate(t *testing.T) {
	for _, every := range []int{1, 15} {
		side, err := Read("g.json", File{"f.json", []byte(sampled(every))})
		if err != nil {
			t.Fatal(err)
		}
		if flaw := side.Steps[0].Figures[Throughput].Flaw; flaw != (Reason{}) {
			t.Errorf("one of %d: %+v", every, flaw)
		}
	}
	// All of them do.
	late := strings.Replace(sampled(1), `"rate": 10}`, `"rate": 12}`, 1)
	side, err := Read("g.json", File{"f.json", []byte(late + late)})
	if err != nil {
		t.Fatal(err)
	}
	for i, run := range []string{"f.json", "f.json, run 2"} {
		flaw := side.Steps[i].Figures[Throughput].Flaw
		near(t, "the rate", flaw.Actual, 10, 1e-9)
		if flaw.Actual = 0; flaw != (Reason{Code: RateNotHeld, Run: run, Rate: 12}) {
			t.Errorf("%+v", flaw)
		}
	}
}

// Random arrivals may come faster than they were to in the mean, of 101 by three tenths;
// constant ones, whose burstiness is written as infinite, may not. A release that knows no
// burstiness sends at random.
func TestConstantArrivalsAreThoseOfAnInfiniteBurstiness(t *testing.T) {
	for burstiness, held := range map[string]bool{"": true, `"burstiness": 1.0,`: true, `"burstiness": Infinity,`: false} {
		var starts []string
		for i := range 101 {
			starts = append(starts, fmt.Sprint(1+float64(i)/12))
		}
		text := fmt.Appendf(nil, `{"request_rate": 10, %s "request_throughput": 9.5, "latencies": [%s], "start_times": [%[2]s]}`,
			burstiness, strings.Join(starts, ","))
		side, err := Read("a", File{"a.json", text})
		if err != nil {
			t.Fatal(err)
		}
		if flaw := side.Steps[0].Figures[Throughput].Flaw; (flaw == (Reason{})) != held {
			t.Errorf("with %q: %+v", burstiness, flaw)
		}
	}
}

// What is true of a whole report is said once, whatever the number of its rates.
func TestFindingsOfAReportAreSaidOnce(t *testing.T) {
	one := `{"config": {"strategy": {"type_": "constant", "rate": %d}}, "metrics": {"request_totals": {"successful": 9, "errored": %d},
		"requests_per_second": {"successful": {"mean": 9.5}}}}`
	text := fmt.Appendf(nil, `{"benchmarks": [`+one+`, `+one+`]}`, 10, 1, 20, 2)
	side, err := Read("g", File{"g.json", text})
	if err != nil {
		t.Fatal(err)
	}
	want := []Finding{
		{Kind: Foreign, Detail: OtherTool{Guidellm}},
		{Kind: Foreign, Detail: WeightedByTokens{"g.json"}},
		{Kind: Foreign, RequestRate: 10, Detail: FailedRequests{"g.json", 1}},
		{Kind: Foreign, RequestRate: 20, Detail: FailedRequests{"g.json", 2}},
	}
	if found := Between(side, side, Effect).Findings; !reflect.DeepEqual(found, want) {
		t.Errorf("%+v, want %+v", found, want)
	}
}

// Told to warm up until answers come, and to cool down before it stops sending, guidellm
// counts in a window, as the prober does. The run is of 300 requests from second 1000 on,
// at 10 a second, of 1.5 s each.
func TestThroughputOfAWindowOfGuidellm(t *testing.T) {
	window, _ := sides([]*prober.StepResult{made("r", small, 10, 1, 0.08, 285)}, nil)
	for name, test := range map[string]struct {
		measured  string
		withDrain bool
	}{
		"a release that does not say":    {``, true},
		"neither":                        {`"start_time": 1000, "end_time": 1031.4,`, true},
		"a warm-up alone":                {`"start_time": 1005, "end_time": 1031.4,`, true},
		"a warm-up before any answer":    {`"start_time": 1001, "end_time": 1025,`, true},
		"a cooldown alone":               {`"start_time": 1000, "end_time": 1025,`, true},
		"a cooldown within the drain":    {`"start_time": 1005, "end_time": 1030,`, true},
		"a warm-up and a cooldown":       {`"start_time": 1005, "end_time": 1025,`, false},
		"a window that ends as it began": {`"start_time": 1005, "end_time": 0,`, true},
	} {
		text := strings.Replace(sampled(1), `"metrics"`, test.measured+` "metrics"`, 1)
		side, err := Read("g.json", File{"f.json", []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		if got := side.Steps[0].WithDrain; got != test.withDrain {
			t.Errorf("%s: with the drain is %t", name, got)
		}
		c := cell(t, Between(side, window, Effect), 10, Throughput)
		if got := c.Reason.Code == DrainCounted; got != test.withDrain {
			t.Errorf("%s: %+v", name, c)
		}
		// It is of one arm, by whatever name, with a drain or without.
		if run := OnBothSides(side, Side{Name: "another", Steps: []Step{{Run: "f.json", Arm: large}}}); run != "f.json" {
			t.Errorf("%s: on both sides is %q", name, run)
		}
	}
}

// What --metadata was told stands in the file as text; a program may have written numbers.
func TestWhatAFileDeclares(t *testing.T) {
	for text, want := range map[string]prober.Arm{
		`"batch_size": "16", "gpus": "4", "replicas": "2"`:   {BatchSize: 16, GPUs: 4, Replicas: 2},
		`"batch_size": 16, "label": "NaN \"NaN", "std": NaN`: {BatchSize: 16},
		`"batch_size": "16k", "gpus": "H100"`:                {},
		`"batch_size": "-1", "gpus": 0, "replicas": null`:    {},
		`"batch_size": "1e99", "gpus": "2.5"`:                {},
		`"batch_size": ["16"], "gpus": {"n": 4}`:             {},
	} {
		side, err := Read("s", File{"f.json", []byte(`{"request_throughput": 9, "request_rate": 10, ` + text + `}`)})
		if want.Target = "s"; err != nil || side.Arm() != want {
			t.Errorf("%s: %+v, %v; want %+v", text, side.Arm(), err, want)
		}
	}
}

func TestFilesThatTellNothing(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "must hold the JSON",
		"[]":                        "must hold the JSON",
		"{}":                        "neither the request_throughput",
		`{"request_throughput": 9}`: "no request rate",
		`{"request_throughput": "x", "request_rate": 1}`:                                 "cannot unmarshal",
		`{"request_throughput": 9, "request_rate": "inf"}`:                               "no request rate",
		`{"benchmarks": []}`:                                                             "no request rate",
		`{"benchmarks": [{"config": {"strategy": {"type_": "concurrent", "rate": 4}}}]}`: "no request rate",
	} {
		if side, err := Read("f.json", File{"f.json", []byte(text)}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "f.json") {
			t.Errorf("%s: %+v, %v; want %q", text, side, err, want)
		}
	}
}

// Whatever a file holds, it is refused or can be compared, and the table be written.
func FuzzRead(f *testing.F) {
	f.Add([]byte(plainBench))
	f.Add([]byte(detailed(1, 0.1)))
	f.Add([]byte(plainBench + "\n" + plainBench))
	f.Add([]byte(`{"request_throughput": 9, "request_rate": 5, "burstiness": Infinity, "batch_size": "16", "latencies": [NaN, 1], "start_times": [1, 1]}`))
	f.Add([]byte(`{"request_throughput": 1e308, "request_rate": 1e-300, "mean_ttft_ms": -1, "ttfts": [1e308, -1], "itls": [[1e308, 1e308]], "output_lens": [-1]}`))
	f.Add([]byte(`{"benchmarks": [{"config": {"strategy": {"type_": "constant", "rate": 10}}, "metrics": {"requests_per_second": {"successful": {"mean": 9}}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		side, err := Read("f", File{"f.json", text})
		if err != nil {
			return
		}
		if len(side.Steps) == 0 {
			t.Error("nothing was read, and nothing said")
		}
		table := Between(side, side, Effect)
		if _, err := json.Marshal(table); err != nil {
			t.Errorf("%v of %+v", err, table)
		}
		for _, c := range table.Cells {
			if c.Word == stats.Better || c.Word == stats.Worse {
				t.Errorf("a file is no better than itself: %+v", c)
			}
		}
	})
}
