//go:build e2e && linux

package vllm_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// collected is what a collector tells of the replica: values by metric, and by
// what distinguishes its series.
type collected struct {
	values map[string]float64
	info   map[string]string // the labels of replica_info
}

func collect(t *testing.T, replicas *collector.Replicas) collected {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(replicas)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	c := collected{values: map[string]float64{}}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			name := strings.TrimPrefix(family.GetName(), "vllm_prober_")
			if name == "replica_info" {
				c.info = labels
			}
			c.values[strings.TrimSpace(name+" "+labels["check"]+labels["engine"])] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return c
}

// collecting is a collector of the replica, and a prober that it observes.
type collecting struct {
	t        *testing.T
	replicas *collector.Replicas
	prober   *prober.Prober
}

// during makes a run, in which something is to come true.
func (k *collecting) during(what string, holds func(collected) bool) {
	k.t.Helper()
	ctx, cut := context.WithTimeout(k.t.Context(), 2*time.Minute)
	defer cut()
	ended := make(chan error, 1)
	go func() {
		_, err := k.prober.Run(ctx)
		ended <- err
	}()
	seen := false
	for {
		seen = seen || holds(collect(k.t, k.replicas))
		select {
		case err := <-ended:
			if err != nil {
				k.t.Errorf("%s: %v", what, err)
			}
			if !seen {
				k.t.Fatalf("never: %s; at the end %+v", what, collect(k.t, k.replicas))
			}
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// isWell holds what the collector tells of a replica with nothing to do against
// what is known of it, and against its own figures.
func (k *collecting) isWell(own figures) {
	k.t.Helper()
	c := collect(k.t, k.replicas)
	k.t.Logf("%+v", c)
	for name, want := range map[string]float64{
		"replica_up health": 1, "replica_up models": 1, "replica_up metrics": 1, "replica_up stream": 1,
		"replica_requests_running 0": 0, "replica_requests_waiting 0": 0, "replica_preemptions_total 0": 0, "collector_success": 1,
		"replica_prefix_cache_queries_total 0": own["vllm:prefix_cache_queries_total"],
		"replica_prefix_cache_hits_total 0":    own[prefixCacheHits],
		"replica_kv_cache_usage_ratio 0":       own["vllm:kv_cache_usage_perc"],
	} {
		if got, found := c.values[name]; !found || got != want {
			k.t.Errorf("%s is %g, %t, want %g", name, got, found, want)
		}
	}
	if c.info["model"] != "tiny" || c.info["max_model_len"] != "2048" || c.info["block_size"] != "32" || c.info["version"] == "" {
		k.t.Errorf("it runs %v", c.info)
	}
	if tokens, err := strconv.Atoi(c.info["kv_cache_tokens"]); err != nil || tokens < 2048 {
		k.t.Errorf("its KV cache holds %q tokens", c.info["kv_cache_tokens"])
	}
}

// TestCollector: the collector of replicas reads all that it exports from the real
// vLLM, sees its engine stand still while /health answers, and go on again.
func TestCollector(t *testing.T) {
	server.idle(t)
	target, probe := server.probe()
	replicas := collector.NewReplicas(time.Second, nil, slog.New(slog.NewTextHandler(t.Output(), nil)))
	defer replicas.Close()
	if err := replicas.Set([]config.Target{target}); err != nil {
		t.Fatal(err)
	}
	probe.Ladder = config.Ladder{Rates: []float64{2}, Window: 15 * time.Second, Drain: 15 * time.Second, Repeats: 1}
	probe.Pacing.Process = config.Constant
	probe.Workload.OutputTokens.Fixed = 128
	probe.Timeouts.FirstToken = 5 * time.Second
	k := &collecting{t: t, replicas: replicas, prober: newProber(t, target, probe, replicas)}

	k.during("requests run and the engine streams", func(c collected) bool {
		return c.values["replica_requests_running 0"] > 0 && c.values["replica_up stream"] == 1
	})
	own := server.idle(t)
	time.Sleep(3 * time.Second) // another reading
	k.isWell(own)

	engine := engineProcess(t)
	if err := syscall.Kill(engine, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(engine, syscall.SIGCONT) }() // whatever the test comes to
	wedged := func(c collected) bool {
		return c.values["replica_up health"] == 1 && c.values["replica_up models"] == 1 && c.values["replica_up stream"] == 0
	}
	k.during("/health answers and the engine does not stream", wedged)
	if c := collect(t, replicas); !wedged(c) {
		t.Errorf("at the end of the step of a wedged engine: %+v", c)
	}
	if err := syscall.Kill(engine, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	k.during("the engine streams again", func(c collected) bool { return c.values["replica_up stream"] == 1 })
}

// engineProcess is the process of the server's engine, which is not the one that
// answers HTTP.
func engineProcess(t *testing.T) (pid int) {
	t.Helper()
	titles, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, title := range titles {
		text, _ := os.ReadFile(title) // it may have ended
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(title)))
		if err == nil && strings.HasPrefix(string(text), "VLLM::EngineCore") && isOurs(id) {
			return id
		}
	}
	t.Fatal("vLLM's engine has no process of its own")
	return 0
}

// isOurs says whether a process descends from this one.
func isOurs(pid int) bool {
	for pid > 1 && pid != os.Getpid() {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return false
		}
		_, rest, _ := strings.Cut(string(status), "\nPPid:")
		parent, _, _ := strings.Cut(rest, "\n")
		if pid, err = strconv.Atoi(strings.TrimSpace(parent)); err != nil {
			return false
		}
	}
	return pid == os.Getpid()
}
