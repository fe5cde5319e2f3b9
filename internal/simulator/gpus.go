//go:build linux && cgo

package simulator

import (
	"encoding/binary"
	"math"
	"os"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"

	"vllm_prober/internal/gpu"
)

// GPUs returns what reads the simulated GPUs of replicas, one for each: the code
// that reads real ones, over a driver that is simulated.
func GPUs(replicas []*Replica) (gpu.Source, error) { return gpu.NewReader(newDriver(replicas)), nil }

// What a simulated GPU is like; it resembles an H100.
const (
	idleMilliwatts  = 70_000
	fullMilliwatts  = 650_000
	limitMilliwatts = 700_000
	memoryBytes     = 80 << 30
	weightBytes     = 16 << 30 // of the model
	cacheBytes      = 56 << 30 // of the KV cache, all of it reserved
)

// driver is NVML over simulated GPUs. What it embeds answers nothing by itself:
// each function that the reader calls stands below. The mocks' own
// functions would keep a note of every call for ever.
type driver struct {
	mock.Interface
	cards []*card
}

// card is the GPU of one replica.
type card struct {
	mock.Device
	replica *Replica
	index   int
	began   time.Time // when its energy was 0
	before  float64   // the engine's rootLoad by then
}

func newDriver(replicas []*Replica) *driver {
	d := &driver{}
	for i, r := range replicas {
		d.cards = append(d.cards, &card{replica: r, index: i, began: time.Now(), before: r.engine.counted().rootLoad})
	}
	return d
}

func (d *driver) Init() nvml.Return                              { return nvml.SUCCESS }
func (d *driver) Shutdown() nvml.Return                          { return nvml.SUCCESS }
func (d *driver) Extensions() nvml.ExtendedInterface             { return d }
func (d *driver) LookupSymbol(string) error                      { return nil }
func (d *driver) SystemGetDriverVersion() (string, nvml.Return)  { return "simulated", nvml.SUCCESS }
func (d *driver) SystemGetCudaDriverVersion() (int, nvml.Return) { return 12080, nvml.SUCCESS }
func (d *driver) DeviceGetCount() (int, nvml.Return)             { return len(d.cards), nvml.SUCCESS }

func (d *driver) DeviceGetHandleByIndex(i int) (nvml.Device, nvml.Return) {
	return d.cards[i], nvml.SUCCESS
}
func (d *driver) EventSetCreate() (nvml.EventSet, nvml.Return)  { return &eventSet{}, nvml.SUCCESS }
func (d *driver) GpmSampleAlloc() (nvml.GpmSample, nvml.Return) { return &sample{}, nvml.SUCCESS }

// GpmMetricsGet answers with the load of the newer sample: the memory is what an
// engine waits for while it brings forth token after token.
func (d *driver) GpmMetricsGet(asked *nvml.GpmMetricsGetType) nvml.Return {
	load := asked.Sample2.(*sample).load
	shares := map[nvml.GpmMetricId]float64{
		nvml.GPM_METRIC_SM_UTIL: 0.9, nvml.GPM_METRIC_SM_OCCUPANCY: 0.4, nvml.GPM_METRIC_ANY_TENSOR_UTIL: 0.3,
		nvml.GPM_METRIC_DRAM_BW_UTIL: 0.8, nvml.GPM_METRIC_FP16_UTIL: 0.05, nvml.GPM_METRIC_FP32_UTIL: 0.1, nvml.GPM_METRIC_FP64_UTIL: 0,
	}
	for i := range asked.NumMetrics {
		asked.Metrics[i].Value = 100 * load * shares[nvml.GpmMetricId(asked.Metrics[i].MetricId)]
	}
	return nvml.SUCCESS
}

// eventSet is one in which there is never an event.
type eventSet struct{ mock.EventSet }

func (*eventSet) Wait(uint32) (nvml.EventData, nvml.Return) {
	return nvml.EventData{}, nvml.ERROR_TIMEOUT
}
func (*eventSet) Free() nvml.Return { return nvml.SUCCESS }

// sample is the load of a GPU at one moment.
type sample struct {
	mock.GpmSample
	load float64
}

func (*sample) Free() nvml.Return { return nvml.SUCCESS }

// load is the share of the engine's slots that are in use.
func (c *card) load() float64 {
	return float64(c.replica.engine.State().Running) / float64(c.replica.o.Parameters.MaxNumSeqs)
}

// milliwatts is what the GPU draws: decoding wants much power from the first
// sequence on.
func (c *card) milliwatts() float64 {
	return idleMilliwatts + (fullMilliwatts-idleMilliwatts)*math.Sqrt(c.load())
}

func (c *card) GetUUID() (string, nvml.Return) {
	return GPUUUID(c.index), nvml.SUCCESS
}
func (c *card) GetName() (string, nvml.Return) { return "Simulated GPU 80GB", nvml.SUCCESS }
func (c *card) GetPciInfo() (nvml.PciInfo, nvml.Return) {
	return nvml.PciInfo{Bus: uint32(c.index) + 1}, nvml.SUCCESS
}

