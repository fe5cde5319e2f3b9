//go:build linux && cgo

package gpu

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
)

// driver is an NVML of mocks with the GPUs that a test gives it.
type driver struct {
	gpus    []*card
	init    nvml.Return     // what Init answers
	lacks   map[string]bool // functions that the library does not have
	begun   int
	samples int
}

// card is a GPU of a driver: what it answers to everything, unless it is lost.
type card struct {
	uuid    string
	ret     nvml.Return                  // what all its functions answer
	fields  map[uint32]nvml.FieldValue   // by the field's number
	refuses map[string]nvml.Return       // what some of its functions answer
	xids    []uint64                     // that wait to be taken
	mig     []nvml.Device                // its instances
	tenants []nvml.ProcessInfo           // its processes
	gpm     map[nvml.GpmMetricId]float64 // nil where it has none
	links   map[uint32]map[uint32]uint64 // the bytes of links, by the field's number and the link's
}

func (d *driver) nvml() nvml.Interface {
	return &mock.Interface{
		ExtensionsFunc: func() nvml.ExtendedInterface {
			return &mock.ExtendedInterface{LookupSymbolFunc: func(name string) error {
				if d.lacks[name] {
					return errors.New("no such symbol")
				}
				return nil
			}}
		},
		InitFunc: func() nvml.Return {
			d.begun++
			return d.init
		},
		ShutdownFunc:                   func() nvml.Return { return nvml.SUCCESS },
		SystemGetDriverVersionFunc:     func() (string, nvml.Return) { return "550.54.15", nvml.SUCCESS },
		SystemGetCudaDriverVersionFunc: func() (int, nvml.Return) { return 12040, nvml.SUCCESS },
		DeviceGetCountFunc:             func() (int, nvml.Return) { return len(d.gpus), nvml.SUCCESS },
		DeviceGetHandleByIndexFunc: func(i int) (nvml.Device, nvml.Return) {
			return d.gpus[i].device(i), d.gpus[i].ret
		},
		EventSetCreateFunc: func() (nvml.EventSet, nvml.Return) { return &mock.EventSet{}, nvml.SUCCESS },
		GpmSampleAllocFunc: func() (nvml.GpmSample, nvml.Return) {
			d.samples++
			return &mock.GpmSample{FreeFunc: func() nvml.Return { d.samples--; return nvml.SUCCESS }}, nvml.SUCCESS
		},
		GpmMetricsGetFunc: func(asked *nvml.GpmMetricsGetType) nvml.Return {
			for i := range asked.NumMetrics {
				x, has := d.gpus[0].gpm[nvml.GpmMetricId(asked.Metrics[i].MetricId)]
				asked.Metrics[i].Value = x
				if !has {
					asked.Metrics[i].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
				}
			}
			return nvml.SUCCESS
		},
	}
}

// answers is what a function of the card answers.
func (c *card) answers(name string) nvml.Return {
	if c.ret != nvml.SUCCESS {
		return c.ret
	}
	return c.refuses[name]
}

