package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/version"

	"vllm_prober/internal/golden"
	"vllm_prober/internal/results"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// text is what a command that succeeds writes.
func text(t *testing.T, args ...string) string {
	t.Helper()
	p := start(t, args...)
	if status := p.wait(); status != 0 {
		t.Fatalf("%v: status %d: %s", args, status, p.stderr.String())
	}
	return p.stdout.String()
}

// recording opens a folder for records of runs of one probe. It returns the folder, the
// configuration that the runs are made with, their recorder, and what closes the folder.
func recording(t *testing.T) (folder, configuration string, recorder *results.Recorder, done func()) {
	t.Helper()
	flags := &runFlags{file: write(t, "config.yml", probing("http://vllm:8000"))}
	loaded, probe, err := flags.configure()
	if err != nil {
		t.Fatal(err)
	}
	if configuration, err = results.Configuration(loaded, probe); err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	store, err := results.Open(folder, results.Retention{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if recorder, err = store.Recorder(loaded, probe); err != nil {
		t.Fatal(err)
	}
	return folder, configuration, recorder, store.Close
}

// pastRuns records two runs of one probe at known times, the second of which was
// cut, and returns the folder and the configuration that they were made with.
func pastRuns(t *testing.T) (folder, configuration string) {
	t.Helper()
	folder, configuration, recorder, done := recording(t)
	begin := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	arm := prober.Arm{Target: "t", Replicas: 1, GPUs: 1}
	for i, id := range []string{"20261124T120000Z-aaaa", "20261124T130000Z-bbbb"} {
		at := begin.Add(time.Duration(i) * time.Hour)
		run := prober.Run{ID: id, Probe: "p", Seed: 42, StartedAt: at, Steps: 1}
		step := prober.StepResult{
			Step:    prober.Step{RunID: id, Probe: "p", Number: 1, Arm: arm, RequestRate: 20, StartedAt: at, Window: time.Second},
			EndedAt: at.Add(90 * time.Second), Offered: 20, Completed: 20, Throughput: 20, Goodput: 20, BenchThroughput: 19.5,
			Outcomes:  map[prober.Phase]map[prober.Outcome]int{prober.Window: {prober.OK: 20}},
			Latencies: &prober.Latencies{TTFT: prober.Distribution{Count: 20, Mean: 0.05, P50: 0.05, P90: 0.06, P95: 0.06, P99: 0.07, Max: 0.07}},
		}
		recorder.RunStarted(run)
		recorder.StepEnded(&step)
		if i == 0 {
			recorder.RunEnded(&prober.RunResult{
				Run: run, EndedAt: at.Add(100 * time.Second), Outcome: prober.RunSuccess, Models: []prober.ArmModel{{Arm: arm, Model: "llama", Versions: []string{"0.32.0"}}},
				Results: []prober.StepResult{step},
			})
		}
	}
	done()
	store, err := results.Open(folder, results.Retention{}, slog.New(slog.DiscardHandler)) // finds the run that was cut
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
	return folder, configuration
}

// withoutRevision takes the revision of the program under test out of a text.
func withoutRevision(text string) string {
	return strings.NewReplacer("revision "+version.GetRevision(), "revision 123abc", "("+version.GetRevision()+")", "(123abc)").Replace(text)
}

func TestRunsOfTheRecords(t *testing.T) {
	folder, configuration := pastRuns(t)
	for name, args := range map[string][]string{
		"list":          {"list"},
		"list_one":      {"list", "--probe=p", "--limit=1"},
		"show":          {"show", "20261124T120000Z-aaaa"},
		"show_cut":      {"show", "20261124T130000Z-bbbb"},
		"show_markdown": {"show", "20261124T120000Z-aaaa", "--output=markdown"},
		"show_csv":      {"show", "20261124T120000Z-aaaa", "--output=csv"},
	} {
		t.Run(name, func(t *testing.T) {
			got := text(t, append([]string{"runs", "--storage.path=" + folder}, args...)...)
			golden.Check(t, "runs/"+name+".txt", withoutRevision(strings.ReplaceAll(got, configuration, "(the configuration)\n")))
		})
	}
}

// The newest run is shown where none is named.
func TestTheNewestRun(t *testing.T) {
	folder, _ := pastRuns(t)
	newest, named := text(t, "runs", "show", "--storage.path="+folder), text(t, "runs", "show", "--storage.path="+folder, "20261124T130000Z-bbbb")
	if newest != named {
		t.Errorf("shown is\n%s, the newest run is\n%s", newest, named)
	}
	empty := t.TempDir()
	store, err := results.Open(empty, results.Retention{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
	p := start(t, "runs", "show", "--storage.path="+empty)
	if status := p.wait(); status != 1 || p.stderr.String() != "vllm_prober: no run has been recorded yet\n" {
		t.Errorf("status %d: %s", status, p.stderr.String())
	}
}

// Each line of an export is a record, the oldest first, and show gives the same.
func TestExport(t *testing.T) {
	folder, configuration := pastRuns(t)
	export := func(flags ...string) []string {
		return strings.Split(strings.TrimSuffix(text(t, append([]string{"runs", "export", "--storage.path=" + folder}, flags...)...), "\n"), "\n")
	}
	records := export()
	if len(records) != 2 {
		t.Fatalf("%d records", len(records))
	}
	for i, id := range []string{"20261124T120000Z-aaaa", "20261124T130000Z-bbbb"} {
		var r results.Record
		if err := json.Unmarshal([]byte(records[i]), &r); err != nil {
			t.Fatal(err)
		}
		if r.Schema != 1 || r.ID != id || r.Configuration != configuration || len(r.Steps) != 1 || r.Steps[0].Throughput != 20 {
			t.Errorf("%+v", r)
		}
		var shown bytes.Buffer
		if err := json.Compact(&shown, []byte(text(t, "runs", "show", id, "--output=json", "--storage.path="+folder))); err != nil {
			t.Fatal(err)
		}
		if shown.String() != records[i] {
			t.Errorf("shown is\n%s, exported\n%s", shown.String(), records[i])
		}
	}
	metrics := export("--format=openmetrics")
	for _, want := range []string{ // half past one minute after each hour
		`vllm_prober_step_throughput_requests_per_second{batch_size="",gpus="1",probe="p",request_rate="20",target="t"} 20.0 1.79552169e+09`,
		`vllm_prober_step_throughput_requests_per_second{batch_size="",gpus="1",probe="p",request_rate="20",target="t"} 20.0 1.79552529e+09`,
	} {
		if !slices.Contains(metrics, want) {
			t.Errorf("no line %s in\n%s", want, strings.Join(metrics, "\n"))
		}
	}
	if got := export("--since=1h"); got[0] != "" {
		t.Errorf("a run that is long past began within the last hour:\n%s", got)
	}
	if got := export("--probe=q", "--format=openmetrics"); got[0] != "# EOF" {
		t.Errorf("of no run:\n%s", got)
	}
}

// What is read while a daemon probes is whole, and no reading costs the daemon a
// record; what a restarted daemon shows is what it found before.
func TestRecordsOfADaemon(t *testing.T) {
	f := fleet(t, 1, simulator.Options{})
	folder := t.TempDir()
	config := strings.Replace(probing(f.URLs[0]), "interval: 1h", "interval: 0s", 1)
	d := serveConfig(t, config, "--storage.path="+folder)
	throughput := `vllm_prober_step_throughput_requests_per_second{batch_size="",gpus="1",probe="p",request_rate="20",target="t"}`
	d.eventually("two runs are recorded, read all the time", func() bool {
		for line := range strings.Lines(text(t, "runs", "export", "--storage.path="+folder)) {
			var r results.Record
			if err := json.Unmarshal([]byte(line), &r); err != nil || r.Probe != "p" {
				t.Fatalf("%v in %s", err, line)
			}
		}
		list := text(t, "runs", "list", "--storage.path="+folder)
		return strings.Count(list, " success") >= 2
	})
	if x, found := d.value("vllm_prober_store_failures_total"); !found || x != 0 {
		t.Errorf("%g writes failed", x)
	}
	if x, _ := d.value("vllm_prober_store_runs"); x < 2 {
		t.Errorf("%g runs are counted", x)
	}
	if x, _ := d.value("vllm_prober_store_size_bytes"); x < 1000 {
		t.Errorf("the records take %g bytes", x)
	}
	if p := start(t, "run", "--target="+f.URLs[0], "--rates=1", "--storage.path="+folder); p.wait() != 1 ||
		!strings.Contains(p.stderr.String(), "opening the records in "+folder+": another vllm_prober keeps its records there") {
		t.Errorf("two write at a time: %s", p.stderr.String())
	}
	d.signal(syscall.SIGTERM)
	d.wait()
	list := text(t, "runs", "list", "--limit=1", "--storage.path="+folder)
	if !strings.Contains(list, "the run was stopped before its last step") && !strings.Contains(list, " success") {
		t.Errorf("the run that the shutdown stopped has no end:\n%s", list)
	}

	f.Close() // so that nothing new is found
	d = serveConfig(t, config, "--storage.path="+folder, "--web.enable-lifecycle")
	restored, _ := d.value(throughput)
	if last, _ := d.value(`vllm_prober_run_last_success_timestamp_seconds{probe="p"}`); restored == 0 || last == 0 {
		t.Errorf("after a restart the throughput is %g, the last success at %g", restored, last)
	}
	if x, _ := d.value(`vllm_prober_completed_requests_total{batch_size="",gpus="1",probe="p",request_rate="20",target="t"}`); x != 0 {
		t.Errorf("a counter was restored to %g", x)
	}
	// Another definition is another measurement.
	d.rewrite(strings.Replace(config, "output_tokens: 4", "output_tokens: 5", 1))
	if status, body := d.do(http.MethodPost, "/-/reload"); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	if x, found := d.value(throughput); found {
		t.Errorf("the throughput of the probe before the change, %g, is still there", x)
	}
	d.rewrite(config)
	if status, body := d.do(http.MethodPost, "/-/reload"); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	if x, _ := d.value(throughput); x != restored {
		t.Errorf("after the change was taken back the throughput is %g, want %g", x, restored)
	}
}

func TestADaemonWithoutRecords(t *testing.T) {
	f := fleet(t, 1, simulator.Options{})
	d := serveConfig(t, probing(f.URLs[0]), "--storage.path=")
	d.is(`vllm_prober_runs_total{probe="p",result="success"}`, 1)
	if !strings.Contains(d.stderr.String(), "no records of runs are kept: --storage.path is empty") {
		t.Errorf("the log does not say so:\n%s", d.stderr.String())
	}
	if x, found := d.value("vllm_prober_store_runs"); found {
		t.Errorf("%g runs are recorded", x)
	}
}

// A daemon that cannot keep its records says so before it sends any load.
func TestRecordsThatCannotBeKept(t *testing.T) {
	f := fleet(t, 1, simulator.Options{})
	file := write(t, "config.yml", probing(f.URLs[0]))
	folder := filepath.Join(file, "data")
	p := start(t, "serve", "--config.file="+file, "--storage.path="+folder, "--web.listen-address="+freeAddress(t))
	if status := p.wait(); status != 1 ||
		!strings.Contains(p.stderr.String(), "--storage.path needs a folder that can be written; an empty one keeps no records") {
		t.Errorf("status %d: %s", status, p.stderr.String())
	}
}

// A run by hand is recorded where the flag says so, with its histograms.
func TestRunKeepsARecord(t *testing.T) {
	f := fleet(t, 1, simulator.Options{})
	folder := filepath.Join(t.TempDir(), "new", "data")
	printed := text(t, short(f, "--rates=20", "--storage.path="+folder)...)
	lines := bufio.NewScanner(strings.NewReader(text(t, "runs", "export", "--storage.path="+folder)))
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		t.Fatal("there is no record")
	}
	var r results.Record
	if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Seed != 7 || len(r.Steps) != 1 || r.EndedAt.IsZero() || len(r.Models) != 1 {
		t.Fatalf("%+v", r)
	}
	if step := r.Steps[0]; step.Valid() && step.Histograms.TTFT.Distribution().Count != step.Latencies.TTFT.Count {
		t.Errorf("%+v", step)
	}
	if shown := text(t, "runs", "show", r.ID, "--storage.path="+folder); !strings.HasPrefix(shown, printed) {
		t.Errorf("shown is\n%s, printed was\n%s", shown, printed)
	}
}

func TestRunsWithoutRecords(t *testing.T) {
	folder := t.TempDir()
	for _, args := range [][]string{{"list"}, {"show", "x"}, {"export"}} {
		p := start(t, append([]string{"runs", "--storage.path=" + folder}, args...)...)
		if status := p.wait(); status != 1 || p.stderr.String() != "vllm_prober: no records in "+folder+": --storage.path says where they are\n" {
			t.Errorf("%v: status %d: %s", args, status, p.stderr.String())
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("reading has made %v, %v", left, err)
	}
}

// What is spent of the day's budget is spent for the next process too.
func TestABudgetOutlivesTheDaemon(t *testing.T) {
	f := fleet(t, 1, simulator.Options{})
	folder := t.TempDir()
	// The step is reckoned at 20 a second for 21.2 s, so 424 requests, and sends
	// about 30.
	config := strings.Replace(probing(f.URLs[0]), "interval: 1h", "interval: 1h, budget: {requests_per_day: 430}", 1)
	d := serveConfig(t, config, "--storage.path="+folder)
	d.is(`vllm_prober_runs_total{probe="p",result="success"}`, 1)
	d.signal(syscall.SIGTERM)
	d.wait()
	d = serveConfig(t, config, "--storage.path="+folder)
	d.is(`vllm_prober_runs_skipped_total{probe="p",reason="budget"}`, 1)
	if x, _ := d.value(`vllm_prober_requests_total{batch_size="",gpus="1",outcome="ok",phase="window",probe="p",request_rate="20",target="t"}`); x != 0 {
		t.Errorf("%g requests were sent beyond the budget", x)
	}
}
