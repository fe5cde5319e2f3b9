package main

import (
	"encoding/csv"
	"encoding/json"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/results"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// quick is an engine whose answers take a few milliseconds.
func quick() simulator.Parameters {
	p := simulator.FieldReport()
	p.Frontend, p.Base = 0, 1e6
	return p
}

// fleet starts replicas on loopback for the time of the test.
func fleet(t *testing.T, n int, o simulator.Options) *simulator.Fleet {
	t.Helper()
	o.Parameters = quick()
	f, err := simulator.Start("127.0.0.1", 0, n, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// short are the flags of a run that takes a second or so. It makes no claim on the
// machine's punctuality: what is tested is what the command does.
func short(f *simulator.Fleet, rest ...string) []string {
	args := []string{"run", "--warmup=200ms", "--window=1s", "--drain=20s", "--cooldown=0s", "--output-tokens=4", "--seed=7", "--max-send-lag=10s"}
	return append(targets(args, f), rest...)
}

// long are the flags of a run that only a signal ends.
func long(f *simulator.Fleet, rest ...string) []string {
	return append(targets([]string{"run", "--rates=20,21", "--window=10m", "--output-tokens=4"}, f), rest...)
}

func targets(args []string, f *simulator.Fleet) []string {
	for _, url := range f.URLs {
		args = append(args, "--target="+url)
	}
	return args
}

func TestRunNeedsNoFile(t *testing.T) {
	f := fleet(t, 2, simulator.Options{})
	p := start(t, short(f, "--rates=20,40", "--output=json")...)
	if status := p.wait(); status != 0 {
		t.Fatalf("status %d: %s", status, p.stderr.String())
	}
	var result prober.RunResult
	if err := json.Unmarshal([]byte(p.stdout.String()), &result); err != nil {
		t.Fatalf("%v in\n%s", err, p.stdout.String())
	}
	if result.Seed != 7 || len(result.Results) != 2 || len(result.Models) != 1 || result.Models[0].Model != simulator.DefaultModel {
		t.Errorf("seed %d, %d steps, models %v", result.Seed, len(result.Results), result.Models)
	}
	for i, rate := range []float64{20, 40} {
		r := result.Results[i]
		if r.RequestRate != rate || r.Arm.Replicas != 2 || r.Offered == 0 || r.Outcomes[prober.Window][prober.OK] != r.Offered ||
			r.OutputTokens != 4*r.Offered || r.PromptTokens != 128*r.Offered {
			t.Errorf("step %d: %+v", i+1, r)
		}
	}
	// Not on a terminal, so a line for each step and no control characters.
	if text := p.stderr.String(); strings.Count(text, "\n") != 4 || strings.ContainsAny(text, "\r\x1b") || !strings.Contains(text, "[2/2] target, 2 GPUs, 40 req/s") {
		t.Errorf("progress:\n%s", text)
	}
}

func TestRunWritesEachForm(t *testing.T) {
	f := fleet(t, 1, simulator.Options{})
	for form, holds := range map[string]func(string) bool{
		"table": func(s string) bool { return strings.Contains(s, "req/s") && strings.Contains(s, "seed 7") },
		"markdown": func(s string) bool {
			return strings.HasPrefix(s, "| target |") && strings.Contains(s, "\n| :--- | ---: |")
		},
		"csv": func(s string) bool {
			rows, err := csv.NewReader(strings.NewReader(s)).ReadAll()
			return err == nil && len(rows) == 2 && rows[0][3] == "request_rate" && rows[1][3] == "20"
		},
	} {
		t.Run(form, func(t *testing.T) {
			p := start(t, short(f, "--rates=20", "--output="+form)...)
			if status := p.wait(); status != 0 || !holds(p.stdout.String()) {
				t.Errorf("status %d:\n%s%s", status, p.stdout.String(), p.stderr.String())
			}
		})
	}
}

// The first signal ends a run cleanly, and what was measured is printed.
func TestRunEndsAtASignal(t *testing.T) {
	f := fleet(t, 1, simulator.Options{})
	p := start(t, long(f, "--output=json")...)
	p.eventually("requests run", func() bool { return f.Replicas[0].Engine().State().Running > 0 })
	p.signal(syscall.SIGINT)
	if status := p.wait(); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	var result prober.RunResult
	if err := json.Unmarshal([]byte(p.stdout.String()), &result); err != nil {
		t.Fatal(err)
	}
	if len(result.Results) != 1 || result.Results[0].Valid() || result.Err == "" {
		t.Fatalf("%d steps, error %q", len(result.Results), result.Err)
	}
	for phase, outcomes := range result.Results[0].Outcomes {
		if outcomes[prober.OK] == 0 || len(outcomes) != 1 {
			t.Errorf("in the %s: %v, want all that was sent ok", phase, outcomes)
		}
	}
}

// The second signal cuts what is in flight.
func TestRunEndsAtOnceAtASecondSignal(t *testing.T) {
	f := fleet(t, 1, simulator.Options{Faults: []simulator.FaultShare{{Fault: simulator.HangFirstToken, Share: 1}}})
	p := start(t, long(f, "--output=json")...)
	p.eventually("requests run", func() bool { return f.Replicas[0].Engine().State().Running > 0 })
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	if !strings.Contains(p.stdout.String(), `"aborted"`) {
		t.Errorf("nothing was cut:\n%s", p.stdout.String())
	}
}

func TestRunSaysWhatIsWrongWithTheReplica(t *testing.T) {
	f := fleet(t, 1, simulator.Options{APIKey: "sk-secret"})
	p := start(t, short(f, "--rates=20")...)
	if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), "status 401 Unauthorized") {
		t.Errorf("without a key: status %d: %s", status, p.stderr.String())
	}
	p = start(t, short(f, "--rates=20", "--api-key-file="+write(t, "wrong", "sk-wrong\n"))...)
	if status := p.wait(); status != 1 || strings.Contains(p.stderr.String(), "sk-") {
		t.Errorf("with a wrong key: status %d: %s", status, p.stderr.String())
	}
	p = start(t, short(f, "--rates=20", "--api-key-file="+write(t, "right", "sk-secret\n"))...)
	if status := p.wait(); status != 0 || strings.Contains(p.stderr.String()+p.stdout.String(), "sk-") {
		t.Errorf("with the key: status %d: %s", status, p.stderr.String())
	}
}

// A search begins where the recorded one of the same configuration has ended.
func TestRunRemembersASearch(t *testing.T) {
	f := fleet(t, 1, simulator.Options{})
	folder := t.TempDir()
	args := short(f, "--rates=10", "--search", "--storage.path="+folder)

	// What the flags mean, and a record of a run of it that found a capacity.
	flags := &runFlags{defaults: config.DefaultProbe(), targets: f.URLs, rates: "10"}
	search := config.DefaultSearch()
	p := &flags.defaults
	p.Search, p.Seed, p.Workload.OutputTokens.Fixed, p.MaxSendLag = &search, 7, 4, 10*time.Second
	p.Ladder.Warmup, p.Ladder.Window, p.Ladder.Drain, p.Ladder.Cooldown = 200*time.Millisecond, time.Second, 20*time.Second, 0
	cfg, probe, err := flags.configure()
	if err != nil {
		t.Fatal(err)
	}
	records, err := results.Open(folder, results.Retention{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := records.Recorder(cfg, probe)
	if err != nil {
		t.Fatal(err)
	}
	run := prober.Run{ID: "20260101T000000Z-0001", Probe: "run", StartedAt: time.Now().Add(-time.Hour)}
	recorder.RunStarted(run)
	recorder.RunEnded(&prober.RunResult{Run: run, EndedAt: time.Now(), Answers: []prober.Answer{{
		Arm: prober.Arm{Target: "target", Replicas: 1, GPUs: 1}, Capacity: &prober.Estimate{Value: 70, Lower: 68, Upper: 72}, Steps: 9,
	}}})
	records.Close()

	second := regexp.MustCompile(`\[2/2\] target, 1 GPU, ([0-9.]+) req/s`)
	running := start(t, args...)
	running.eventually("the step after the ladder's ends", func() bool {
		return second.MatchString(running.stderr.String())
	})
	rate, err := strconv.ParseFloat(second.FindStringSubmatch(running.stderr.String())[1], 64)
	if err != nil || rate < 60 || rate > 80 {
		t.Errorf("after 10 req/s the search went to %g, want about the 70 that are recorded: %v", rate, err)
	}
	running.signal(syscall.SIGTERM)
	running.signal(syscall.SIGTERM)
	running.wait()
}

// A search goes above the ladder, however high that is.
func TestASearchAboveAHighLadder(t *testing.T) {
	search := config.DefaultSearch()
	flags := &runFlags{defaults: config.DefaultProbe(), targets: []string{"http://127.0.0.1:1"}, rates: "500,2000"}
	flags.defaults.Search = &search
	_, probe, err := flags.configure()
	if err != nil || probe.Search.MaxRate != 8000 {
		t.Errorf("up to %g requests a second, %v", probe.Search.MaxRate, err)
	}
}
