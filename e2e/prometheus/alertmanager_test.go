package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vllm_prober/alerts"
	"vllm_prober/internal/simulator"
)

// notification is what Alertmanager tells a receiver.
type notification struct {
	Alerts []notified `json:"alerts"`
}

// notified is what it tells of an alert.
type notified struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// receiver keeps what it was last told of the mean TTFT of VLLMLatencyRegression.
type receiver struct {
	mu     sync.Mutex
	latest notified
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(_ http.ResponseWriter, q *http.Request) {
	var n notification
	if json.NewDecoder(q.Body).Decode(&n) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range n.Alerts {
		if a.Labels["alertname"] == "VLLMLatencyRegression" && a.Labels["latency"] == "ttft" && a.Labels["figure"] == "mean" {
			r.latest = a
		}
	}
}

func (r *receiver) was() notified {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest
}

// minutesForDays are settings under which the time goes faster: a baseline of two
// minutes instead of a week, which ends half a minute ago instead of a day. A change
// has to be so large that a busy machine does not make it.
func minutesForDays() alerts.Settings {
	s := alerts.Default()
	s.Baseline, s.BaselineOffset = 2*time.Minute, 30*time.Second
	s.MinChange, s.MinTailChange = 2, 10
	return s
}

// Alertmanager gets the alert of an engine that has become slow, and hears when it
// is as fast as before.
func TestAlertmanagerHearsOfARegression(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	engine := func(iteration time.Duration) *simulator.Replica {
		p := simulator.FieldReport()
		p.Base, p.PerSequence, p.PerSequenceSquared = iteration, 0, 0
		return simulator.NewReplica(ctx, simulator.Options{Parameters: p})
	}
	fast, slow := engine(40*time.Millisecond), engine(240*time.Millisecond)
	var current atomic.Pointer[simulator.Replica]
	current.Store(fast)
	replica := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { current.Load().ServeHTTP(w, q) }))
	defer replica.Close()

	told := &receiver{}
	hook := httptest.NewServer(told)
	defer hook.Close()
	managed := freeAddress(t)
	start(t, managed, "/-/ready", tool(t, "alertmanager"), "--web.listen-address="+managed, "--cluster.listen-address=", "--storage.path="+t.TempDir(),
		"--config.file="+write(t, "alertmanager.yml", fmt.Sprintf(`
route: {receiver: test, group_by: [...], group_wait: 0s, group_interval: 1s}
receivers: [{name: test, webhook_configs: [{url: %q, send_resolved: true}]}]
`, hook.URL)))

	probed := freeAddress(t)
	start(t, probed, "/-/healthy", tool(t, "vllm_prober"), "serve", "--web.listen-address="+probed, "--no-collector.gpu", "--storage.path=",
		"--config.file="+write(t, "vllm_prober.yml", fmt.Sprintf(`
targets: [{name: llama, replicas: [%q], batch_size: 64}]
probes:
- name: ladder
  arms: [{target: llama}]
  workload: {prompt_tokens: 16, output_tokens: 4}
  pacing: {process: constant}
  ladder: {rates: [20], warmup: 1s, window: 2s, cooldown: 0s}
  max_send_lag: 1s
`, replica.URL)))
	s := startPrometheus(t, native, map[string]string{"vllm_prober": probed}, ruleFiles(t, minutesForDays()), managed)

	eventually(t, 5*time.Minute, "the baseline rests on runs that ended half a minute ago", func() bool {
		return s.count(`changes(step:vllm_prober_end_timestamp_seconds:latest[2m] offset 30s) >= 7
			and ignoring (figure) step:vllm_prober_time_to_first_token_seconds:limit_2m{figure="mean"}`) > 0
	})
	if was := told.was(); was.Status != "" {
		t.Errorf("a regression was told before there was one: %v", was)
	}
	current.Store(slow)
	since := time.Now()
	eventually(t, patience, "Alertmanager tells of the regression", func() bool { return told.was().Status == "firing" })
	text := told.was().Annotations
	t.Logf("told %s after the change: %s: %s", time.Since(since).Round(time.Second), text["summary"], text["description"])
	if !strings.Contains(text["summary"], "llama") || text["runbook_url"] == "" || strings.Contains(text["description"], "<error") {
		t.Errorf("its annotations are %q", text)
	}
	current.Store(fast)
	since = time.Now()
	eventually(t, patience, "Alertmanager tells of its end", func() bool { return told.was().Status == "resolved" })
	t.Logf("told %s after the change back: it is resolved", time.Since(since).Round(time.Second))
}
