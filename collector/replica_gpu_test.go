package collector

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
)

// What is configured is shown with and without a snapshot, what is found only with
// one, and a replica under the name that all its metrics have.
func TestReplicaGPUs(t *testing.T) {
	targets := []config.Target{
		{Name: "a", Replicas: []string{"http://vllm-0:8000/"}, GPUUUIDs: [][]string{{"GPU-x", "GPU-y"}}},
		{Name: "b", Replicas: []string{"http://127.0.0.1:8001"}},
	}
	s := &gpu.Snapshot{GPUs: []gpu.GPU{
		{UUID: "GPU-0", Processes: []gpu.Process{{Listens: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8001")}}}},
	}}
	c := NewReplicaGPUs(func() []config.Target { return targets }, func() (*gpu.Snapshot, bool) { return s, s != nil })
	const head = `
# HELP vllm_prober_replica_gpu_info A GPU that serves a replica, as configured or as found on this machine.
# TYPE vllm_prober_replica_gpu_info gauge
vllm_prober_replica_gpu_info{replica="http://vllm-0:8000",target="a",uuid="GPU-x"} 1
vllm_prober_replica_gpu_info{replica="http://vllm-0:8000",target="a",uuid="GPU-y"} 1
`
	const found = `vllm_prober_replica_gpu_info{replica="http://127.0.0.1:8001",target="b",uuid="GPU-0"} 1
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(head+found)); err != nil {
		t.Error(err)
	}
	s = nil
	if err := testutil.CollectAndCompare(c, strings.NewReader(head)); err != nil {
		t.Error(err)
	}
}
