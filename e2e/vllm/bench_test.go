//go:build e2e && linux

package vllm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// TestVLLMBench: what vllm bench serve saves of a load on a server whose latencies are
// known is read as what it is, and its throughput is the one that the prober gives
// under that name.
func TestVLLMBench(t *testing.T) {
	const (
		rate, requests, tokens = 10, 40, 16
		first, next            = 80 * time.Millisecond, 20 * time.Millisecond
		answer                 = first + (tokens-1)*next
	)
	fixed, err := simulator.StartFixed("127.0.0.1:0", "tiny", first, next)
	if err != nil {
		t.Fatal(err)
	}
	defer fixed.Close()
	name := filepath.Join(t.ArtifactDir(), "bench.json")
	benchServe(t, fixed.URL, name, rate, requests, tokens)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	side, err := compare.Read("bench", compare.File{Name: name, Text: text})
	if err != nil || len(side.Steps) != 1 {
		t.Fatalf("%+v, %v", side, err)
	}
	bench := side.Steps[0]
	if want := (prober.Arm{Target: "bench", BatchSize: 16, GPUs: 4}); bench.Arm != want || bench.RequestRate != rate {
		t.Errorf("arm %+v, %g req/s; want %+v, %d", bench.Arm, bench.RequestRate, want, rate)
	}
	// A busy machine can only add to what a client sees, and not to all requests alike.
	for metric, truth := range map[compare.Metric]time.Duration{
		compare.TTFTP50: first, compare.TTFTMean: first, compare.TPOTMean: next, compare.E2EMean: answer,
	} {
		got := bench.Figures[metric]
		t.Logf("%s: %.2f ms, in truth %s", metric, 1000*got.Value, truth)
		if got.Flaw != (compare.Reason{}) || got.Value < 0.99*truth.Seconds() || got.Value > 1.5*truth.Seconds() {
			t.Errorf("%s is %+v, the server gives %s", metric, got, truth)
		}
	}
	// The last of the requests is sent when all their distances have passed, and ends an answer later.
	truth := requests / (requests/float64(rate) + answer.Seconds())
	own := benchFigure(t, fixed.URL, rate, requests, tokens)
	got := bench.Figures[compare.Throughput].Value
	t.Logf("throughput: %.2f by vllm bench serve, %.2f by the prober in its way, %.2f by reckoning", got, own, truth)
	for _, want := range []float64{truth, own} {
		if got < 0.9*want || got > 1.1*want {
			t.Errorf("the file has a throughput of %.2f, not %.2f", got, want)
		}
	}
}

// benchServe lets vllm bench serve send requests at constant distances, and save what it
// saw.
func benchServe(t *testing.T, url, name string, rate, requests, tokens int) {
	t.Helper()
	home := os.Getenv("VLLM_HOME")
	if home == "" {
		home = filepath.Join(os.Getenv("HOME"), ".cache", "vllm_prober", "vllm")
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(home, "venv", "bin", "vllm"), "bench", "serve",
		"--backend=openai", "--base-url="+url, "--endpoint=/v1/completions", "--model=tiny", "--tokenizer="+filepath.Join(home, "model"),
		"--dataset-name=random", "--random-input-len=16", "--random-output-len="+strconv.Itoa(tokens), "--ignore-eos", "--disable-tqdm",
		"--request-rate="+strconv.Itoa(rate), "--num-prompts="+strconv.Itoa(requests), "--burstiness=inf",
		"--save-result", "--save-detailed", "--result-dir="+filepath.Dir(name), "--result-filename="+filepath.Base(name),
		"--metadata", "batch_size=16", "gpus=4")
	cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "VLLM_NO_USAGE_STATS=1", "DO_NOT_TRACK=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("vllm bench serve: %v\n%s", err, out)
	}
}

// benchFigure is the throughput of such a load that the prober gives in the way of vllm
// bench serve.
func benchFigure(t *testing.T, url string, rate, requests, tokens int) float64 {
	t.Helper()
	target, probe := (&replica{url: url}).probe()
	target.HTTPClient.Authorization = nil
	probe.Pacing.Process = config.Constant
	probe.Workload.OutputTokens = config.Length{Fixed: tokens}
	probe.Ladder = config.Ladder{
		Rates: []float64{float64(rate)}, Window: time.Duration(requests/rate) * time.Second, Drain: 10 * time.Second, Repeats: 1,
	}
	result, err := newProber(t, target, probe, &recorder{}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// A window ends before the moment at which the next request would be sent.
	if offered := result.Results[0].Offered; offered < requests-1 || offered > requests {
		t.Errorf("%d requests were offered in the window, not %d", offered, requests)
	}
	return result.Results[0].BenchThroughput
}
