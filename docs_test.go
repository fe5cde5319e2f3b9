package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"vllm_prober/collector"
	"vllm_prober/internal/compare"
	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
	"vllm_prober/internal/simulator"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are the fenced blocks of a language in a document.
func blocks(text, language string) []string {
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// The two commands that the README asks a newcomer to type are those that CI runs.
func TestCIRunsTheCommandsOfTheREADME(t *testing.T) {
	_, start, found := strings.Cut(read(t, "README.md"), "## Quick start")
	if !found {
		t.Fatal("the README has no quick start")
	}
	commands := strings.Split(strings.TrimSpace(blocks(start, "sh")[0]), "\n")
	if len(commands) != 2 {
		t.Fatalf("the quick start has the commands %q, promised are two", commands)
	}
	ci := read(t, ".ci/run")
	for _, command := range commands {
		// As a line of its own, alone or put into the background with its output and its records kept.
		line := regexp.MustCompile(`(?m)^\s*(setsid )?` + regexp.QuoteMeta(command) + `( --storage.path "\S+" >"\S+" 2>&1 &)?$`)
		if !line.MatchString(ci) {
			t.Errorf("CI does not run %q", command)
		}
	}
}

func TestConfigurationsOfTheDocumentsAreValid(t *testing.T) {
	texts := map[string]string{"README.md": blocks(read(t, "README.md"), "yaml")[0]}
	for _, manifests := range []string{"deploy/kubernetes.yaml", "deploy/kubernetes-discovery.yaml"} {
		var configMap struct {
			Data map[string]string `yaml:"data"`
		}
		if err := yaml.Unmarshal([]byte(read(t, manifests)), &configMap); err != nil {
			t.Fatal(err)
		}
		texts[manifests] = configMap.Data["vllm_prober.yml"]
	}
	for name, text := range texts {
		if _, err := config.Parse([]byte(text), name); err != nil {
			t.Error(err)
		}
	}
}

// What deploy/ starts is what the program takes.
func TestCommandsOfDeployments(t *testing.T) {
	unit := regexp.MustCompile(`(?m)^ExecStart=\S+/vllm_prober (.*)$`).FindStringSubmatch(read(t, "deploy/vllm_prober.service"))
	if unit == nil {
		t.Fatal("the unit starts no vllm_prober")
	}
	commands := map[string][]string{"vllm_prober.service": strings.Fields(unit[1])}
	for _, manifest := range []string{"kubernetes.yaml", "gpu-exporter.yaml"} {
		documents := yaml.NewDecoder(strings.NewReader(read(t, "deploy/"+manifest)))
		for {
			var workload struct {
				Spec struct {
					Template struct {
						Spec struct {
							Containers []struct {
								Args []string `yaml:"args"`
							} `yaml:"containers"`
						} `yaml:"spec"`
					} `yaml:"template"`
				} `yaml:"spec"`
			}
			if err := documents.Decode(&workload); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", manifest, err)
			}
			for _, c := range workload.Spec.Template.Spec.Containers {
				commands[manifest] = c.Args
			}
		}
	}
	configuration := write(t, "vllm_prober.yml", blocks(read(t, "README.md"), "yaml")[0])
	for name, args := range commands {
		for i, a := range args {
			args[i] = strings.Replace(a, "/etc/vllm_prober/vllm_prober.yml", configuration, 1)
		}
		p := start(t, append(args, "--config.check")...)
		if status := p.wait(); status != 0 {
			t.Errorf("%s: status %d: %s", name, status, p.stderr.String())
		}
	}
	if len(commands) != 3 {
		t.Errorf("commands of %d deployments, there are 3: %v", len(commands), commands)
	}
}

// The mistake that the README shows is what its configuration gives.
func TestTheMistakeOfTheREADME(t *testing.T) {
	text := read(t, "README.md")
	wrong := strings.Replace(blocks(text, "yaml")[0], "rates: [1, 2, 4, 8]", "rates: [1, 4, 2, 8]", 1)
	_, err := config.Parse([]byte(wrong), "vllm_prober.yml")
	if err == nil || !strings.Contains(text, "vllm_prober: "+err.Error()) {
		t.Errorf("the README does not show the error\n%v", err)
	}
}

// docs/metrics.md lists the metrics that there are, with their types, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	f, old := fleet(t, 1, simulator.Options{}), oldReplica(t)
	config := strings.Replace(probing(f.URLs[0]), "]}]", fmt.Sprintf("]}, {name: old, replicas: [%q]}]", old), 1)
	d := serveConfig(t, config)
	d.is(`vllm_prober_runs_total{probe="p",result="success"}`, 1)
	d.is(fmt.Sprintf(`vllm_prober_replica_up{check="metrics",replica=%q,target="t"}`, f.URLs[0]), 1)
	d.is(fmt.Sprintf(`vllm_prober_replica_prefix_cache_hit_ratio{engine="",replica=%q,target="old"}`, old), 0.625)
	_, body := d.do(http.MethodGet, "/metrics")
	var exported, documented []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (vllm_prober_\w+) (\w+)$`).FindAllStringSubmatch(body, -1) {
		exported = append(exported, m[1]+" "+m[2])
	}
	exported = append(exported, searched(t)...)
	exported = append(exported, gpuMetrics(t)...)
	for _, m := range regexp.MustCompile("(?m)^\\| `(vllm_prober_\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(read(t, "docs/metrics.md"), -1) {
		documented = append(documented, m[1]+" "+m[2])
	}
	for _, m := range exported {
		if !slices.Contains(documented, m) {
			t.Errorf("not in docs/metrics.md: %s", m)
		}
	}
	for _, m := range documented {
		if !slices.Contains(exported, m) {
			t.Errorf("in docs/metrics.md alone: %s", m)
		}
	}
}

