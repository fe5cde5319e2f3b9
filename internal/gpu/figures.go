//go:build linux && cgo

package gpu

import (
	"encoding/binary"
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// unit is what a figure of NVML's is times and over for it to be in a base unit:
// a thousandth is no binary fraction, and times one a round figure would not stay
// so.
type unit struct{ times, over float64 }

var (
	one     = unit{1, 1}
	percent = unit{1, 100}  // of a ratio
	milli   = unit{1, 1000} // of a watt, a joule
	mega    = unit{1e6, 1}  // of a hertz
	nano    = unit{1, 1e9}  // of a second
	kibi    = unit{1024, 1} // of a byte
)

func (u unit) of(x float64) float64 { return x * u.times / u.over }

// query gathers what one GPU tells in one round.
type query struct {
	reader *Reader
	device *device
	values []Value
	// lost is how the GPU was lost; once it is, nothing more is asked of it.
	lost nvml.Return
}

// do asks a GPU by a function of the driver's library, where it has that.
func (q *query) do(symbol string, read func(*query, nvml.Device) nvml.Return) bool {
	if q.lost != nvml.SUCCESS || !q.reader.has(symbol) {
		return false
	}
	ret := read(q, q.device)
	if isLoss(ret) {
		q.lost = ret
	}
	return ret == nvml.SUCCESS
}

func (q *query) add(m Metric, value float64) { q.addOf(m, "", value) }

func (q *query) addOf(m Metric, label string, value float64) {
	q.values = append(q.values, Value{Metric: m, Label: label, Value: value})
}

// number reads a figure that is one number, in a unit.
func number[T uint32 | uint64 | int](m Metric, in unit, read func(nvml.Device) (T, nvml.Return)) func(*query, nvml.Device) nvml.Return {
	return func(q *query, d nvml.Device) nvml.Return {
		x, ret := read(d)
		if ret == nvml.SUCCESS {
			q.add(m, in.of(float64(x)))
		}
		return ret
	}
}

// readings are the figures that have a function each, with its symbol.
var readings = []struct {
	symbol string
	read   func(*query, nvml.Device) nvml.Return
}{
	{"nvmlDeviceGetMemoryInfo", readMemory},
	{"nvmlDeviceGetEnforcedPowerLimit", number(PowerLimitWatts, milli, nvml.Device.GetEnforcedPowerLimit)},
	{"nvmlDeviceGetTemperature", number(TemperatureCelsius, one, func(d nvml.Device) (uint32, nvml.Return) {
		return d.GetTemperature(nvml.TEMPERATURE_GPU)
	})},
	{"nvmlDeviceGetClockInfo", number(SMClockHertz, mega, func(d nvml.Device) (uint32, nvml.Return) {
		return d.GetClockInfo(nvml.CLOCK_SM)
	})},
	{"nvmlDeviceGetClockInfo", number(MemoryClockHertz, mega, func(d nvml.Device) (uint32, nvml.Return) {
		return d.GetClockInfo(nvml.CLOCK_MEM)
	})},
	{"nvmlDeviceGetMaxClockInfo", number(SMClockMaxHertz, mega, func(d nvml.Device) (uint32, nvml.Return) {
		return d.GetMaxClockInfo(nvml.CLOCK_SM)
	})},
	{"nvmlDeviceGetPerformanceState", readPerformanceState},
	{"nvmlDeviceGetTotalEccErrors", readECC("corrected", nvml.MEMORY_ERROR_TYPE_CORRECTED)},
	{"nvmlDeviceGetTotalEccErrors", readECC("uncorrected", nvml.MEMORY_ERROR_TYPE_UNCORRECTED)},
	{"nvmlDeviceGetRemappedRows", readRemappedRows},
	{"nvmlDeviceGetPcieReplayCounter", number(PCIeReplays, one, nvml.Device.GetPcieReplayCounter)},
}

// readEnergy and readUtilization read figures that a GPU's readings within a step
// have, too.
func (q *query) readEnergy() {
	q.do("nvmlDeviceGetTotalEnergyConsumption", number(EnergyJoules, milli, nvml.Device.GetTotalEnergyConsumption))
}

func (q *query) readUtilization() { q.do("nvmlDeviceGetUtilizationRates", readUtilization) }

func readUtilization(q *query, d nvml.Device) nvml.Return {
	u, ret := d.GetUtilizationRates()
	if ret == nvml.SUCCESS {
		q.add(UtilizationRatio, percent.of(float64(u.Gpu)))
		q.add(MemoryActivityRatio, percent.of(float64(u.Memory)))
	}
	return ret
}

// readMemory prefers the function that tells apart what the driver reserved.
func readMemory(q *query, d nvml.Device) nvml.Return {
	if q.reader.has("nvmlDeviceGetMemoryInfo_v2") {
		if m, ret := d.GetMemoryInfo_v2(); ret == nvml.SUCCESS {
			q.add(MemoryTotalBytes, float64(m.Total))
			q.add(MemoryUsedBytes, float64(m.Used))
			q.add(MemoryReservedBytes, float64(m.Reserved))
			return nvml.SUCCESS
		}
	}
	m, ret := d.GetMemoryInfo()
	if ret == nvml.SUCCESS {
		q.add(MemoryTotalBytes, float64(m.Total))
		q.add(MemoryUsedBytes, float64(m.Used))
	}
	return ret
}

func readPerformanceState(q *query, d nvml.Device) nvml.Return {
	state, ret := d.GetPerformanceState()
	if ret == nvml.SUCCESS && state != nvml.PSTATE_UNKNOWN {
		q.add(PerformanceState, float64(state))
	}
	return ret
}

func readECC(label string, kind nvml.MemoryErrorType) func(*query, nvml.Device) nvml.Return {
	return func(q *query, d nvml.Device) nvml.Return {
		n, ret := d.GetTotalEccErrors(kind, nvml.AGGREGATE_ECC)
		if ret == nvml.SUCCESS {
			q.addOf(ECCErrors, label, float64(n))
		}
		return ret
	}
}

func readRemappedRows(q *query, d nvml.Device) nvml.Return {
	correctable, uncorrectable, pending, failure, ret := d.GetRemappedRows()
	if ret == nvml.SUCCESS {
		q.addOf(RemappedRows, "correctable", float64(correctable))
		q.addOf(RemappedRows, "uncorrectable", float64(uncorrectable))
		q.add(RowRemapPending, truth(pending))
		q.add(RowRemapFailure, truth(failure))
	}
	return ret
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// allLinks asks for the sum over all NVLinks.
const allLinks = math.MaxUint32

// fields are the figures that NVML has as fields of one call.
var fields = []struct {
	id, scope uint32
	metric    Metric
	in        unit
}{
	{id: nvml.FI_DEV_POWER_AVERAGE, metric: PowerAverageWatts, in: milli},
	{id: nvml.FI_DEV_POWER_INSTANT, metric: PowerInstantWatts, in: milli},
	{id: nvml.FI_DEV_MEMORY_TEMP, metric: MemoryTemperatureCelsius, in: one},
	{id: nvml.FI_DEV_PCIE_COUNT_TX_BYTES, metric: PCIeTransmittedBytes, in: one},
	{id: nvml.FI_DEV_PCIE_COUNT_RX_BYTES, metric: PCIeReceivedBytes, in: one},
	{id: nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_TX, scope: allLinks, metric: NVLinkTransmittedBytes, in: kibi},
	{id: nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_RX, scope: allLinks, metric: NVLinkReceivedBytes, in: kibi},
}

// clockEvents are the reasons for which clocks are held down. Drivers before the
// fields know only some of them, by a function of its own.
var clockEvents = []struct {
	label  string
	id     uint32
	policy nvml.PerfPolicyType
	older  bool // whether policy is there
}{
	{"sw_power_cap", nvml.FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP, nvml.PERF_POLICY_POWER, true},
	{"sw_thermal_slowdown", nvml.FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN, nvml.PERF_POLICY_THERMAL, true},
	{"hw_thermal_slowdown", nvml.FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN, 0, false},
	{"hw_power_brake", nvml.FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN, 0, false},
	{"sync_boost", nvml.FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST, nvml.PERF_POLICY_SYNC_BOOST, true},
	{"board_limit", nvml.FI_DEV_PERF_POLICY_BOARD_LIMIT, nvml.PERF_POLICY_BOARD_LIMIT, true},
	{"reliability", nvml.FI_DEV_PERF_POLICY_RELIABILITY, nvml.PERF_POLICY_RELIABILITY, true},
}

// ask reads some fields in one call, and says false where there is none.
func (q *query) ask(asked []nvml.FieldValue) bool {
	return q.do("nvmlDeviceGetFieldValues", func(_ *query, d nvml.Device) nvml.Return { return d.GetFieldValues(asked) })
}

// readFields reads the fields, and what older drivers have instead.
func (q *query) readFields() {
	asked := make([]nvml.FieldValue, len(fields))
	for i, f := range fields {
		asked[i] = nvml.FieldValue{FieldId: f.id, ScopeId: f.scope}
	}
	answered, power := q.ask(asked), false
	for i, f := range fields {
		if x, ok := fieldValue(asked[i]); ok && answered && !wraps(f.metric, asked[i]) {
			q.add(f.metric, f.in.of(x))
			power = power || f.metric == PowerInstantWatts
		}
	}
	if !power { // NVML's older function says, depending on the GPU, the one or the other
		q.do("nvmlDeviceGetPowerUsage", number(PowerInstantWatts, milli, nvml.Device.GetPowerUsage))
	}
}

// readClockEvents reads for how long the clocks were held down.
func (q *query) readClockEvents() {
	asked := make([]nvml.FieldValue, len(clockEvents))
	for i, e := range clockEvents {
		asked[i].FieldId = e.id
	}
	answered := q.ask(asked)
	for i, e := range clockEvents {
		if x, ok := fieldValue(asked[i]); ok && answered {
			q.addOf(ClockEventSeconds, e.label, nano.of(x))
		} else if e.older {
			q.do("nvmlDeviceGetViolationStatus", func(q *query, d nvml.Device) nvml.Return {
				v, ret := d.GetViolationStatus(e.policy)
				if ret == nvml.SUCCESS {
					q.addOf(ClockEventSeconds, e.label, nano.of(float64(v.ViolationTime)))
				}
				return ret
			})
		}
	}
}

// wraps says whether a counter of bytes has but 32 bits: it would be full several
// times between two looks.
func wraps(m Metric, f nvml.FieldValue) bool {
	return (m == PCIeTransmittedBytes || m == PCIeReceivedBytes) && nvml.ValueType(f.ValueType) == nvml.VALUE_TYPE_UNSIGNED_INT
}

// fieldValue is a field's value, which NVML gives as a union; it says false where
// the field was not answered.
func fieldValue(f nvml.FieldValue) (float64, bool) {
	if nvml.Return(f.NvmlReturn) != nvml.SUCCESS {
		return 0, false
	}
	bits := binary.NativeEndian.Uint64(f.Value[:])
	half := binary.NativeEndian.Uint32(f.Value[:4])
	switch nvml.ValueType(f.ValueType) {
	case nvml.VALUE_TYPE_DOUBLE:
		return math.Float64frombits(bits), true
	case nvml.VALUE_TYPE_UNSIGNED_INT:
		return float64(half), true
	case nvml.VALUE_TYPE_UNSIGNED_LONG, nvml.VALUE_TYPE_UNSIGNED_LONG_LONG: // a long has 64 bits on Linux
		return float64(bits), true
	case nvml.VALUE_TYPE_SIGNED_LONG_LONG:
		return float64(int64(bits)), true
	case nvml.VALUE_TYPE_SIGNED_INT:
		return float64(int32(half)), true
	case nvml.VALUE_TYPE_UNSIGNED_SHORT:
		return float64(binary.NativeEndian.Uint16(f.Value[:2])), true
	default:
		return 0, false
	}
}
