//go:build linux && cgo

package simulator

import (
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/gpu"
)

// figure is a GPU's figure; it fails the test where there is none.
func figure(t *testing.T, g gpu.GPU, m gpu.Metric) float64 {
	t.Helper()
	for _, v := range g.Values {
		if v.Metric == m {
			return v.Value
		}
	}
	t.Fatalf("no %s", m.Describe().Name)
	return 0
}

// A simulated GPU draws what its replica's load takes, and its energy is that over
// time: 70 W while idle, and 70 + 580·√(5/50) = 253.4 W with 5 of 50 slots in use.
func TestGPUsFollowTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replicas := []*Replica{
			NewReplica(t.Context(), Options{Parameters: FieldReport()}), NewReplica(t.Context(), Options{Parameters: FieldReport()}),
		}
		source, err := GPUs(replicas)
		if err != nil {
			t.Fatal(err)
		}
		look := func() []gpu.GPU {
			s, err := source.Read()
			if err != nil || len(s.GPUs) != 2 {
				t.Fatalf("%+v, %v", s, err)
			}
			return s.GPUs
		}
		look()
		time.Sleep(10 * time.Second)
		idle := look()
		for range 5 {
			replicas[0].Engine().Submit(16, 0, 2000)
		}
		time.Sleep(time.Second)
		look()
		before := look()
		time.Sleep(10 * time.Second)
		busy := look()
		for _, tt := range []struct {
			name      string
			got, want float64
		}{
			{"idle power", figure(t, idle[0], gpu.PowerAverageWatts), 70},
			{"idle energy", figure(t, idle[0], gpu.EnergyJoules), 700},
			{"idle utilisation", figure(t, idle[0], gpu.UtilizationRatio), 0},
			{"busy power", figure(t, busy[0], gpu.PowerAverageWatts), 253.4},
			{"busy energy", figure(t, busy[0], gpu.EnergyJoules) - figure(t, before[0], gpu.EnergyJoules), 2534},
			{"busy utilisation", figure(t, busy[0], gpu.UtilizationRatio), 1},
			{"tensor cores", figure(t, busy[0], gpu.TensorActiveRatio), 0.03},
			{"the other one's power", figure(t, busy[1], gpu.PowerAverageWatts), 70},
		} {
			if tt.got < tt.want*0.999 || tt.got > tt.want*1.001 {
				t.Errorf("%s is %g, want %g", tt.name, tt.got, tt.want)
			}
		}
	})
}

// BenchmarkReadGPUs is one round over 8 simulated GPUs; at one every 5 s, 50 ms of
// it would be 1% of a core.
func BenchmarkReadGPUs(b *testing.B) {
	var replicas []*Replica
	for range 8 {
		replicas = append(replicas, NewReplica(b.Context(), Options{Parameters: FieldReport()}))
	}
	source, err := GPUs(replicas)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if s, err := source.Read(); err != nil || len(s.GPUs) != 8 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(100*b.Elapsed().Seconds()/float64(b.N)/gpu.DefaultInterval.Seconds(), "%ofcore")
}