// searched are the metrics of a probe of two runs, whose searches have found
// everything.
func searched(t *testing.T) []string {
	t.Helper()
	p := collector.NewProbe(&config.Config{}, config.DefaultProbe())
	rate := &prober.Estimate{Value: 1}
	arm, some := prober.Arm{BatchSize: 1}, prober.Distribution{Count: 1}
	for _, run := range []string{"first", "second"} {
		step := prober.Step{RunID: run, Arm: arm}
		p.StepStarted(step)
		p.StepEnded(&prober.StepResult{
			Step: step, ITL: &prober.Histogram{}, Latencies: &prober.Latencies{TTFT: some, TPOT: some, ITL: some, E2E: some},
		})
		p.RunEnded(&prober.RunResult{
			Answers:    []prober.Answer{{Arm: arm, Capacity: rate, SLORate: rate}},
			Comparison: &prober.Comparison{Arms: []prober.Compared{{}, {ToBase: &stats.Interval{}}}},
		})
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(p)
	return familiesOf(t, registry)
}

// familiesOf are the names and types of what a registry gathers.
func familiesOf(t *testing.T, registry *prometheus.Registry) (metrics []string) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		metrics = append(metrics, f.GetName()+" "+strings.ToLower(f.GetType().String()))
	}
	return metrics
}

// offersAll is a GPU that offers everything.
type offersAll struct{ gpu.Source }

func (offersAll) Read() (*gpu.Snapshot, error) {
	g := gpu.GPU{Instances: make([]gpu.Instance, 1), Processes: []gpu.Process{{Pod: "p"}}}
	for m := range gpu.MetricCount {
		g.Values = append(g.Values, gpu.Value{Metric: m})
	}
	return &gpu.Snapshot{At: time.Now(), GPUs: []gpu.GPU{g}}, nil
}

// gpuMetrics are the metrics of a GPU that offers everything.
func gpuMetrics(t *testing.T) []string {
	t.Helper()
	poller := gpu.NewPoller(offersAll{}, gpu.DefaultInterval, slog.New(slog.DiscardHandler))
	ctx, end := context.WithCancel(t.Context())
	go poller.Run(ctx)
	for !poller.Status().Success {
		time.Sleep(time.Millisecond)
	}
	end()
	registry := prometheus.NewRegistry()
	targets := []config.Target{{Replicas: []string{"http://a"}, GPUUUIDs: [][]string{{"GPU-a"}}}}
	p, x := collector.NewProbe(&config.Config{}, config.DefaultProbe()), 1.0
	p.StepEnded(&prober.StepResult{GPU: &prober.GPUResult{
		PowerWatts: &x, UtilizationRatio: &x, JoulesPerOutputToken: &x, OutputTokensPerJoule: &x, ThrottledSeconds: map[string]float64{"r": x},
	}, ITL: &prober.Histogram{}})
	registry.MustRegister(collector.NewGPU(poller), collector.NewReplicaGPUs(func() []config.Target { return targets }, poller.Fresh), p)
	return familiesOf(t, registry)
}

// Every reason of the code for a comparison that says nothing is in docs/api.md.
func TestReasonsAreDocumented(t *testing.T) {
	_, row, _ := strings.Cut(read(t, "docs/api.md"), "\n| `reason_code` |")
	row, _, _ = strings.Cut(row, "\n")
	for _, code := range compare.ReasonCodes() {
		if !strings.Contains(row, fmt.Sprintf("`%s`", code)) {
			t.Errorf("%s is not in docs/api.md", code)
		}
	}
}

// Every outcome and every promise of the code is in docs/measurement.md, in the
// code's order.
func TestOutcomesAreDocumented(t *testing.T) {
	text := read(t, "docs/measurement.md")
	var words []string
	for _, o := range prober.Outcomes() {
		words = append(words, string(o))
	}
	for _, p := range prober.Promises() {
		words = append(words, string(p))
	}
	last := 0
	for _, o := range words {
		at := strings.Index(text, fmt.Sprintf("\n| `%s` |", o))
		if at < last {
			t.Errorf("%s is not where it belongs in docs/measurement.md", o)
		}
		last = at
	}
}

// A relative link leads to a file that is there.
func TestLinksLeadSomewhere(t *testing.T) {
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range append(documents, "README.md", "CONTRIBUTING.md", "CHANGELOG.md") {
		for _, m := range regexp.MustCompile(`\]\(([^):#]+)(#[^)]*)?\)`).FindAllStringSubmatch(read(t, document), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", document, m[1], err)
			}
		}
	}
}

// The sentences that the README shows are those on the recorded run of the demo's fleet.
func TestTheReportOfTheREADME(t *testing.T) {
	_, section, _ := strings.Cut(read(t, "README.md"), "\n## Report\n")
	shown := strings.Split(strings.ReplaceAll(strings.TrimSpace(blocks(section, "text")[0]), "\n  ", " "), "\n")
	golden := read(t, "internal/report/testdata/demo.en.md")
	if len(shown) < 3 {
		t.Fatalf("it shows %q", shown)
	}
	for _, sentence := range shown {
		if !strings.Contains(golden, sentence) {
			t.Errorf("the report does not say %q", sentence)
		}
	}
}
