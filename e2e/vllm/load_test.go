//go:build e2e && linux

package vllm_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"vllm_prober/internal/config"
	"vllm_prober/internal/workload"
	"vllm_prober/prober"
)

const targetName = "real"

// noLimit stands for max_send_lag: how late the prober may be and still give its
// latencies out. These tests judge counts, and latencies against the server's own
// within limits far wider than a busy machine's delays; that it is busy must not
// take the latencies away.
const noLimit = time.Hour

// probe is a probe of the replica, asking for 64 + 64 tokens, that a test may
// change. Its ladder never ends by itself: it is for load.
func (v *replica) probe() (config.Target, config.Probe) {
	target := config.DefaultTarget()
	target.Name, target.Replicas, target.BatchSize = targetName, []string{v.url}, batchSize
	target.HTTPClient.Authorization = &promconfig.Authorization{Type: "Bearer", CredentialsFile: v.keyFile}

	p := config.DefaultProbe()
	p.Name, p.Arms = "e2e", []config.Arm{{Target: targetName}}
	p.Workload.PromptTokens, p.Workload.OutputTokens = config.Length{Fixed: 64}, config.Length{Fixed: 64}
	p.Ladder = config.Ladder{Rates: []float64{10}, Window: time.Hour, Drain: time.Minute, Repeats: 1}
	p.MaxSendLag = noLimit
	p.Seed = 1
	return target, p
}

// recorder is an Observer that keeps everything, and tells what was sent.
type recorder struct {
	prober.Silent

	onSent func(sent int)

	mu    sync.Mutex
	sent  int
	steps []prober.Step
	seen  []prober.Observation
}

func (r *recorder) StepStarted(s prober.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, s)
}

func (r *recorder) RequestSent(prober.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent++
	if r.onSent != nil {
		r.onSent(r.sent)
	}
}

func (r *recorder) RequestEnded(_ prober.Step, o *prober.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, *o)
}

// newProber makes a prober as the program does.
func newProber(t *testing.T, target config.Target, probe config.Probe, observer prober.Observer) *prober.Prober {
	t.Helper()
	cfg := &config.Config{Targets: []config.Target{target}, Probes: []config.Probe{probe}}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	p, err := prober.New(cfg, probe, prober.Options{Observer: observer, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// session is a load that has come to its end, and what it did to vLLM's figures.
type session struct {
	step  prober.Step
	seen  []prober.Observation
	delta figures
}

// load sends n requests or, by a hair, more, and lets every one of them end: Stop
// sends no more and cuts none. So what the prober counted and what the server
// counted is exactly the same load.
func (v *replica) load(t *testing.T, n int, change func(*config.Probe)) session {
	t.Helper()
	target, probe := v.probe()
	change(&probe)
	rec := &recorder{}
	p := newProber(t, target, probe, rec)
	rec.onSent = func(sent int) {
		if sent == n {
			p.Stop()
		}
	}
	before := v.idle(t)
	result, err := p.Run(context.Background())
	if len(result.Results) != 1 {
		t.Fatalf("the run made %d steps, not its one: %v", len(result.Results), err)
	}
	s := session{rec.steps[0], rec.seen, v.idle(t).minus(before)}
	if len(s.seen) < n {
		t.Fatalf("%d requests ended, of %d that were sent", len(s.seen), n)
	}
	return s
}

// allOK fails the test at the requests that went wrong.
func (s session) allOK(t *testing.T) {
	t.Helper()
	for _, o := range s.seen {
		if o.Outcome != prober.OK {
			t.Errorf("request %s: %s: %s", o.ID, o.Outcome, o.Err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// asked makes the step's requests a second time, for what they asked for, by
// their ids.
func (s session) asked(t *testing.T, w config.Workload) map[string]workload.Request {
	t.Helper()
	g, err := workload.New(w, "tiny", s.step.RunID, s.step.Seed)
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for _, o := range s.seen {
		n, _ := strconv.Atoi(o.ID[strings.LastIndex(o.ID, "-")+1:])
		last = max(last, n)
	}
	asked := map[string]workload.Request{}
	for i := range last {
		asked[s.step.RunID+"-1-"+strconv.Itoa(i+1)] = g.Next()
	}
	return asked
}

// sum adds up a figure of all requests.
func (s session) sum(of func(*prober.Observation) int) float64 {
	total := 0
	for i := range s.seen {
		total += of(&s.seen[i])
	}
	return float64(total)
}

// meanSeconds is the mean of a duration of all requests, in seconds.
func (s session) meanSeconds(of func(*prober.Observation) time.Duration) float64 {
	total := time.Duration(0)
	for i := range s.seen {
		total += of(&s.seen[i])
	}
	return total.Seconds() / float64(len(s.seen))
}
