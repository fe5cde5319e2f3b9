package collector

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
)

func TestReplicaGPUs(t *testing.T) {
	cfg := &config.Config{Targets: []config.Target{
		{
			Name: "a", Replicas: []string{"http://vllm-0:8000", "http://127.0.0.1:8001", "https://localhost/v", "http://192.0.2.1:8001"},
			GPUUUIDs: [][]string{{"GPU-x", "GPU-y"}},
		},
		{Name: "b", Replicas: []string{"http://127.0.0.1:8002"}, GPUUUIDs: [][]string{{}}},
	}}
	process := func(listens ...string) []gpu.Process {
		var p gpu.Process
		for _, l := range listens {
			p.Listens = append(p.Listens, netip.MustParseAddrPort(l))
		}
		return []gpu.Process{{}, p}
	}
	s := &gpu.Snapshot{GPUs: []gpu.GPU{
		{UUID: "GPU-0", Processes: process("0.0.0.0:8001")},
		{UUID: "GPU-1", Processes: process("127.0.0.1:8001", "127.0.0.1:443")},
		{UUID: "GPU-2", Processes: process("192.0.2.9:8002")},
		{UUID: "GPU-3"},
	}}
	c := NewReplicaGPUs(func() *config.Config { return cfg }, func() (*gpu.Snapshot, bool) { return s, s != nil })
	const head = `
# HELP vllm_prober_replica_gpu_info A GPU that serves a replica, as configured or as found on this machine.
# TYPE vllm_prober_replica_gpu_info gauge
vllm_prober_replica_gpu_info{replica="http://vllm-0:8000",target="a",uuid="GPU-x"} 1
vllm_prober_replica_gpu_info{replica="http://vllm-0:8000",target="a",uuid="GPU-y"} 1
`
	const found = `vllm_prober_replica_gpu_info{replica="http://127.0.0.1:8001",target="a",uuid="GPU-0"} 1
vllm_prober_replica_gpu_info{replica="http://127.0.0.1:8001",target="a",uuid="GPU-1"} 1
vllm_prober_replica_gpu_info{replica="https://localhost/v",target="a",uuid="GPU-1"} 1
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(head+found)); err != nil {
		t.Error(err)
	}
	s = nil // what is configured does not need it
	if err := testutil.CollectAndCompare(c, strings.NewReader(head)); err != nil {
		t.Error(err)
	}
}
