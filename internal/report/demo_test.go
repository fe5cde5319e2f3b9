package report

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
	"vllm_prober/internal/replica"
	"vllm_prober/internal/results"
	"vllm_prober/internal/serving"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

var recordDemo = flag.Bool("record", false, "make the run of testdata/demo.json anew")

const demoFile = "testdata/demo.json"

// demoRecord is a run of the demo's fleet, longer than the demo's and with a search,
// that was recorded in synthetic time.
func demoRecord(t *testing.T) *results.Record {
	t.Helper()
	text, err := os.ReadFile(demoFile)
	if err != nil {
		t.Fatal(err)
	}
	r := &results.Record{}
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRecordDemo makes that record with -record.
func TestRecordDemo(t *testing.T) {
	if !*recordDemo {
		t.Skip("the record is there; -record makes it anew")
	}
	cfg := &config.Config{}
	probe := config.DefaultProbe()
	probe.Name, probe.Seed = "ladder", 1
	for _, size := range []int{16, 32} {
		target := config.DefaultTarget()
		target.Name, target.BatchSize = fmt.Sprintf("bs%d", size), size
		for i := range 4 {
			target.Replicas = append(target.Replicas, fmt.Sprintf("http://%s-%d:8000", target.Name, i))
			target.GPUUUIDs = append(target.GPUUUIDs, []string{simulator.GPUUUID(len(cfg.Targets)*4 + i)})
		}
		cfg.Targets = append(cfg.Targets, target)
		probe.Arms = append(probe.Arms, config.Arm{Target: target.Name, Replicas: 1, Rates: []float64{10, 20}}, config.Arm{Target: target.Name})
	}
	probe.Workload.PromptTokens = config.Length{Fixed: simulator.FieldReportPrompt}
	probe.Workload.OutputTokens = config.Length{Fixed: simulator.FieldReportOutput}
	probe.Ladder = config.Ladder{
		Rates: []float64{10, 20, 40, 60}, Warmup: 10 * time.Second, Window: 20 * time.Second, Drain: 30 * time.Second, Cooldown: 5 * time.Second, Repeats: 3,
	}
	search := config.DefaultSearch()
	search.MaxWindow = time.Minute
	probe.Search = &search
	probe.SLO.TTFT, probe.SLO.TPOT = 500*time.Millisecond, 50*time.Millisecond
	cfg.Probes = []config.Probe{probe}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	write(t, cfg, probe, inSyntheticTime(t, cfg, probe))
}

// inSyntheticTime makes a run of a probe whose replicas are simulated.
func inSyntheticTime(t *testing.T, cfg *config.Config, probe config.Probe) (result *prober.RunResult) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		network := map[string]*simulator.PipeListener{}
		var servers []*http.Server
		var replicas []*simulator.Replica
		for _, target := range cfg.Targets {
			for i := range target.Replicas {
				l, r := simulator.NewPipeListener(), simulator.NewReplica(ctx, simulator.Options{Parameters: simulator.FieldReport()})
				s := &http.Server{Handler: r, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
				network[fmt.Sprintf("%s-%d:8000", target.Name, i)] = l
				servers, replicas = append(servers, s), append(replicas, r)
				go func() { _ = s.Serve(l) }()
			}
		}
		dial := func(ctx context.Context, n, address string) (net.Conn, error) {
			return network[address].DialContext(ctx, n, address)
		}
		watcher, err := replica.NewWatcher(cfg, probe, dial, log)
		if err != nil {
			t.Fatal(err)
		}
		source, err := simulator.GPUs(replicas)
		if err != nil {
			t.Fatal(err)
		}
		poller := gpu.NewPoller(source, gpu.DefaultInterval, log)
		go poller.Run(ctx)
		time.Sleep(time.Second)
		p, err := prober.New(cfg, probe, prober.Options{
			Observer: prober.Silent{}, Logger: log, Synthetic: true, Dial: dial, Watcher: watcher, ReadGPUs: serving.Reader(poller, cfg.Targets),
		})
		if err != nil {
			t.Fatal(err)
		}
		if result, err = p.Run(ctx); err != nil {
			t.Fatal(err)
		}
		end()
		for _, s := range servers {
			_ = s.Close()
		}
		time.Sleep(time.Minute) // connections that are idle end
		synctest.Wait()
	})
	return result
}

// write keeps a run as a store would, without the histograms, which are large.
func write(t *testing.T, cfg *config.Config, probe config.Probe, result *prober.RunResult) {
	t.Helper()
	folder := t.TempDir()
	store, err := results.Open(folder, results.Retention{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	recorder, err := store.Recorder(cfg, probe)
	if err != nil {
		t.Fatal(err)
	}
	recorder.RunStarted(result.Run)
	recorder.RunEnded(result)
	record, err := store.Run(result.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range record.Steps {
		record.Steps[i].Histograms = nil
	}
	record.Prober = results.Version{Version: "1.2.3", Revision: "123abc"}
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Clean(demoFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
