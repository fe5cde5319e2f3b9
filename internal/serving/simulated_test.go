//go:build linux && cgo

package serving

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// A step against simulated replicas finds what the power model of their GPUs says:
// 70 W + 580 W·√(share of the 50 slots). By Little's law, a request holds its slot
// for 43 iterations, so at 5 requests per second on each of two replicas so many
// slots are in use as 5·43·TPOT; their number moves by one at most, which changes
// the mean of the root by less than 0.1%.
func TestSimulatedGPUsOfAStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(context.Background())
		target := config.DefaultTarget()
		target.Name = "t"
		var replicas []*simulator.Replica
		var servers []*http.Server
		network := map[string]*simulator.PipeListener{}
		for i, name := range []string{"a", "b", "idle"} {
			r := simulator.NewReplica(ctx, simulator.Options{Parameters: simulator.FieldReport()})
			replicas = append(replicas, r)
			target.Replicas = append(target.Replicas, "http://"+name)
			target.GPUUUIDs = append(target.GPUUUIDs, []string{simulator.GPUUUID(i)})
			listener := simulator.NewPipeListener()
			network[name+":80"] = listener
			server := &http.Server{Handler: r}
			servers = append(servers, server)
			go func() { _ = server.Serve(listener) }()
		}
		source, err := simulator.GPUs(replicas)
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(slog.DiscardHandler)
		poller := gpu.NewPoller(source, gpu.DefaultInterval, log)
		go poller.Run(ctx)

		probe := config.DefaultProbe()
		probe.Name, probe.Arms, probe.Seed = "p", []config.Arm{{Target: "t", Replicas: 2}}, 1
		probe.Pacing = config.Pacing{Process: config.Constant}
		probe.Workload.PromptTokens = config.Length{Fixed: simulator.FieldReportPrompt}
		probe.Workload.OutputTokens = config.Length{Fixed: simulator.FieldReportOutput}
		probe.Ladder = config.Ladder{Rates: []float64{10}, Warmup: 3500 * time.Millisecond, Window: 3500 * time.Millisecond, Drain: 10 * time.Second, Repeats: 1}
		cfg := &config.Config{Targets: []config.Target{target}, Probes: []config.Probe{probe}}
		p, err := prober.New(cfg, probe, prober.Options{
			Observer: prober.Silent{}, Logger: log, Synthetic: true, ReadGPUs: Reader(poller, cfg.Targets),
			Dial: func(ctx context.Context, n, address string) (netConn, error) {
				return network[address].DialContext(ctx, n, address)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		result, err := p.Run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r := &result.Results[0]
		g := r.GPU
		if !r.Valid() || g == nil || len(g.UUIDs) != 2 {
			t.Fatalf("%+v, %+v", r, g)
		}
		slots := 5 * simulator.FieldReportOutput * r.Latencies.TPOT.Mean
		power := 2 * (70 + 580*math.Sqrt(slots/50))
		near := func(what string, got *float64, want float64) {
			t.Helper()
			if got == nil || math.Abs(*got/want-1) > 0.005 {
				t.Errorf("%s is %v, want %g", what, *got, want)
			}
		}
		near("power", g.PowerWatts, power)
		near("joules per token", g.JoulesPerOutputToken, power/(10*simulator.FieldReportOutput))
		near("tokens per joule", g.OutputTokensPerJoule, 10*simulator.FieldReportOutput/power)
		near("utilisation", g.UtilizationRatio, 1)
		if len(g.Throttled()) > 0 || len(g.ThrottledSeconds) == 0 {
			t.Errorf("throttled %v, want reasons and none in force", g.ThrottledSeconds)
		}
		end()
		time.Sleep(10 * time.Second) // idle connections end
		for _, s := range servers {
			_ = s.Close()
		}
	})
}
