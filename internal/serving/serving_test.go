package serving

import (
	"net/netip"
	"slices"
	"sync"
	"testing"

	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
)

// process is what computes on a GPU, beside one that listens nowhere.
func process(listens ...string) []gpu.Process {
	var p gpu.Process
	for _, l := range listens {
		p.Listens = append(p.Listens, netip.MustParseAddrPort(l))
	}
	return []gpu.Process{{}, p}
}

// The configuration goes first; else it is who listens where the URL leads to on
// this machine. Replicas that were discovered are in no configuration.
func TestGPUs(t *testing.T) {
	listed := config.Target{
		Replicas: []string{"http://vllm-0:8000/", "http://127.0.0.1:8001"}, GPUUUIDs: [][]string{{"GPU-x", "GPU-y"}, {}},
	}
	s := &gpu.Snapshot{GPUs: []gpu.GPU{
		{UUID: "GPU-0", Processes: process("0.0.0.0:8001")},
		{UUID: "GPU-1", Processes: process("127.0.0.1:8001", "127.0.0.1:443")},
		{UUID: "GPU-2", Processes: process("192.0.2.9:8002")},
		{UUID: "GPU-3"},
	}}
	for _, tt := range []struct {
		name    string
		target  config.Target
		replica string
		on      *gpu.Snapshot
		want    []string
	}{
		{"configured", listed, "http://vllm-0:8000", s, []string{"GPU-x", "GPU-y"}},
		{"configured, and asked for as the prober writes it", listed, "http://vllm-0:8000/", s, []string{"GPU-x", "GPU-y"}},
		{"configured, without a snapshot", listed, "http://vllm-0:8000", nil, []string{"GPU-x", "GPU-y"}},
		{"an empty list", listed, "http://127.0.0.1:8001", s, []string{"GPU-0", "GPU-1"}},
		{"discovered", config.Target{}, "http://127.0.0.1:8001/", s, []string{"GPU-0", "GPU-1"}},
		{"by name, at the scheme's port", config.Target{}, "https://localhost/v", s, []string{"GPU-1"}},
		{"another machine's", config.Target{}, "http://192.0.2.1:8001", s, nil},
		{"nobody listens there", config.Target{}, "http://127.0.0.1:8002", s, nil},
		{"without a snapshot", config.Target{}, "http://127.0.0.1:8001", nil, nil},
	} {
		if got := On(tt.on).GPUs(tt.target, tt.replica); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Where the configuration or the GPUs suffice for the answer, the system is not asked
// for this machine's addresses; else it is, once.
func TestAddressesAreAskedForWhereTheyAreNeeded(t *testing.T) {
	listed := config.Target{Replicas: []string{"http://127.0.0.1:8001"}, GPUUUIDs: [][]string{{"GPU-x"}}}
	busy := []gpu.GPU{{UUID: "GPU-0", Processes: process("127.0.0.1:8001")}}
	for _, tt := range []struct {
		name   string
		target config.Target
		gpus   []gpu.GPU
		asked  int
	}{
		{"configured", listed, busy, 0},
		{"no GPU", config.Target{}, nil, 0},
		{"idle GPUs", config.Target{}, []gpu.GPU{{UUID: "GPU-0"}}, 0},
		{"to be found", config.Target{}, busy, 1},
	} {
		asked := 0
		m := Machine{gpus: tt.gpus, local: sync.OnceValue(func() []netip.Addr {
			asked++
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		})}
		for range 3 {
			m.GPUs(tt.target, "http://127.0.0.1:8001")
		}
		if asked != tt.asked {
			t.Errorf("%s: asked %d times, want %d", tt.name, asked, tt.asked)
		}
	}
}
