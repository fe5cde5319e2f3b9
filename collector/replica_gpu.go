package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
	"vllm_prober/internal/serving"
)

var replicaGPU = prometheus.NewDesc(namespace+"_replica_gpu_info",
	"A GPU that serves a replica, as configured or as found on this machine.", []string{"target", "replica", "uuid"}, nil)

// NewReplicaGPUs returns a collector of which GPU serves which replica of targets,
// by their configuration or by a snapshot of the machine's GPUs; there is none
// where it says false.
func NewReplicaGPUs(targets func() []config.Target, snapshot func() (*gpu.Snapshot, bool)) prometheus.Collector {
	return undescribed(func(metrics chan<- prometheus.Metric) {
		s, _ := snapshot()
		machine := serving.On(s)
		for _, t := range targets() {
			for _, replica := range t.Replicas {
				for _, uuid := range machine.GPUs(t, replica) {
					metrics <- gauge(replicaGPU, 1, t.Name, serving.Name(replica), uuid)
				}
			}
		}
	})
}