func (c *card) device(index int) nvml.Device {
	return &mock.Device{
		GetUUIDFunc: func() (string, nvml.Return) { return c.uuid, c.answers("UUID") },
		GetNameFunc: func() (string, nvml.Return) { return "NVIDIA H100 80GB HBM3", c.answers("Name") },
		GetPciInfoFunc: func() (nvml.PciInfo, nvml.Return) {
			return nvml.PciInfo{Domain: 0, Bus: 0x3b + uint32(index), Device: 0}, c.answers("PciInfo")
		},
		GetUtilizationRatesFunc: func() (nvml.Utilization, nvml.Return) {
			return nvml.Utilization{Gpu: 87, Memory: 34}, c.answers("UtilizationRates")
		},
		GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) {
			return nvml.Memory{Total: 80 << 30, Used: 71 << 30, Free: 9 << 30}, c.answers("MemoryInfo")
		},
		GetMemoryInfo_v2Func: func() (nvml.Memory_v2, nvml.Return) {
			return nvml.Memory_v2{Total: 80 << 30, Used: 70 << 30, Reserved: 1 << 30, Free: 9 << 30}, c.answers("MemoryInfo_v2")
		},
		GetEnforcedPowerLimitFunc:     func() (uint32, nvml.Return) { return 700_000, c.answers("EnforcedPowerLimit") },
		GetPowerUsageFunc:             func() (uint32, nvml.Return) { return 333_000, c.answers("PowerUsage") },
		GetTotalEnergyConsumptionFunc: func() (uint64, nvml.Return) { return 123_456_789, c.answers("TotalEnergyConsumption") },
		GetTemperatureFunc: func(nvml.TemperatureSensors) (uint32, nvml.Return) {
			return 61, c.answers("Temperature")
		},
		GetClockInfoFunc: func(t nvml.ClockType) (uint32, nvml.Return) {
			return map[nvml.ClockType]uint32{nvml.CLOCK_SM: 1755, nvml.CLOCK_MEM: 2619}[t], c.answers("ClockInfo")
		},
		GetMaxClockInfoFunc:     func(nvml.ClockType) (uint32, nvml.Return) { return 1980, c.answers("MaxClockInfo") },
		GetPerformanceStateFunc: func() (nvml.Pstates, nvml.Return) { return nvml.PSTATE_0, c.answers("PerformanceState") },
		GetTotalEccErrorsFunc: func(e nvml.MemoryErrorType, counter nvml.EccCounterType) (uint64, nvml.Return) {
			if counter != nvml.AGGREGATE_ECC {
				return 99, nvml.SUCCESS
			}
			return map[nvml.MemoryErrorType]uint64{nvml.MEMORY_ERROR_TYPE_CORRECTED: 7, nvml.MEMORY_ERROR_TYPE_UNCORRECTED: 2}[e], c.answers("TotalEccErrors")
		},
		GetRemappedRowsFunc: func() (int, int, bool, bool, nvml.Return) {
			return 3, 1, true, false, c.answers("RemappedRows")
		},
		GetPcieReplayCounterFunc: func() (int, nvml.Return) { return 5, c.answers("PcieReplayCounter") },
		GetFieldValuesFunc: func(asked []nvml.FieldValue) nvml.Return {
			for i := range asked {
				f, has := c.fields[asked[i].FieldId]
				if bytes, is := c.links[asked[i].FieldId][asked[i].ScopeId]; is {
					f, has = field(bytes, asked[i].ScopeId), true
				}
				if !has || f.ScopeId != asked[i].ScopeId {
					asked[i].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
					continue
				}
				asked[i].Value, asked[i].ValueType = f.Value, f.ValueType
			}
			return c.answers("FieldValues")
		},
		GetViolationStatusFunc: func(p nvml.PerfPolicyType) (nvml.ViolationTime, nvml.Return) {
			return nvml.ViolationTime{ViolationTime: uint64(p+1) * 1e9}, c.answers("ViolationStatus")
		},
		RegisterEventsFunc: func(_ uint64, set nvml.EventSet) nvml.Return {
			set.(*mock.EventSet).WaitFunc = c.wait
			set.(*mock.EventSet).FreeFunc = func() nvml.Return { return nvml.SUCCESS }
			return c.answers("RegisterEvents")
		},
		GpmQueryDeviceSupportFunc: func() (nvml.GpmSupport, nvml.Return) {
			return nvml.GpmSupport{IsSupportedDevice: uint32(min(len(c.gpm), 1))}, c.answers("GpmQueryDeviceSupport")
		},
		GpmSampleGetFunc: func(nvml.GpmSample) nvml.Return { return c.answers("GpmSampleGet") },
		GpmMigSampleGetFunc: func(instance int, _ nvml.GpmSample) nvml.Return {
			if instance != 9 {
				return nvml.ERROR_INVALID_ARGUMENT
			}
			return c.answers("GpmMigSampleGet")
		},
		GetMigModeFunc: func() (int, int, nvml.Return) {
			return min(len(c.mig), 1), min(len(c.mig), 1), c.answers("MigMode")
		},
		GetMaxMigDeviceCountFunc: func() (int, nvml.Return) { return 7, c.answers("MaxMigDeviceCount") },
		GetMigDeviceHandleByIndexFunc: func(i int) (nvml.Device, nvml.Return) {
			if i >= len(c.mig) {
				return nil, nvml.ERROR_NOT_FOUND
			}
			return c.mig[i], c.answers("MigDeviceHandleByIndex")
		},
		GetComputeRunningProcessesFunc: func() ([]nvml.ProcessInfo, nvml.Return) {
			return c.tenants, c.answers("ComputeRunningProcesses")
		},
	}
}

