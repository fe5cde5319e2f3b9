package collector

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"vllm_prober/internal/golden"
	"vllm_prober/internal/gpu"
)

// aSnapshot has every metric: of one GPU that is whole and of one that is lost.
func aSnapshot() *gpu.Snapshot {
	whole := gpu.GPU{
		UUID: "GPU-a", Name: "NVIDIA H100 80GB HBM3", PCIBusID: "0000:3b:00.0", Up: true,
		Instances: []gpu.Instance{{UUID: "MIG-1", Name: "1g.10gb", GPUInstance: 9, ComputeInstance: -1}},
		Processes: []gpu.Process{{PID: 17, MemoryBytes: 1 << 30, Pod: "0a1b"}, {PID: 18, MemoryBytes: -1}},
	}
	for m := range gpu.MetricCount {
		v := gpu.Value{Metric: m, Value: float64(m) + 0.5}
		if m.Describe().Label != "" {
			v.Label = "x"
		}
		if m == gpu.MIGMemoryTotalBytes || m == gpu.MIGMemoryUsedBytes {
			whole.Instances[0].Values = append(whole.Instances[0].Values, v)
		} else {
			whole.Values = append(whole.Values, v)
		}
	}
	lost := gpu.GPU{UUID: "GPU-b", Index: 1, Values: []gpu.Value{{Metric: gpu.XIDErrors, Value: 1}}}
	return &gpu.Snapshot{At: time.Now(), Driver: "550.54.15", CUDA: "12.4", GPUs: []gpu.GPU{whole, lost}}
}

// source is one whose GPUs are not measured.
type source struct {
	gpu.Source
	read func() (*gpu.Snapshot, error)
}

func (s source) Read() (*gpu.Snapshot, error) { return s.read() }

// seen collects in synthetic time: what is there a while after one snapshot.
func seen(t *testing.T, after time.Duration, look func(c *GPU)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		first := true
		poller := gpu.NewPoller(source{read: func() (*gpu.Snapshot, error) {
			time.Sleep(125 * time.Millisecond)
			if !first {
				return nil, errors.New("the driver is gone")
			}
			first = false
			s := aSnapshot()
			s.At = s.At.Add(-125 * time.Millisecond)
			return s, nil
		}}, 5*time.Second, slog.New(slog.DiscardHandler))
		go poller.Run(ctx)
		time.Sleep(after)
		synctest.Wait()
		look(NewGPU(poller))
		end()
		synctest.Wait()
	})
}

// exposed is what a collector shows, as text.
func exposed(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestGPU(t *testing.T) {
	seen(t, time.Second, func(c *GPU) {
		golden.Check(t, "gpu.txt", exposed(t, c))
		problems, err := testutil.CollectAndLint(c)
		if err != nil || len(problems) > 0 {
			t.Errorf("%v, %+v", err, problems)
		}
	})
}

// Stale figures are dropped; what is left says why.
func TestStaleGPU(t *testing.T) {
	seen(t, 16*time.Second, func(c *GPU) {
		got := exposed(t, c)
		for _, want := range []string{
			`vllm_prober_collector_success{collector="gpu"} 0`, `vllm_prober_collector_duration_seconds{collector="gpu"} 0.125`,
			`vllm_prober_gpu_snapshot_age_seconds 16`,
		} {
			if !strings.Contains(got, "\n"+want+"\n") {
				t.Errorf("no line %s in\n%s", want, got)
			}
		}
		if strings.Contains(got, "GPU-a") {
			t.Errorf("there is a stale figure:\n%s", got)
		}
	})
}

// BenchmarkCollectGPUs is a scrape of 8 GPUs that offer everything.
func BenchmarkCollectGPUs(b *testing.B) {
	poller := gpu.NewPoller(source{read: func() (*gpu.Snapshot, error) {
		s := aSnapshot()
		whole := s.GPUs[0]
		s.GPUs = nil
		for i := range 8 {
			whole.UUID = "GPU-" + string(rune('a'+i))
			s.GPUs = append(s.GPUs, whole)
		}
		return s, nil
	}}, time.Hour, slog.New(slog.DiscardHandler))
	go poller.Run(b.Context())
	for poller.Status().Snapshot == nil {
		time.Sleep(time.Millisecond)
	}
	c := NewGPU(poller)
	metrics := make(chan prometheus.Metric, 10000)
	for b.Loop() {
		c.Collect(metrics)
		for len(metrics) > 0 {
			<-metrics
		}
	}
}
