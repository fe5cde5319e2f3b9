//go:build linux && cgo

package gpu

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
)

// What a GPU is measured by is what a whole reading has of the same, and nothing
// else.
func TestMeasure(t *testing.T) {
	r := NewReader((&driver{gpus: []*card{full("GPU-a"), full("GPU-b")}}).nvml())
	if _, err := r.Measure([]string{"GPU-b"}); err == nil || !strings.Contains(err.Error(), "not been found yet") {
		t.Errorf("before anything was read: %v", err)
	}
	read(t, r)
	got, err := r.Measure([]string{"GPU-b"})
	if err != nil || len(got) != 1 || got[0].UUID != "GPU-b" {
		t.Fatalf("%+v, %v", got, err)
	}
	wants := []Value{
		{EnergyJoules, "", 123456.789},
		{UtilizationRatio, "", 0.87},
		{MemoryActivityRatio, "", 0.34},
		{ClockEventSeconds, "sw_power_cap", 1.5},
		{ClockEventSeconds, "sw_thermal_slowdown", 2},
		{ClockEventSeconds, "hw_thermal_slowdown", 0.25},
		{ClockEventSeconds, "hw_power_brake", 0},
		{ClockEventSeconds, "sync_boost", 4},
		{ClockEventSeconds, "board_limit", 5},
		{ClockEventSeconds, "reliability", 6},
	}
	for _, want := range wants {
		if x, found := value(got[0].Values, want.Metric, want.Label); !found || x != want.Value {
			t.Errorf("%s{%s} is %g, %t, want %g", want.Metric.Describe().Name, want.Label, x, found, want.Value)
		}
	}
	if len(got[0].Values) != len(wants) {
		t.Errorf("%d values, want %d", len(got[0].Values), len(wants))
	}
	if _, err := r.Measure([]string{"GPU-a", "GPU-c"}); err == nil || !strings.Contains(err.Error(), "no GPU GPU-c") {
		t.Errorf("a GPU that is not there: %v", err)
	}
}

// The time of a reading is that of its energy, in the middle of the call.
func TestMeasuredInTheMiddleOfTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lib := (&driver{gpus: []*card{full("GPU-a")}}).nvml().(*mock.Interface)
		find := lib.DeviceGetHandleByIndexFunc
		lib.DeviceGetHandleByIndexFunc = func(i int) (nvml.Device, nvml.Return) {
			d, ret := find(i)
			d.(*mock.Device).GetTotalEnergyConsumptionFunc = func() (uint64, nvml.Return) {
				time.Sleep(40 * time.Millisecond)
				return 1000, nvml.SUCCESS
			}
			return d, ret
		}
		r := NewReader(lib)
		read(t, r)
		began := time.Now()
		got, err := r.Measure([]string{"GPU-a"})
		if err != nil || got[0].At.Sub(began) != 20*time.Millisecond {
			t.Errorf("%+v, %v, begun at %s", got, err, began)
		}
	})
}

// A GPU that is lost is no reading, and leaves it to a whole one to begin anew;
// what the driver does not offer is absent.
func TestMeasuringWhatIsNotThere(t *testing.T) {
	a, b := full("GPU-a"), full("GPU-b")
	d := &driver{gpus: []*card{a, b}, lacks: map[string]bool{"nvmlDeviceGetTotalEnergyConsumption": true}}
	r := NewReader(d.nvml())
	read(t, r)
	b.ret = nvml.ERROR_GPU_IS_LOST
	if _, err := r.Measure([]string{"GPU-a", "GPU-b"}); err == nil || !strings.Contains(err.Error(), "GPU-b: the GPU is lost") {
		t.Errorf("a lost GPU: %v", err)
	}
	got, err := r.Measure([]string{"GPU-a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, found := value(got[0].Values, EnergyJoules, ""); found || len(got[0].Values) != 9 || d.begun != 1 {
		t.Errorf("%+v, begun %d times", got, d.begun)
	}
}