func (c *card) GetUtilizationRates() (nvml.Utilization, nvml.Return) {
	load := c.load()
	return nvml.Utilization{Gpu: uint32(100 * math.Ceil(load)), Memory: uint32(100 * load)}, nvml.SUCCESS
}

//nolint:revive,staticcheck // the name is NVML's
func (c *card) GetMemoryInfo_v2() (nvml.Memory_v2, nvml.Return) {
	const used, reserved = weightBytes + cacheBytes, 1 << 29
	return nvml.Memory_v2{Total: memoryBytes, Used: used, Reserved: reserved, Free: memoryBytes - used - reserved}, nvml.SUCCESS
}

func (c *card) GetEnforcedPowerLimit() (uint32, nvml.Return) { return limitMilliwatts, nvml.SUCCESS }

// GetTotalEnergyConsumption is what the GPU drew, over the time since it was there.
func (c *card) GetTotalEnergyConsumption() (uint64, nvml.Return) {
	load := c.replica.engine.counted().rootLoad - c.before
	return uint64(idleMilliwatts*time.Since(c.began).Seconds() + (fullMilliwatts-idleMilliwatts)*load), nvml.SUCCESS
}

func (c *card) GetTemperature(nvml.TemperatureSensors) (uint32, nvml.Return) {
	return 32 + uint32(40*c.load()), nvml.SUCCESS
}

func (c *card) GetClockInfo(t nvml.ClockType) (uint32, nvml.Return) {
	switch {
	case t == nvml.CLOCK_MEM:
		return 2619, nvml.SUCCESS
	case c.load() > 0:
		return 1980, nvml.SUCCESS
	default:
		return 345, nvml.SUCCESS
	}
}
func (c *card) GetMaxClockInfo(nvml.ClockType) (uint32, nvml.Return) { return 1980, nvml.SUCCESS }
func (c *card) GetPerformanceState() (nvml.Pstates, nvml.Return)     { return nvml.PSTATE_0, nvml.SUCCESS }
func (c *card) GetPcieReplayCounter() (int, nvml.Return)             { return 0, nvml.SUCCESS }
func (c *card) RegisterEvents(uint64, nvml.EventSet) nvml.Return     { return nvml.SUCCESS }
func (c *card) GetMigMode() (current, pending int, ret nvml.Return)  { return 0, 0, nvml.SUCCESS }
func (c *card) GetRemappedRows() (int, int, bool, bool, nvml.Return) {
	return 0, 0, false, false, nvml.SUCCESS
}

func (c *card) GetTotalEccErrors(nvml.MemoryErrorType, nvml.EccCounterType) (uint64, nvml.Return) {
	return 0, nvml.SUCCESS
}

func (c *card) GpmQueryDeviceSupport() (nvml.GpmSupport, nvml.Return) {
	return nvml.GpmSupport{IsSupportedDevice: 1}, nvml.SUCCESS
}

func (c *card) GpmSampleGet(s nvml.GpmSample) nvml.Return {
	s.(*sample).load = c.load()
	return nvml.SUCCESS
}

// GetComputeRunningProcesses tells of the process that all simulated replicas
// live in.
func (c *card) GetComputeRunningProcesses() ([]nvml.ProcessInfo, nvml.Return) {
	return []nvml.ProcessInfo{{Pid: uint32(os.Getpid()), UsedGpuMemory: weightBytes + cacheBytes}}, nvml.SUCCESS
}

// GetViolationStatus says that nothing ever held the clocks down, of the reasons
// that have no field.
func (c *card) GetViolationStatus(nvml.PerfPolicyType) (nvml.ViolationTime, nvml.Return) {
	return nvml.ViolationTime{}, nvml.SUCCESS
}

// GetFieldValues knows the fields of power, and bytes that the tokens of answers
// and prompts take.
func (c *card) GetFieldValues(asked []nvml.FieldValue) nvml.Return {
	totals := c.replica.engine.counted()
	values := map[uint32]uint64{
		nvml.FI_DEV_POWER_AVERAGE:       uint64(c.milliwatts()),
		nvml.FI_DEV_POWER_INSTANT:       uint64(c.milliwatts()),
		nvml.FI_DEV_MEMORY_TEMP:         35 + uint64(45*c.load()),
		nvml.FI_DEV_PCIE_COUNT_TX_BYTES: 4 * uint64(totals.output),
		nvml.FI_DEV_PCIE_COUNT_RX_BYTES: 4 * uint64(totals.prompt),
	}
	for i := range asked {
		f := &asked[i]
		value, has := values[f.FieldId]
		if !has {
			f.NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
			continue
		}
		f.NvmlReturn, f.ValueType = uint32(nvml.SUCCESS), uint32(nvml.VALUE_TYPE_UNSIGNED_LONG_LONG)
		binary.NativeEndian.PutUint64(f.Value[:], value)
	}
	return nvml.SUCCESS
}