func (c *card) wait(uint32) (nvml.EventData, nvml.Return) {
	if c.ret != nvml.SUCCESS && len(c.xids) == 0 {
		return nvml.EventData{}, c.ret
	}
	if len(c.xids) == 0 {
		return nvml.EventData{}, nvml.ERROR_TIMEOUT
	}
	x := c.xids[0]
	c.xids = c.xids[1:]
	return nvml.EventData{EventType: nvml.EventTypeXidCriticalError, EventData: x}, nvml.SUCCESS
}

// field is a field's value of 64 bits.
func field(value uint64, scope uint32) nvml.FieldValue {
	f := nvml.FieldValue{ScopeId: scope, ValueType: uint32(nvml.VALUE_TYPE_UNSIGNED_LONG_LONG)}
	binary.NativeEndian.PutUint64(f.Value[:], value)
	return f
}

// full is a card that offers everything.
func full(uuid string) *card {
	instance := &mock.Device{
		GetUUIDFunc:              func() (string, nvml.Return) { return "MIG-1", nvml.SUCCESS },
		GetNameFunc:              func() (string, nvml.Return) { return "NVIDIA H100 80GB HBM3 MIG 1g.10gb", nvml.SUCCESS },
		GetGpuInstanceIdFunc:     func() (int, nvml.Return) { return 9, nvml.SUCCESS },
		GetComputeInstanceIdFunc: func() (int, nvml.Return) { return 0, nvml.SUCCESS },
		GetMemoryInfoFunc:        func() (nvml.Memory, nvml.Return) { return nvml.Memory{Total: 10 << 30, Used: 4 << 30}, nvml.SUCCESS },
	}
	return &card{
		uuid: uuid, refuses: map[string]nvml.Return{}, mig: []nvml.Device{instance},
		fields: map[uint32]nvml.FieldValue{
			nvml.FI_DEV_POWER_AVERAGE: field(412_500, 0), nvml.FI_DEV_POWER_INSTANT: field(420_000, 0), nvml.FI_DEV_MEMORY_TEMP: field(72, 0),
			nvml.FI_DEV_PCIE_COUNT_TX_BYTES: field(1_000_001, 0), nvml.FI_DEV_PCIE_COUNT_RX_BYTES: field(2_000_002, 0),
			nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_TX: field(3, 1<<32-1), nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_RX: field(4, 1<<32-1),
			nvml.FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP: field(1_500_000_000, 0), nvml.FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN: field(2_000_000_000, 0),
			nvml.FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN: field(250_000_000, 0), nvml.FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN: field(0, 0),
			nvml.FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST: field(4_000_000_000, 0), nvml.FI_DEV_PERF_POLICY_BOARD_LIMIT: field(5_000_000_000, 0),
			nvml.FI_DEV_PERF_POLICY_RELIABILITY: field(6_000_000_000, 0),
		},
		tenants: []nvml.ProcessInfo{{Pid: 17, UsedGpuMemory: 60 << 30}, {Pid: 18, UsedGpuMemory: 1<<64 - 1}, {Pid: 17, UsedGpuMemory: 1 << 30}},
		gpm: map[nvml.GpmMetricId]float64{
			nvml.GPM_METRIC_SM_UTIL: 90, nvml.GPM_METRIC_SM_OCCUPANCY: 40, nvml.GPM_METRIC_ANY_TENSOR_UTIL: 30, nvml.GPM_METRIC_DRAM_BW_UTIL: 75,
			nvml.GPM_METRIC_FP16_UTIL: 5, nvml.GPM_METRIC_FP32_UTIL: 10, nvml.GPM_METRIC_FP64_UTIL: 0,
		},
	}
}

