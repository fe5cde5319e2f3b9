package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
	"vllm_prober/internal/serving"
	"vllm_prober/internal/simulator"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// What is collected: the GPUs of this process's own simulated replicas, which idle,
// and what as many simulated replicas on the server's core say.
const (
	collected      = 8
	collectedFor   = 45 * time.Second
	collectedPairs = 5
	collectedRate  = 400
	maxCollection  = 0.01 // of a core
	scrapeInterval = 15 * time.Second
)

// collection is what collecting costs, and what it does to a measurement: how many
// times of the same without it each figure is.
type collection struct {
	core                             float64 // the share of one
	meanError, p99Error, cpuPerToken stats.Interval
}

// measureCollection measures both, the latter in pairs that take turns in who is
// first, so that what drifts meets all alike.
func measureCollection(ctx context.Context, binary string, s *server, t times) (c collection, err error) {
	replicas, stop, err := startReplicas(ctx, binary)
	if err != nil {
		return c, err
	}
	defer stop()
	fmt.Fprintln(os.Stderr, "what collecting costs …")
	cmd, err := part(ctx, clientCore, "collect", replicas)
	if err != nil {
		return c, err
	}
	if _, err := outcome(cmd, &c.core); err != nil {
		return c, err
	}
	without, with := []figures{}, []figures{}
	for pair := range collectedPairs {
		for turn := range 2 {
			o := order{Server: s.url, Rate: collectedRate, Warmup: t.warmup, Window: t.window / 2}
			to := &without
			if (pair+turn)%2 == 1 {
				o.Collect, to = replicas, &with
			}
			fmt.Fprintf(os.Stderr, "vllm_prober beside collectors: %t, pair %d of %d …\n", o.Collect != "", pair+1, collectedPairs)
			f, err := s.compared(ctx, o)
			if err != nil {
				return c, err
			}
			*to = append(*to, f)
		}
	}
	c.meanError = ratioOf(without, with, func(f figures) float64 { return f.meanError })
	c.p99Error = ratioOf(without, with, func(f figures) float64 { return f.p99Error })
	c.cpuPerToken = ratioOf(without, with, func(f figures) float64 { return f.cpuPerToken })
	return c, nil
}

// compared is a load and what it was off by.
func (s *server) compared(ctx context.Context, o order) (figures, error) {
	m, err := load(ctx, o)
	if err != nil {
		return figures{}, err
	}
	notes, err := s.notes(ctx)
	if err != nil {
		return figures{}, err
	}
	return compare(m, notes)
}

func ratioOf(base, other []figures, of func(figures) float64) stats.Interval {
	var x, y []float64
	for i := range base {
		x, y = append(x, of(base[i])), append(y, of(other[i]))
	}
	change, ok := stats.OfPairs(x, y)
	if !ok {
		return stats.Interval{} // nothing lies between 0 and 0
	}
	return change.Ratio(0.95)
}

func printCollection(w io.Writer, c collection) {
	rows := [][]string{
		{"collection from 8 GPUs and 8 replicas at the default intervals", "measured", "limit", "verdict"},
		{
			"processor time, with a scrape every 15 s", number(100*c.core, 2) + "% of a core", number(100*maxCollection, 0) + "%",
			map[bool]string{true: "kept", false: "MISSED"}[c.core <= maxCollection],
		},
	}
	for _, r := range []struct {
		name  string
		ratio stats.Interval
	}{{"mean error", c.meanError}, {"p99 error", c.p99Error}, {"CPU per token", c.cpuPerToken}} {
		rows = append(rows, []string{
			fmt.Sprintf("%s at %d req/s, as a multiple of that without", r.name, collectedRate),
			fmt.Sprintf("%.3f (%.3f to %.3f)", r.ratio.Value, r.ratio.Lower, r.ratio.Upper), "1", beyondChance(r.ratio),
		})
	}
	printTable(w, rows)
}

// beyondChance is the verdict on a ratio with its 95% interval.
func beyondChance(ratio stats.Interval) string {
	switch {
	case ratio.Value == 0:
		return "MISSED: not known"
	case ratio.Lower > 1:
		return "MISSED: more, beyond chance"
	default:
		return "kept: no more, beyond chance"
	}
}

// startReplicas starts the simulated replicas that are asked, and returns their URLs
// with commas between them.
func startReplicas(ctx context.Context, binary string) (urls string, stop func(), err error) {
	var list []string
	var stops []func()
	stop = func() {
		for _, each := range stops {
			each()
		}
	}
	for range collected {
		url, end, err := listening(pinned(ctx, serverCore, binary, "simulate", "--port=0"))
		if err != nil {
			stop()
			return "", nil, err
		}
		list, stops = append(list, url), append(stops, end)
	}
	return strings.Join(list, ","), stop, nil
}

// collecting is what a daemon collects with.
type collecting struct {
	poller   *gpu.Poller
	registry *prometheus.Registry
	stop     func()
}

// startCollectors collects from simulated GPUs and from replicas.
func startCollectors(replicas string) (*collecting, error) {
	ctx, stop := context.WithCancel(context.Background())
	var own []*simulator.Replica
	for range collected {
		own = append(own, simulator.NewReplica(ctx, simulator.Options{Parameters: simulator.FieldReport()}))
	}
	source, err := simulator.GPUs(own)
	if err != nil {
		stop()
		return nil, fmt.Errorf("simulating GPUs: %w", err)
	}
	log := slog.New(slog.DiscardHandler)
	c := &collecting{poller: gpu.NewPoller(source, gpu.DefaultInterval, log), registry: prometheus.NewRegistry()}
	go c.poller.Run(ctx)
	target := config.DefaultTarget()
	target.Name, target.Replicas = "collected", strings.Split(replicas, ",")
	asked := collector.NewReplicas(collector.DefaultReplicaInterval, nil, log)
	if err := asked.Set([]config.Target{target}); err != nil {
		stop()
		return nil, fmt.Errorf("asking the replicas: %w", err)
	}
	c.registry.MustRegister(collector.NewGPU(c.poller), asked)
	c.stop = func() {
		asked.Close()
		stop()
	}
	return c, nil
}

// metering makes the GPUs those of a configuration's replica, and returns what reads
// them during its steps.
func (c *collecting) metering(cfg *config.Config) prober.ReadGPUs {
	var uuids []string
	for i := range collected {
		uuids = append(uuids, simulator.GPUUUID(i))
	}
	cfg.Targets[0].GPUUUIDs = [][]string{uuids}
	return serving.Reader(c.poller, cfg.Targets)
}

// collectPart is the process that collects and does nothing else. It prints the
// share of a core that this takes.
func collectPart(replicas string) error {
	c, err := startCollectors(replicas)
	if err != nil {
		return err
	}
	defer c.stop()
	if _, err := c.registry.Gather(); err != nil { // the first one makes much that stays
		return fmt.Errorf("gathering the metrics: %w", err)
	}
	began, before := time.Now(), processorTime()
	for time.Since(began) < collectedFor {
		time.Sleep(scrapeInterval)
		if _, err := c.registry.Gather(); err != nil {
			return fmt.Errorf("gathering the metrics: %w", err)
		}
	}
	share := (processorTime() - before).Seconds() / time.Since(began).Seconds()
	return json.NewEncoder(os.Stdout).Encode(share)
}

// processorTime is what this process has taken so far.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
