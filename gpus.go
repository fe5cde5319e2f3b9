package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
)

// gpuFlags say whether and how often GPUs are read.
type gpuFlags struct {
	on       *bool
	interval *time.Duration
}

func (f *gpuFlags) add(cmd *kingpin.CmdClause) {
	f.on = cmd.Flag("collector.gpu", "Export this machine's NVIDIA GPUs.").Default("true").Bool()
	f.interval = cmd.Flag("collector.gpu.interval", "Time from one reading of the GPUs to the next one.").
		Default(gpu.DefaultInterval.String()).Duration()
}

// watch reads the GPUs again and again and exports them, until the function that
// it returns is called; what opens them is called once. The configuration says
// which GPUs serve its replicas, with or without reading any.
func (f *gpuFlags) watch(
	registry *prometheus.Registry, open func() (gpu.Read, error), cfg func() *config.Config, logger *slog.Logger,
) (end func(), err error) {
	if *f.interval < gpu.MinInterval {
		return nil, fmt.Errorf("--collector.gpu.interval: %s; allowed: %s or more", *f.interval, gpu.MinInterval)
	}
	snapshot := func() (*gpu.Snapshot, bool) { return nil, false }
	registry.MustRegister(collector.NewReplicaGPUs(cfg, func() (*gpu.Snapshot, bool) { return snapshot() }))
	if !*f.on {
		return func() {}, nil
	}
	read, err := open()
	if err != nil {
		logger.Info("GPUs are not exported", "err", err)
		return func() {}, nil
	}
	poller := gpu.NewPoller(read, *f.interval, logger)
	snapshot = poller.Fresh
	registry.MustRegister(collector.NewGPU(poller))
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { poller.Run(ctx) })
	return func() {
		cancel()
		ended.Wait()
	}, nil
}
