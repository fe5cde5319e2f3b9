//go:build linux && cgo

package gpu

import (
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// gpm is how the units of a GPU are watched, which Hopper and newer ones offer:
// a figure is the mean between two samples.
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
	g := q.device.gpm
	if g == nil {
		return
	}
	sampled := q.do("nvmlGpmSampleGet", func(_ *query, d nvml.Device) nvml.Return { return d.GpmSampleGet(g.now) })
	if !sampled {
		g.begun = false
		return
	}
	if g.begun {
		q.do("nvmlGpmMetricsGet", func(q *query, _ nvml.Device) nvml.Return { return q.compareGPM(g) })
	}
	g.before, g.now, g.begun = g.now, g.before, true
}

func (q *query) compareGPM(g *gpm) nvml.Return {
	asked := &nvml.GpmMetricsGetType{NumMetrics: uint32(len(gpmMetrics)), Sample1: g.before, Sample2: g.now}
	for i, m := range gpmMetrics {
		asked.Metrics[i].MetricId = uint32(m.id)
	}
	ret := q.reader.lib.GpmMetricsGet(asked)
	if ret != nvml.SUCCESS {
		return ret
	}
	for i, m := range gpmMetrics {
		if a := asked.Metrics[i]; nvml.Return(a.NvmlReturn) == nvml.SUCCESS && !math.IsNaN(a.Value) {
			q.add(m.metric, percent.of(a.Value))
		}
	}
	return ret
}
