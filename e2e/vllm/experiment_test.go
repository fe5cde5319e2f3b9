//go:build e2e && linux

package vllm_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// TestTheBatchSizeExperiment: of two servers that run 4 and 16 requests at a time,
// the larger batch completes more at the rate that saturates both, and what vLLM
// says of its slots shows where each batch size was in force and where it changed
// nothing.
func TestTheBatchSizeExperiment(t *testing.T) {
	cfg := &config.Config{}
	_, probe := server.probe()
	probe.Arms = nil
	var starting sync.WaitGroup
	for i, size := range []int{4, 16} {
		var v replica
		folder := t.TempDir()
		name := "batch-" + strconv.Itoa(size)
		probe.Arms = append(probe.Arms, config.Arm{Target: name})
		cfg.Targets = append(cfg.Targets, config.Target{})
		starting.Go(func() {
			stop, err := v.start(folder, "--max-num-seqs", strconv.Itoa(size))
			t.Cleanup(func() {
				if !stop() {
					t.Error("vLLM does not end")
				}
				if t.Failed() {
					t.Logf("the end of the log of %s:\n%s", name, tail(v.log))
				}
			})
			if err != nil {
				t.Error(err)
			}
			target, _ := v.probe()
			target.Name, target.BatchSize = name, size
			cfg.Targets[i] = target
		})
	}
	if starting.Wait(); t.Failed() {
		t.FailNow()
	}
	probe.Ladder = config.Ladder{Rates: []float64{8}, Warmup: 2 * time.Second, Window: 5 * time.Second, Drain: 6 * time.Second, Repeats: 1}
	probe.Search = &config.Search{MaxWindow: 10 * time.Second, MaxRate: 400, MaxSteps: 10}
	// On two cores the servers' speed moves by tenths from step to step, and by
	// three rounds even a double throughput may then be chance.
	probe.Compare = &config.Compare{By: config.ByBatchSize, At: config.AtSaturation, Repeats: 6}
	cfg.Probes = []config.Probe{probe}
	result, err := watchedAll(t, cfg, &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range result.Answers {
		t.Logf("%s: capacity %+v %s", a.Arm.Target, a.Capacity, a.Err)
	}
	c := result.Comparison
	if c == nil || c.Best == nil || c.Best.BatchSize != 16 {
		t.Fatalf("the comparison found %+v", c)
	}
	for _, a := range c.Arms {
		t.Logf("at %.1f requests per second batch size %d does %.1f, %+v of the base", c.RequestRate, a.Arm.BatchSize, a.Throughput, a.ToBase)
	}
	compared := 0
	for i := range result.Results {
		r := &result.Results[i]
		got, _ := r.InForce()
		most := r.Replicas[0].Running.Max
		t.Logf("batch size %d at %.1f: %s, %g ran", r.Arm.BatchSize, r.RequestRate, got.Verdict, most)
		if got.Verdict == prober.NotInForce || most > float64(r.Arm.BatchSize) {
			t.Errorf("batch size %d at %.1f requests per second: %+v, and %g ran", r.Arm.BatchSize, r.RequestRate, got, most)
		}
		if r.RequestRate == probe.Ladder.Rates[0] && r.Arm.BatchSize == 16 && got.Verdict != prober.DidNotBind {
			t.Errorf("at %.1f requests per second batch size 16 is said to be: %+v", r.RequestRate, got)
		}
		if r.RequestRate == c.RequestRate && r.Valid() {
			compared++
			if got.Verdict != prober.Bound {
				t.Errorf("at saturation batch size %d is said to be: %+v", r.Arm.BatchSize, got)
			}
		}
	}
	if compared < 2*probe.Compare.Repeats {
		t.Errorf("%d steps at saturation", compared)
	}
}
