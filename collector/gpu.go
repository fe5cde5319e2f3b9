package collector

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/gpu"
)

// GPU shows the latest snapshot of a poller: a scrape never waits for a driver.
// A figure that a GPU does not offer, and all of them once they are stale, are
// absent.
type GPU struct {
	poller *gpu.Poller
	info   *prometheus.Desc
	up     *prometheus.Desc
	age    *prometheus.Desc
	mig    *prometheus.Desc
	memory *prometheus.Desc
	pod    *prometheus.Desc
	values [gpu.MetricCount]*prometheus.Desc
}

// NewGPU returns a collector of what a poller sees.
func NewGPU(poller *gpu.Poller) *GPU {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
	}
	c := &GPU{
		poller: poller,
		info: desc("gpu_info", "A GPU; to be joined to other metrics by its uuid.",
			"uuid", "index", "name", "driver_version", "cuda_version", "pci_bus_id"),
		up:  desc("gpu_up", "Whether a GPU that was there before still answers.", "uuid"),
		age: desc("gpu_snapshot_age_seconds", "Age of what is shown of the GPUs."),
		mig: desc("gpu_mig_info", "A MIG instance, and the GPU that it is part of.",
			"uuid", "gpu_uuid", "name", "gpu_instance", "compute_instance"),
		memory: desc("gpu_process_memory_used_bytes", "Memory of a GPU that a process uses.", "uuid", "pid"),
		pod:    desc("gpu_pod_info", "A Kubernetes pod that has a process on a GPU.", "uuid", "pod_uid"),
	}
	for m := range gpu.MetricCount {
		d := m.Describe()
		labels := []string{"uuid"}
		if d.Label != "" {
			labels = append(labels, d.Label)
		}
		c.values[m] = desc(d.Name, d.Help, labels...)
	}
	return c
}

// Describe describes nothing: collectors that gather by themselves share some
// names.
func (c *GPU) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *GPU) Collect(metrics chan<- prometheus.Metric) {
	status := c.poller.Status()
	tellCollection(metrics, "gpu", status.Duration, status.Success)
	if status.Snapshot != nil {
		metrics <- gauge(c.age, time.Since(status.Snapshot.At).Seconds())
	}
	s, fresh := c.poller.Fresh()
	if !fresh {
		return
	}
	for _, g := range s.GPUs {
		metrics <- gauge(c.info, 1, g.UUID, strconv.Itoa(g.Index), g.Name, s.Driver, s.CUDA, g.PCIBusID)
		metrics <- gauge(c.up, oneIf(g.Up), g.UUID)
		c.show(metrics, g.UUID, g.Values)
		for _, i := range g.Instances {
			metrics <- gauge(c.mig, 1, i.UUID, g.UUID, i.Name, instanceID(i.GPUInstance), instanceID(i.ComputeInstance))
			c.show(metrics, i.UUID, i.Values)
		}
		c.showProcesses(metrics, g)
	}
}

func (c *GPU) showProcesses(metrics chan<- prometheus.Metric, g gpu.GPU) {
	pods := map[string]bool{}
	for _, p := range g.Processes {
		if p.MemoryBytes >= 0 {
			metrics <- gauge(c.memory, float64(p.MemoryBytes), g.UUID, strconv.Itoa(p.PID))
		}
		if p.Pod != "" && !pods[p.Pod] {
			pods[p.Pod] = true
			metrics <- gauge(c.pod, 1, g.UUID, p.Pod)
		}
	}
}

func (c *GPU) show(metrics chan<- prometheus.Metric, uuid string, values []gpu.Value) {
	for _, v := range values {
		d := v.Metric.Describe()
		kind := prometheus.GaugeValue
		if d.Counter {
			kind = prometheus.CounterValue
		}
		labels := []string{uuid}
		if d.Label != "" {
			labels = append(labels, v.Label)
		}
		metrics <- prometheus.MustNewConstMetric(c.values[v.Metric], kind, v.Value, labels...)
	}
}

// instanceID writes the number of an instance, which is empty where it is not
// known.
func instanceID(id int) string {
	if id < 0 {
		return ""
	}
	return strconv.Itoa(id)
}

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}
