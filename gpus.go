package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"vllm_prober/internal/gpu"
)

// gpuFlags say whether and how often GPUs are read.
type gpuFlags struct {
	on       bool
	interval time.Duration
}

func (f *gpuFlags) add(cmd *kingpin.CmdClause) {
	cmd.Flag("collector.gpu", "Export this machine's NVIDIA GPUs.").Default("true").BoolVar(&f.on)
	cmd.Flag("collector.gpu.interval", "Time from one reading of the GPUs to the next one.").
		Default(gpu.DefaultInterval.String()).DurationVar(&f.interval)
}

// addForRun adds what a single run needs to know.
func (f *gpuFlags) addForRun(cmd *kingpin.CmdClause) {
	f.interval = gpu.DefaultInterval
	cmd.Flag("collector.gpu", "Read the NVIDIA GPUs that serve the replicas, where they are this machine's.").Default("true").BoolVar(&f.on)
}

// watch reads the GPUs again and again until the function that it returns is
// called; what opens them is called once. It returns no poller where there is
// nothing to read.
func (f *gpuFlags) watch(open func() (gpu.Source, error), logger *slog.Logger) (poller *gpu.Poller, end func(), err error) {
	if f.interval < gpu.MinInterval {
		return nil, nil, fmt.Errorf("--collector.gpu.interval: %s; allowed: %s or more", f.interval, gpu.MinInterval)
	}
	if !f.on {
		return nil, func() {}, nil
	}
	source, err := open()
	if err != nil {
		logger.Info("GPUs are not exported", "err", err)
		return nil, func() {}, nil
	}
	poller = gpu.NewPoller(source, f.interval, logger)
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { poller.Run(ctx) })
	return poller, func() {
		cancel()
		ended.Wait()
	}, nil
}
