package daemon

import (
	"context"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"

	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
	"vllm_prober/internal/simulator"
)

// The daemon lets its probers read the GPUs of their replicas. Each of 2 requests per
// second holds one of the 50 slots for one iteration with a prompt of 128 tokens:
// 27.3 + 0.24 + 0.01 + 128·0.04 ms = 32.67 ms. The GPU's power is by its model 70 W +
// 580 W·√(1/50) for that time, in the mean 75.36 W.
func TestStepsTellOfTheirGPUs(t *testing.T) {
	if _, err := simulator.GPUs(nil); err != nil {
		t.Skip(err)
	}
	cfg := withProbes(probeNamed("p", time.Hour))
	cfg.Probes[0].Ladder.Warmup = time.Second
	cfg.Targets[0].GPUUUIDs = [][]string{{simulator.GPUUUID(0)}}
	inBubble(t, cfg, func(b *bubble) {
		b.Shutdown(context.Background())
		source, err := simulator.GPUs([]*simulator.Replica{b.replica})
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(context.Background())
		defer end()
		b.o.GPUs = gpu.NewPoller(source, gpu.DefaultInterval, slog.New(slog.DiscardHandler))
		go b.o.GPUs.Run(ctx)
		b.start(t)
		time.Sleep(time.Minute)
		const step = `{batch_size="",gpus="1",probe="p",request_rate="2",target="t"}`
		if got := b.value(t, "vllm_prober_step_gpu_power_watts"+step); math.Abs(got-75.36) > 0.02 {
			t.Errorf("power %g W, want 75.36", got)
		}
		if got := b.value(t, `vllm_prober_replica_gpu_info{replica="http://t",target="t",uuid="`+simulator.GPUUUID(0)+`"}`); got != 1 {
			t.Errorf("the replica's GPU is told as %g", got)
		}
	})
}

// onePort is a GPU on which a process computes that listens at a port.
type onePort struct{ gpu.Source }

func (onePort) Read() (*gpu.Snapshot, error) {
	at := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8001")}
	return &gpu.Snapshot{At: time.Now(), GPUs: []gpu.GPU{{UUID: "GPU-a", Up: true, Processes: []gpu.Process{{PID: 1, Listens: at}}}}}, nil
}

// Replicas that were discovered have their GPUs told as those that are listed.
func TestGPUsOfDiscoveredReplicas(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	target := config.DefaultTarget()
	target.Name = "t"
	target.Discovery.StaticConfigs = []*targetgroup.Group{{Targets: []model.LabelSet{
		{model.AddressLabel: "127.0.0.1:8001"}, {model.AddressLabel: "192.0.2.1:8001"},
	}}}
	cfg := &config.Config{Targets: []config.Target{target}}
	poller := gpu.NewPoller(onePort{}, gpu.DefaultInterval, log)
	go poller.Run(t.Context())
	d := New(Options{
		Load: func() (*config.Config, error) { return cfg, nil }, Registry: prometheus.NewRegistry(), Logger: log, GPUs: poller,
	})
	defer d.Shutdown(t.Context())
	if err := d.Apply(cfg); err != nil {
		t.Fatal(err)
	}
	var found []string
	for began := time.Now(); len(found) == 0 && time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
		families, err := d.o.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "vllm_prober_replica_gpu_info" {
				for _, m := range f.GetMetric() {
					found = append(found, m.String())
				}
			}
		}
	}
	if len(found) != 1 || !strings.Contains(found[0], `"GPU-a"`) || !strings.Contains(found[0], `"http://127.0.0.1:8001"`) {
		t.Errorf("found %v", found)
	}
}
