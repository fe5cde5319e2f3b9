package compare

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// The files of testdata are as these tools wrote them, of runs against the simulator, but
// for dates and paths, and in those of guidellm for what is not about the requests.

func realFile(t *testing.T, name string) Side {
	t.Helper()
	side, err := Read("side", File{name, content(t, name)})
	if err != nil {
		t.Fatal(err)
	}
	return side
}

func content(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// average and percentile are worked out anew, lest a mistake is made twice. The latter
// interpolates as numpy does.
func average(values []float64) (mean float64) {
	for _, x := range values {
		mean += x / float64(len(values))
	}
	return mean
}

func percentile(values []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	whole, part := math.Modf(p / 100 * float64(len(sorted)-1))
	next := min(int(whole)+1, len(sorted)-1)
	return (1-part)*sorted[int(whole)] + part*sorted[next]
}

func figuresAre(t *testing.T, what string, s Step, want map[Metric]float64) {
	t.Helper()
	for _, metric := range Metrics() {
		got, has := s.Figures[metric]
		if x, wanted := want[metric]; has != wanted || math.Abs(got.Value/x-1) > 1e-6 {
			t.Errorf("%s at %g: %s is %g, want %g", what, s.RequestRate, metric, got.Value, x)
		}
	}
}

// A file of vllm bench serve --save-detailed holds what each request took.
func TestARealDetailedFileOfVLLMBench(t *testing.T) {
	const name = "vllm-bench-0.32.0-detailed.json"
	side := realFile(t, name)
	var file struct {
		Duration float64     `json:"duration"`
		TTFTs    []float64   `json:"ttfts"`
		ITLs     [][]float64 `json:"itls"`
		Lens     []int       `json:"output_lens"`
	}
	if err := json.Unmarshal(content(t, name), &file); err != nil {
		t.Fatal(err)
	}
	var tpots, e2es []float64
	for i, gaps := range file.ITLs {
		rest := average(gaps) * float64(len(gaps))
		tpots, e2es = append(tpots, rest/float64(file.Lens[i]-1)), append(e2es, file.TTFTs[i]+rest)
	}
	if len(side.Steps) != 1 || len(e2es) != 40 {
		t.Fatalf("%d steps of %d requests", len(side.Steps), len(e2es))
	}
	s := side.Steps[0]
	figuresAre(t, name, s, map[Metric]float64{
		Throughput: 40 / file.Duration,
		TTFTMean:   average(file.TTFTs), TTFTP50: percentile(file.TTFTs, 50), TTFTP99: percentile(file.TTFTs, 99),
		TPOTMean: average(tpots), TPOTP99: percentile(tpots, 99), E2EMean: average(e2es), E2EP99: percentile(e2es, 99),
	})
	if want := (prober.Arm{Target: "side", BatchSize: 16, GPUs: 1}); s.Arm != want || s.RequestRate != 5 || s.Run != name {
		t.Errorf("arm %+v, %g req/s, run %q", s.Arm, s.RequestRate, s.Run)
	}
	if f := s.Figures[TPOTMean]; f.Sure == nil || f.Flaw != (Reason{}) {
		t.Errorf("the mean TPOT of 40 requests: %+v", f)
	}
}

// Without --save-detailed there are the latencies all the same, of which the tool itself
// reckons nothing unless told so; and the burstiness of constant arrivals is no JSON.
func TestARealPlainFileOfVLLMBench(t *testing.T) {
	const name = "vllm-bench-0.32.0-plain.json"
	text := content(t, name)
	if !strings.Contains(string(text), `"burstiness": Infinity`) || json.Valid(text) {
		t.Fatal("the file has no infinite burstiness")
	}
	var file struct {
		Duration  float64   `json:"duration"`
		Latencies []float64 `json:"latencies"`
		TTFT      float64   `json:"mean_ttft_ms"`
		TTFT50    float64   `json:"median_ttft_ms"`
		TTFT99    float64   `json:"p99_ttft_ms"`
		TPOT      float64   `json:"mean_tpot_ms"`
		TPOT99    float64   `json:"p99_tpot_ms"`
	}
	if err := json.Unmarshal([]byte(strings.Replace(string(text), "Infinity", "1", 1)), &file); err != nil {
		t.Fatal(err)
	}
	s := realFile(t, name).Steps[0]
	figuresAre(t, name, s, map[Metric]float64{
		Throughput: 60 / file.Duration, TTFTMean: file.TTFT / 1000, TTFTP50: file.TTFT50 / 1000, TTFTP99: file.TTFT99 / 1000,
		TPOTMean: file.TPOT / 1000, TPOTP99: file.TPOT99 / 1000, E2EMean: average(file.Latencies), E2EP99: percentile(file.Latencies, 99),
	})
	if s.Figures[E2EMean].Sure == nil || s.Figures[TTFTMean].Sure != nil {
		t.Errorf("chance is known of E2E alone: %+v", s.Figures)
	}
}

// guidellm's reports hold each request, too. Its Poisson arrivals of version 0.3 and 0.6
// came at more than twice the rate that it was told.
func TestRealReportsOfGuidellm(t *testing.T) {
	for version, kept := range map[string]map[float64]bool{
		"0.3.1": {5: true, 20: false}, "0.6.1": {5: false, 20: false}, "0.8.1": {5: true, 20: true},
	} {
		name := "guidellm-" + version + ".json"
		side := realFile(t, name)
		var file struct {
			Benchmarks []struct {
				Metrics map[string]struct {
					Successful json.RawMessage `json:"successful"`
				} `json:"metrics"`
				Requests struct {
					Successful []map[string]float64 `json:"successful"`
				} `json:"requests"`
			} `json:"benchmarks"`
		}
		if err := json.Unmarshal(content(t, name), &file); err != nil {
			t.Fatal(err)
		}
		if len(side.Steps) != 2 || len(file.Benchmarks) != 2 {
			t.Fatalf("%s: %d steps", name, len(side.Steps))
		}
		for i, b := range file.Benchmarks {
			s := side.Steps[i]
			type summary struct {
				Mean        float64            `json:"mean"`
				Percentiles map[string]float64 `json:"percentiles"`
			}
			told := func(metric string) (of summary) {
				if err := json.Unmarshal(b.Metrics[metric].Successful, &of); err != nil {
					t.Fatal(err)
				}
				return of
			}
			var starts, ttfts, tpots, e2es []float64
			for _, r := range b.Requests.Successful {
				start, has := r["request_start_time"]
				if !has {
					start = r["start_time"]
				}
				starts, ttfts = append(starts, start), append(ttfts, r["time_to_first_token_ms"]/1000)
				tpots, e2es = append(tpots, r["inter_token_latency_ms"]/1000), append(e2es, r["request_latency"])
			}
			figuresAre(t, name, s, map[Metric]float64{
				Throughput: told("requests_per_second").Mean, TTFTMean: average(ttfts), TTFTP50: s.Figures[TTFTP50].Value,
				TTFTP99:  told("time_to_first_token_ms").Percentiles["p99"] / 1000,
				TPOTMean: average(tpots), TPOTP99: percentile(tpots, 99), E2EMean: average(e2es), E2EP99: told("request_latency").Percentiles["p99"],
			})
			// It takes one of the middle ones for the median.
			slices.Sort(ttfts)
			if p50 := s.Figures[TTFTP50].Value; p50 < ttfts[18]-1e-9 || p50 > ttfts[21]+1e-9 {
				t.Errorf("%s at %g: the median is %g, of %v", name, s.RequestRate, p50, ttfts[18:22])
			}
			var flaw Reason
			if !kept[s.RequestRate] {
				flaw = Reason{Code: RateNotHeld, Run: name, Rate: s.RequestRate, Actual: 39 / (slices.Max(starts) - slices.Min(starts))}
			}
			if got := s.Figures[TTFTMean].Flaw; got != flaw {
				t.Errorf("%s at %g: %+v, want %+v", name, s.RequestRate, got, flaw)
			}
		}
		want := prober.Arm{Target: "side"}
		if version == "0.8.1" { // it was told so with --label
			want.BatchSize, want.GPUs = 16, 1
		}
		if got := side.Arm(); got != want {
			t.Errorf("%s: arm %+v, want %+v", name, got, want)
		}
	}
}

// Two tools that measured the same simulator at the same rate find the same.
func TestRealFilesOfTwoToolsAgree(t *testing.T) {
	bench, guidellm := realFile(t, "vllm-bench-0.32.0-detailed.json"), realFile(t, "guidellm-0.8.1.json")
	table := Between(bench, guidellm, Effect)
	for _, metric := range []Metric{TPOTMean, E2EMean} {
		if c := cell(t, table, 5, metric); c.Word != stats.NoDifference || c.Method != stats.Within {
			t.Errorf("%+v", c)
		}
	}
	for _, c := range Between(bench, realFile(t, "guidellm-0.6.1.json"), Effect).Cells {
		if c.Word != stats.Undetermined || c.Reason.Code != RateNotHeld || c.Reason.Rate != 5 {
			t.Errorf("a rate that was not held: %+v", c)
		}
	}
}

// A side is one arm: files that declare others do not belong to it.
func TestFilesOfSeveralArmsAreNoSide(t *testing.T) {
	detailed, plain := "vllm-bench-0.32.0-detailed.json", "vllm-bench-0.32.0-plain.json"
	_, err := Read("both", File{detailed, content(t, detailed)}, File{plain, content(t, plain)})
	if err == nil || !strings.Contains(err.Error(), plain+": it is of another arm, with batch_size 16, gpus 0") {
		t.Errorf("one with gpus and one without: %v", err)
	}
}