// inTime runs a test in synthetic time.
func inTime(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// read reads, and fails the test where that fails.
func read(t *testing.T, r *Reader) *Snapshot {
	t.Helper()
	s, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// value finds a figure; it says false where it is absent.
func value(values []Value, m Metric, label string) (float64, bool) {
	i := slices.IndexFunc(values, func(v Value) bool { return v.Metric == m && v.Label == label })
	if i < 0 {
		return 0, false
	}
	return values[i].Value, true
}

// Every figure has its unit: what NVML answers, converted by hand.
func TestReadEverything(t *testing.T) {
	c := full("GPU-a")
	c.xids = []uint64{31, 79, 31}
	r := NewReader((&driver{gpus: []*card{c}}).nvml())
	before := time.Now()
	read(t, r)
	s := read(t, r) // GPM compares two rounds
	if s.Driver != "550.54.15" || s.CUDA != "12.4" || len(s.GPUs) != 1 {
		t.Fatalf("%+v", s)
	}
	g := s.GPUs[0]
	if g.UUID != "GPU-a" || g.Index != 0 || g.Name != "NVIDIA H100 80GB HBM3" || g.PCIBusID != "0000:3b:00.0" || !g.Up {
		t.Errorf("%+v", g)
	}
	const gib = 1 << 30
	wants := []Value{
		{UtilizationRatio, "", 0.87},
		{MemoryActivityRatio, "", 0.34},
		{MemoryTotalBytes, "", 80 * gib},
		{MemoryUsedBytes, "", 70 * gib},
		{MemoryReservedBytes, "", gib},
		{PowerAverageWatts, "", 412.5},
		{PowerInstantWatts, "", 420},
		{PowerLimitWatts, "", 700},
		{EnergyJoules, "", 123456.789},
		{TemperatureCelsius, "", 61},
		{MemoryTemperatureCelsius, "", 72},
		{SMClockHertz, "", 1.755e9},
		{SMClockMaxHertz, "", 1.98e9},
		{MemoryClockHertz, "", 2.619e9},
		{ClockEventSeconds, "sw_power_cap", 1.5},
		{ClockEventSeconds, "sw_thermal_slowdown", 2},
		{ClockEventSeconds, "hw_thermal_slowdown", 0.25},
		{ClockEventSeconds, "hw_power_brake", 0},
		{ClockEventSeconds, "sync_boost", 4},
		{ClockEventSeconds, "board_limit", 5},
		{ClockEventSeconds, "reliability", 6},
		{PerformanceState, "", 0},
		{ECCErrors, "corrected", 7},
		{ECCErrors, "uncorrected", 2},
		{RemappedRows, "correctable", 3},
		{RemappedRows, "uncorrectable", 1},
		{RowRemapPending, "", 1},
		{RowRemapFailure, "", 0},
		{XIDErrors, "", 3},
		{PCIeTransmittedBytes, "", 1_000_001},
		{PCIeReceivedBytes, "", 2_000_002},
		{PCIeReplays, "", 5},
		{NVLinkTransmittedBytes, "", 3072},
		{NVLinkReceivedBytes, "", 4096},
		{SMActiveRatio, "", 0.9},
		{SMOccupancyRatio, "", 0.4},
		{TensorActiveRatio, "", 0.3},
		{DRAMActiveRatio, "", 0.75},
		{FP16ActiveRatio, "", 0.05},
		{FP32ActiveRatio, "", 0.1},
		{FP64ActiveRatio, "", 0},
	}
	for _, want := range wants {
		got, found := value(g.Values, want.Metric, want.Label)
		if !found || got != want.Value {
			t.Errorf("%s{%s} is %g, %t, want %g", want.Metric.Describe().Name, want.Label, got, found, want.Value)
		}
	}
	for _, xid := range []string{"31", "79"} {
		at, found := value(g.Values, XIDLastSeconds, xid)
		if !found || at < float64(before.Unix()) || at > float64(time.Now().Unix()+1) {
			t.Errorf("XID %s was last seen at %f, %t", xid, at, found)
		}
	}
	if len(g.Values) != len(wants)+2 {
		t.Errorf("%d values, want %d", len(g.Values), len(wants)+2)
	}
	instance := g.Instances[0]
	if len(g.Instances) != 1 || instance.UUID != "MIG-1" || instance.GPUInstance != 9 || instance.ComputeInstance != 0 ||
		!slices.Equal(instance.Values, []Value{
			{MIGMemoryTotalBytes, "", 10 * gib},
			{MIGMemoryUsedBytes, "", 4 * gib},
			{SMActiveRatio, "", 0.9},
			{SMOccupancyRatio, "", 0.4},
			{TensorActiveRatio, "", 0.3},
			{DRAMActiveRatio, "", 0.75},
			{FP16ActiveRatio, "", 0.05},
			{FP32ActiveRatio, "", 0.1},
			{FP64ActiveRatio, "", 0},
		}) {
		t.Errorf("%+v", g.Instances)
	}
	if p := g.Processes; len(p) != 2 || p[0].PID != 17 || p[0].MemoryBytes != 61*gib || p[1].PID != 18 || p[1].MemoryBytes != -1 {
		t.Errorf("%+v", g.Processes)
	}
}

// What a GPU does not support is absent, and never 0.
func TestNotSupportedIsAbsence(t *testing.T) {
	c := full("GPU-a")
	c.fields, c.mig, c.gpm = nil, nil, nil
	for _, name := range []string{
		"UtilizationRates", "MemoryInfo", "MemoryInfo_v2", "EnforcedPowerLimit", "PowerUsage", "TotalEnergyConsumption", "Temperature", "ClockInfo",
		"MaxClockInfo", "PerformanceState", "TotalEccErrors", "RemappedRows", "PcieReplayCounter", "ViolationStatus", "RegisterEvents", "MigMode",
		"ComputeRunningProcesses", "Name", "PciInfo",
	} {
		c.refuses[name] = nvml.ERROR_NOT_SUPPORTED
	}
	s := read(t, NewReader((&driver{gpus: []*card{c}}).nvml()))
	g := s.GPUs[0]
	if !g.Up || len(g.Values) != 1 || g.Values[0].Metric != XIDErrors || len(g.Instances) != 0 || len(g.Processes) != 0 {
		t.Errorf("%+v", g)
	}
}

// Older drivers and GPUs have other functions for some figures.
func TestOlderFunctions(t *testing.T) {
	c := full("GPU-a")
	c.fields = nil
	r := NewReader((&driver{gpus: []*card{c}, lacks: map[string]bool{"nvmlDeviceGetMemoryInfo_v2": true}}).nvml())
	g := read(t, r).GPUs[0]
	for _, want := range []Value{
		{MemoryUsedBytes, "", 71 << 30},
		{PowerInstantWatts, "", 333},
		{ClockEventSeconds, "sw_power_cap", 1},
		{ClockEventSeconds, "sw_thermal_slowdown", 2},
		{ClockEventSeconds, "sync_boost", 3},
		{ClockEventSeconds, "board_limit", 4},
		{ClockEventSeconds, "reliability", 6},
	} {
		if got, found := value(g.Values, want.Metric, want.Label); !found || got != want.Value {
			t.Errorf("%s{%s} is %g, %t, want %g", want.Metric.Describe().Name, want.Label, got, found, want.Value)
		}
	}
	for _, absent := range []Value{{Metric: MemoryReservedBytes}, {Metric: PowerAverageWatts}, {Metric: ClockEventSeconds, Label: "hw_power_brake"}} {
		if _, found := value(g.Values, absent.Metric, absent.Label); found {
			t.Errorf("%s{%s} is there", absent.Metric.Describe().Name, absent.Label)
		}
	}
}

// A counter of bytes with 32 bits is full in a tenth of a second, and is none.
func TestACounterOf32BitsIsAbsent(t *testing.T) {
	c := full("GPU-a")
	short := field(77, 0)
	short.ValueType = uint32(nvml.VALUE_TYPE_UNSIGNED_INT)
	c.fields[nvml.FI_DEV_PCIE_COUNT_TX_BYTES] = short
	g := read(t, NewReader((&driver{gpus: []*card{c}}).nvml())).GPUs[0]
	if _, found := value(g.Values, PCIeTransmittedBytes, ""); found {
		t.Error("it is there")
	}
}

// A function that the library lacks is never called: here a call would panic, in
// the real library it ends the process.
func TestMissingFunctionsAreNotCalled(t *testing.T) {
	everything := []string{"nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID"}
	lib := (&driver{gpus: []*card{{uuid: "GPU-a"}}}).nvml().(*mock.Interface)
	lib.ExtensionsFunc = func() nvml.ExtendedInterface {
		return &mock.ExtendedInterface{LookupSymbolFunc: func(name string) error {
			if slices.Contains(everything, name) {
				return nil
			}
			return errors.New("no such symbol")
		}}
	}
	// Whatever the reader asks of this device but its UUID panics.
	lib.DeviceGetHandleByIndexFunc = func(int) (nvml.Device, nvml.Return) {
		return &mock.Device{GetUUIDFunc: func() (string, nvml.Return) { return "GPU-a", nvml.SUCCESS }}, nvml.SUCCESS
	}
	lib.SystemGetDriverVersionFunc, lib.SystemGetCudaDriverVersionFunc, lib.EventSetCreateFunc, lib.GpmSampleAllocFunc = nil, nil, nil, nil
	if s := read(t, NewReader(lib)); len(s.GPUs) != 1 || !s.GPUs[0].Up {
		t.Errorf("%+v", s)
	}
	everything = nil
	if _, err := NewReader(lib).Read(); err == nil || !strings.Contains(err.Error(), "too old") {
		t.Errorf("a library without anything: %v", err)
	}
}

// Where Init fails, nothing else is called, and it is tried again.
func TestNoLibrary(t *testing.T) {
	begun := 0
	r := NewReader(&mock.Interface{InitFunc: func() nvml.Return { begun++; return nvml.ERROR_LIBRARY_NOT_FOUND }})
	for range 2 {
		if s, err := r.Read(); s != nil || err == nil || !strings.Contains(err.Error(), "libnvidia-ml.so.1 was not found") {
			t.Errorf("%v, %v", s, err)
		}
	}
	if begun != 2 {
		t.Errorf("begun %d times, want at each round", begun)
	}
}

// A lost GPU is told, keeps its XID errors, and takes nothing from the others; once
// it was reset, it is found again.
func TestALostGPU(t *testing.T) {
	inTime(t, func(t *testing.T) {
		a, b := full("GPU-a"), full("GPU-b")
		d := &driver{gpus: []*card{a, b}}
		r := NewReader(d.nvml())
		read(t, r)
		b.ret, b.xids = nvml.ERROR_GPU_IS_LOST, []uint64{79}
		s, err := r.Read()
		if err == nil || !strings.Contains(err.Error(), "GPU 1 (GPU-b): the GPU is lost") {
			t.Error(err)
		}
		check := func() {
			t.Helper()
			if len(s.GPUs) != 2 || !s.GPUs[0].Up || len(s.GPUs[0].Values) < 30 || s.GPUs[1].Up || s.GPUs[1].UUID != "GPU-b" {
				t.Fatalf("%+v", s)
			}
			if n, _ := value(s.GPUs[1].Values, XIDErrors, ""); n != 1 || len(s.GPUs[1].Values) != 2 {
				t.Errorf("the lost GPU has %+v", s.GPUs[1].Values)
			}
		}
		check()
		time.Sleep(retryLost) // NVML is begun anew, and does not name it any more
		for range 2 {
			s, err = r.Read()
		}
		if d.begun != 2 || err == nil {
			t.Errorf("begun %d times, want anew after %s: %v", d.begun, retryLost, err)
		}
		check()
		b.ret = nvml.SUCCESS
		time.Sleep(retryLost)
		_, _ = r.Read()
		if s := read(t, r); !s.GPUs[1].Up {
			t.Errorf("it is back: %+v", s)
		}
		if d.samples != 8 {
			t.Errorf("%d samples are held, want 2 for each GPU and each instance", d.samples)
		}
	})
}

// A driver that is unloaded and loaded again is begun anew, at the next round.
func TestADriverThatReloads(t *testing.T) {
	c := full("GPU-a")
	c.xids = []uint64{13}
	d := &driver{gpus: []*card{c}}
	r := NewReader(d.nvml())
	read(t, r)
	c.ret, d.init = nvml.ERROR_UNINITIALIZED, nvml.ERROR_DRIVER_NOT_LOADED
	for _, want := range []string{"the driver is gone", "the driver is not loaded"} {
		if s, err := r.Read(); s != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v, want %s", s, err, want)
		}
	}
	c.ret, d.init = nvml.SUCCESS, nvml.SUCCESS
	g := read(t, r).GPUs[0]
	if n, _ := value(g.Values, XIDErrors, ""); !g.Up || n != 1 {
		t.Errorf("%t, %g XID errors: the reload forgot the count", g.Up, n)
	}
}

// What a driver answers is no valid label; it does not stop the page.
func TestNamesThatAreNoText(t *testing.T) {
	g := read(t, NewReader((&driver{gpus: []*card{full("GPU-\xff\xfe")}}).nvml())).GPUs[0]
	if g.UUID != "GPU-?" {
		t.Errorf("%q", g.UUID)
	}
}

func TestFieldValues(t *testing.T) {
	minus := uint64(1<<64 - 5)
	for name, tt := range map[string]struct {
		kind nvml.ValueType
		bits uint64
		want float64
	}{
		"double":    {nvml.VALUE_TYPE_DOUBLE, 0x3ff8000000000000, 1.5},
		"32 bits":   {nvml.VALUE_TYPE_UNSIGNED_INT, 1<<32 + 7, 7},
		"64 bits":   {nvml.VALUE_TYPE_UNSIGNED_LONG, 1<<32 + 7, 1<<32 + 7},
		"signed":    {nvml.VALUE_TYPE_SIGNED_LONG_LONG, minus, -5},
		"signed 32": {nvml.VALUE_TYPE_SIGNED_INT, minus, -5},
		"16 bits":   {nvml.VALUE_TYPE_UNSIGNED_SHORT, 1<<16 + 9, 9},
	} {
		f := field(tt.bits, 0)
		f.ValueType = uint32(tt.kind)
		if got, ok := fieldValue(f); !ok || got != tt.want {
			t.Errorf("%s: %g, %t, want %g", name, got, ok, tt.want)
		}
	}
	unknown := field(1, 0)
	unknown.ValueType = 99
	if _, ok := fieldValue(unknown); ok {
		t.Error("a value of an unknown type was read")
	}
}
