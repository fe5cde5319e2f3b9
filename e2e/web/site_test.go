package web

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
	"vllm_prober/internal/daemon"
	"vllm_prober/internal/results"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// history is how many runs are recorded before the daemon starts. From the run of
// number slower on, answers take longer to begin.
const (
	history = 40
	slower  = 26
)

// hostile is what a server could say of itself.
const hostile = `<script>alert("x")</script><img src=x onerror=alert(1)>`

// site is a daemon that probes simulated replicas, with a history.
type site struct {
	url string
	// run is the id of the newest run of the history, bad that of one with hostile texts.
	run, bad string
}

// newSite starts a daemon whose ladder begins at once and takes a minute.
func newSite(t *testing.T) *site {
	t.Helper()
	cfg := &config.Config{}
	for _, target := range []struct {
		name      string
		batchSize int
	}{{"batch-16", 16}, {"batch-32", 32}, {"canary", 16}} {
		fleet, err := simulator.Start("127.0.0.1", 0, 2, simulator.Options{Model: "llama-3.1-8b", Parameters: simulator.FieldReport()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(fleet.Close)
		c := config.DefaultTarget()
		c.Name, c.BatchSize, c.Replicas = target.name, target.batchSize, fleet.URLs
		cfg.Targets = append(cfg.Targets, c)
	}
	ladder := config.DefaultProbe()
	ladder.Name, ladder.Arms = "ladder", []config.Arm{{Target: "batch-16"}, {Target: "batch-32"}}
	ladder.Ladder = config.Ladder{
		Rates: []float64{8, 24, 40}, Warmup: time.Second, Window: 5 * time.Second, Drain: 20 * time.Second, Cooldown: 500 * time.Millisecond, Repeats: 1,
	}
	ladder.Workload.OutputTokens = config.Length{Fixed: simulator.FieldReportOutput}
	ladder.Pacing = config.Pacing{Process: config.Constant}
	ladder.SLO.TTFT, ladder.SLO.TPOT = 500*time.Millisecond, 50*time.Millisecond
	ladder.Schedule.Interval = time.Hour
	ladder.MaxSendLag = 2 * time.Second // what is looked at here is no measurement
	beat := config.DefaultProbe()
	beat.Schedule, beat.Ladder, beat.Guard = config.Schedule{}, config.Ladder{}, config.Guard{}
	beat.Name, beat.Arms, beat.Heartbeat = "canary", []config.Arm{{Target: "canary"}}, &config.Heartbeat{Rate: 2, Window: 5 * time.Second}
	beat.Workload.OutputTokens = config.Length{Fixed: 16}
	beat.MaxSendLag = 2 * time.Second
	cfg.Probes = []config.Probe{ladder, beat}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	store, err := results.Open(t.TempDir(), results.Retention{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	s := &site{}
	s.record(t, store, cfg)
	d := daemon.New(daemon.Options{
		Load: func() (*config.Config, error) { return cfg, nil }, Registry: prometheus.NewRegistry(), Logger: quiet, Records: store,
	})
	if err := d.Apply(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Shutdown(t.Context()) }) // the test's context has ended: at once
	server := httptest.NewServer(d.Handler())
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// record makes the history: a run an hour of what the ladder is to measure.
func (s *site) record(t *testing.T, store *results.Store, cfg *config.Config) {
	t.Helper()
	recorder, err := store.Recorder(cfg, cfg.Probes[0])
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	now := time.Now().UTC().Truncate(time.Minute)
	for i := range history {
		at := now.Add(time.Duration(i-history) * time.Hour)
		run := prober.Run{ID: at.Format("20060102T150405Z") + fmt.Sprintf("-%04x", i), Probe: "ladder", Seed: rng.Uint64() >> 11, Steps: 6, StartedAt: at}
		result := &prober.RunResult{Run: run, EndedAt: at.Add(45*time.Second + time.Duration(rng.IntN(9000))*time.Millisecond), Outcome: prober.RunSuccess}
		for a, arm := range cfg.Probes[0].Arms {
			target, _ := cfg.Target(arm.Target)
			made := prober.ArmOf(arm, target)
			result.Models = append(result.Models, prober.ArmModel{Arm: made, Model: "llama-3.1-8b", Versions: []string{"0.32.0"}})
			for r, rate := range cfg.Probes[0].Ladder.Rates {
				result.Results = append(result.Results, measured(rng, run, 2*r+a+1, made, rate, i >= slower))
			}
		}
		switch i {
		case 12:
			result.Outcome, result.Results, result.Err = prober.RunFailed, nil, "replica http://127.0.0.1:8000: connection refused"
		case 20:
			result.Results[3].Latencies, result.Results[3].Saturated = nil, prober.Undetermined
			result.Results[3].Broken = []prober.Broken{{Promise: prober.PromiseCPU, Detail: "1% of the work waited 31ms"}}
		case 0:
			s.bad = run.ID
			result.Models[0].Model = hostile
			result.Results[0].Failures = []prober.Failure{{Outcome: prober.HTTP5xx, Count: 1, Example: hostile}}
			result.Outcome, result.Err = prober.RunFailed, hostile
		}
		recorder.RunStarted(run)
		recorder.RunEnded(result)
		s.run = run.ID
	}
}

// capacity is what two replicas of the simulated engine complete per second.
const capacity = 33.1

// measured is a step as such replicas would have it: TTFT rises with the rate, and
// explodes beyond the capacity.
func measured(rng *rand.Rand, run prober.Run, number int, arm prober.Arm, rate float64, slow bool) prober.StepResult {
	noisy := func(x float64) float64 { return x * (1 + 0.02*rng.NormFloat64()) }
	ttft := noisy(0.066 + rate/800)
	if slow {
		ttft *= 1.12
	}
	tpot := noisy(0.028 + rate/2500)
	spread := func(x float64) prober.Distribution {
		return prober.Distribution{Count: int(5 * rate), Mean: x, P50: 0.98 * x, P90: 1.15 * x, P95: 1.2 * x, P99: 1.31 * x, Max: 1.4 * x}
	}
	throughput, saturated, attainment := noisy(rate), prober.Unsaturated, 1.0
	inForce := prober.InForce{Verdict: prober.DidNotBind, Detail: "none waited for long"}
	if rate > capacity {
		throughput, saturated, attainment = noisy(capacity), prober.Saturated, 0.12
		ttft, tpot = noisy(1.1), noisy(0.07)
		inForce = prober.InForce{Verdict: prober.NotInForce, Detail: "50 ran"}
	}
	return prober.StepResult{
		Step: prober.Step{
			RunID: run.ID, Probe: run.Probe, Number: number, Known: 6, Arm: arm, RequestRate: rate, Seed: uint64(number), StartedAt: run.StartedAt,
			Warmup: time.Second, Window: 5 * time.Second, MaxDrain: 20 * time.Second,
		},
		EndedAt: run.StartedAt.Add(time.Duration(8*number) * time.Second), Offered: int(5 * rate), Completed: int(5 * throughput), Good: int(5 * throughput * attainment),
		Throughput: throughput, Goodput: throughput * attainment, BenchThroughput: 0.8 * throughput, OutputTokenThroughput: 43 * throughput, SettledThroughput: throughput,
		Saturated: saturated, Attainment: attainment, Outcomes: map[prober.Phase]map[prober.Outcome]int{prober.Window: {prober.OK: int(5 * rate)}},
		Latencies: &prober.Latencies{TTFT: spread(ttft), TPOT: spread(tpot), ITL: spread(tpot), E2E: spread(ttft + 42*tpot)},
		Replicas: []prober.ReplicaResult{{
			Running: &prober.Level{Mean: rate * 1.4, Max: rate * 2}, Waiting: &prober.Level{Mean: 0.1, Max: 1}, KVCacheUsage: &prober.Level{Mean: 0.02, Max: 0.03},
			InForce: inForce,
		}},
	}
}

// pages are those that are looked at, by the name of their pictures.
func (s *site) pages() map[string]string {
	return map[string]string{
		"overview": "/", "probe": "/probes/ladder", "heartbeat": "/probes/canary", "runs": "/runs", "run": "/runs/" + s.run, "configuration": "/configuration",
	}
}
