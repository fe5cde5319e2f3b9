//go:build linux && cgo

package gpu

import (
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// gpm is how the units of a GPU, or of a GPU instance of it, are watched, which
// Hopper and newer ones offer: a figure is the mean between two samples.
type gpm struct {
	before, now nvml.GpmSample
	begun       bool // whether before holds a sample
}

// gpmMetrics are percentages in NVML.
var gpmMetrics = []struct {
	id     nvml.GpmMetricId
	metric Metric
}{
	{nvml.GPM_METRIC_SM_UTIL, SMActiveRatio},
	{nvml.GPM_METRIC_SM_OCCUPANCY, SMOccupancyRatio},
	{nvml.GPM_METRIC_ANY_TENSOR_UTIL, TensorActiveRatio},
	{nvml.GPM_METRIC_DRAM_BW_UTIL, DRAMActiveRatio},
	{nvml.GPM_METRIC_FP16_UTIL, FP16ActiveRatio},
	{nvml.GPM_METRIC_FP32_UTIL, FP32ActiveRatio},
	{nvml.GPM_METRIC_FP64_UTIL, FP64ActiveRatio},
}

// beginGPM returns nil where the GPU or its driver offers none.
func (r *Reader) beginGPM(d nvml.Device) *gpm {
	for _, symbol := range []string{
		"nvmlGpmQueryDeviceSupport", "nvmlGpmSampleAlloc", "nvmlGpmSampleFree", "nvmlGpmSampleGet", "nvmlGpmMetricsGet",
	} {
		if !r.has(symbol) {
			return nil
		}
	}
	if support, ret := d.GpmQueryDeviceSupport(); ret != nvml.SUCCESS || support.IsSupportedDevice == 0 {
		return nil
	}
	return r.newGPM()
}

// newGPM returns nil where the driver has no more samples to give.
func (r *Reader) newGPM() *gpm {
	before, ret := r.lib.GpmSampleAlloc()
	if ret != nvml.SUCCESS {
		return nil
	}
	now, ret := r.lib.GpmSampleAlloc()
	if ret != nvml.SUCCESS {
		_ = before.Free() // nobody is left to tell
		return nil
	}
	return &gpm{before: before, now: now}
}

func (g *gpm) end() {
	if g != nil {
		_ = g.before.Free() // NVML is about to be ended
		_ = g.now.Free()
	}
}

// readGPM reads the means since the round before.
func (q *query) readGPM() {
	if g := q.device.gpm; g != nil {
		q.values = append(q.values, q.sampleGPM(g, "nvmlGpmSampleGet", func(d nvml.Device) nvml.Return { return d.GpmSampleGet(g.now) })...)
	}
}

// readInstancesGPM reads the same of MIG instances. NVML watches GPU instances:
// what it tells of one is of all compute instances in it.
func (q *query) readInstancesGPM(instances []Instance) {
	if q.device.gpm == nil {
		return
	}
	before, watched := q.device.instances, map[int]*gpm{}
	q.device.instances = watched
	values := map[int][]Value{}
	for i := range instances {
		id := instances[i].GPUInstance
		if id < 0 {
			continue
		}
		if _, seen := watched[id]; !seen {
			g := before[id]
			if g == nil {
				g = q.reader.newGPM()
			}
			if g == nil {
				continue
			}
			watched[id] = g
			values[id] = q.sampleGPM(g, "nvmlGpmMigSampleGet", func(d nvml.Device) nvml.Return { return d.GpmMigSampleGet(id, g.now) })
		}
		instances[i].Values = append(instances[i].Values, values[id]...)
	}
	for id, g := range before {
		if watched[id] != g {
			g.end() // the instance was destroyed
		}
	}
}

// sampleGPM takes a sample by a function of the driver's library, and compares it
// with the one before.
func (q *query) sampleGPM(g *gpm, symbol string, sample func(nvml.Device) nvml.Return) (values []Value) {
	if !q.do(symbol, func(_ *query, d nvml.Device) nvml.Return { return sample(d) }) {
		g.begun = false
		return nil
	}
	if g.begun {
		q.do("nvmlGpmMetricsGet", func(q *query, _ nvml.Device) (ret nvml.Return) {
			values, ret = q.compareGPM(g)
			return ret
		})
	}
	g.before, g.now, g.begun = g.now, g.before, true
	return values
}

func (q *query) compareGPM(g *gpm) (values []Value, ret nvml.Return) {
	asked := &nvml.GpmMetricsGetType{NumMetrics: uint32(len(gpmMetrics)), Sample1: g.before, Sample2: g.now}
	for i, m := range gpmMetrics {
		asked.Metrics[i].MetricId = uint32(m.id)
	}
	if ret = q.reader.lib.GpmMetricsGet(asked); ret != nvml.SUCCESS {
		return nil, ret
	}
	for i, m := range gpmMetrics {
		if a := asked.Metrics[i]; nvml.Return(a.NvmlReturn) == nvml.SUCCESS && !math.IsNaN(a.Value) {
			values = append(values, Value{Metric: m.metric, Value: percent.of(a.Value)})
		}
	}
	return values, ret
}
