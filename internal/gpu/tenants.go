//go:build linux && cgo

package gpu

import (
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// readInstances reads a GPU's MIG instances; it has none while MIG is off.
func (q *query) readInstances() []Instance {
	for _, symbol := range []string{"nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex"} {
		if !q.reader.has(symbol) {
			return nil
		}
	}
	enabled := false
	q.do("nvmlDeviceGetMigMode", func(_ *query, d nvml.Device) nvml.Return {
		current, _, ret := d.GetMigMode()
		enabled = ret == nvml.SUCCESS && current == nvml.DEVICE_MIG_ENABLE
		return ret
	})
	if !enabled {
		return nil
	}
	var instances []Instance
	q.do("nvmlDeviceGetMaxMigDeviceCount", func(q *query, d nvml.Device) nvml.Return {
		most, ret := d.GetMaxMigDeviceCount()
		for i := range most {
			// The places of instances that are not there are empty.
			if handle, ret := d.GetMigDeviceHandleByIndex(i); ret == nvml.SUCCESS {
				if instance, ok := q.reader.readInstance(handle); ok {
					instances = append(instances, instance)
				}
			}
		}
		return ret
	})
	return instances
}

func (r *Reader) readInstance(handle nvml.Device) (Instance, bool) {
	uuid, ret := handle.GetUUID()
	if ret != nvml.SUCCESS {
		return Instance{}, false
	}
	i := Instance{UUID: printable(uuid), Name: r.nameOf(handle), GPUInstance: -1, ComputeInstance: -1}
	if r.has("nvmlDeviceGetGpuInstanceId") {
		if id, ret := handle.GetGpuInstanceId(); ret == nvml.SUCCESS {
			i.GPUInstance = id
		}
	}
	if r.has("nvmlDeviceGetComputeInstanceId") {
		if id, ret := handle.GetComputeInstanceId(); ret == nvml.SUCCESS {
			i.ComputeInstance = id
		}
	}
	if r.has("nvmlDeviceGetMemoryInfo") {
		if m, ret := handle.GetMemoryInfo(); ret == nvml.SUCCESS {
			i.Values = append(i.Values, Value{Metric: MIGMemoryTotalBytes, Value: float64(m.Total)},
				Value{Metric: MIGMemoryUsedBytes, Value: float64(m.Used)})
		}
	}
	return i, true
}

// unknownMemory is how NVML says that it does not know a process's memory.
const unknownMemory = math.MaxUint64

// readProcesses reads who computes on a GPU.
func (q *query) readProcesses() []Process {
	symbol := ""
	for _, s := range []string{
		"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2", "nvmlDeviceGetComputeRunningProcesses",
	} {
		if symbol == "" && q.reader.has(s) {
			symbol = s
		}
	}
	if symbol == "" {
		return nil
	}
	// A process may stand there several times, once for each MIG instance.
	memory := map[int]int64{}
	var order []int
	q.do(symbol, func(_ *query, d nvml.Device) nvml.Return {
		found, ret := d.GetComputeRunningProcesses()
		if ret != nvml.SUCCESS {
			return ret
		}
		for _, p := range found {
			pid := int(p.Pid)
			if _, seen := memory[pid]; !seen {
				order = append(order, pid)
			}
			switch {
			case p.UsedGpuMemory == unknownMemory || memory[pid] < 0:
				memory[pid] = -1
			default:
				memory[pid] += int64(p.UsedGpuMemory)
			}
		}
		return ret
	})
	processes := make([]Process, len(order))
	for i, pid := range order {
		processes[i] = Process{PID: pid, MemoryBytes: memory[pid]}
	}
	return processes
}
