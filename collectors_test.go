package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"vllm_prober/internal/simulator"
)

// The daemon sees a wedged engine, whose /health says that all is well, within a step.
func TestServeSeesAWedgedEngine(t *testing.T) {
	f := fleet(t, 1, simulator.Options{Faults: []simulator.FaultShare{{Fault: simulator.Wedged, Share: 1}}})
	config := probing(f.URLs[0]) + "  timeouts: {first_token: 500ms}\n"
	d := serveConfig(t, config, "--collector.replica.interval=1s")
	up := func(check string) string {
		return fmt.Sprintf(`vllm_prober_replica_up{check=%q,replica=%q,target="t"}`, check, f.URLs[0])
	}
	d.is(up("stream"), 0)
	for _, check := range []string{"health", "models", "metrics"} {
		d.is(up(check), 1)
	}
	d.is(fmt.Sprintf(`vllm_prober_replica_requests_waiting{engine="0",replica=%q,target="t"}`, f.URLs[0]), 0)
}

// Replicas come and go with the configuration, and none is asked without the collector.
func TestServeAsksTheReplicasOfItsConfiguration(t *testing.T) {
	f := fleet(t, 2, simulator.Options{})
	up := func(i int) string {
		return fmt.Sprintf(`vllm_prober_replica_up{check="health",replica=%q,target="t"}`, f.URLs[i])
	}
	d := serveConfig(t, probing(f.URLs[0]))
	d.is(up(0), 1)
	d.is(`vllm_prober_collector_success{collector="replica"}`, 1)
	d.rewrite(probing(f.URLs[1]))
	if status, body := d.do(http.MethodPost, "/-/reload"); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	d.is(up(1), 1)
	if _, found := d.value(up(0)); found {
		t.Error("a replica that is gone from the configuration still has series")
	}

	without := serveConfig(t, probing(f.URLs[0]), "--no-collector.replica")
	without.is(`vllm_prober_runs_total{probe="p",result="success"}`, 1)
	if _, body := without.do(http.MethodGet, "/metrics"); strings.Contains(body, "vllm_prober_replica_up") || strings.Contains(body, `collector="replica"`) {
		t.Error("there is a collector of replicas")
	}
}

func TestMistakenReplicaInterval(t *testing.T) {
	p := start(t, "serve", "--config.file="+write(t, "config.yml", probing("http://127.0.0.1:1")), "--storage.path=", "--collector.replica.interval=10ms")
	if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), "--collector.replica.interval: 10ms; allowed: 1s or more") {
		t.Errorf("status %d: %s", status, p.stderr.String())
	}
}

// oldReplica serves the /metrics of a vLLM 0.6, and nothing else.
func oldReplica(t *testing.T) (url string) {
	t.Helper()
	page, err := os.ReadFile("internal/replica/testdata/vllm-0.6.txt")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path != "/metrics" {
			http.NotFound(w, q)
			return
		}
		_, _ = w.Write(page)
	}))
	t.Cleanup(server.Close)
	return server.URL
}
