package prober_test

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// slots is an engine that completes so many sequences of 10 tokens in 10
// iterations of 10 ms + slots·1 ms.
func slots(n int) server {
	return func(ctx context.Context) http.Handler {
		p := simulator.FieldReport()
		p.Frontend, p.Base, p.PerSequence, p.PerSequenceSquared, p.PerPrefillToken = 0, 10*time.Millisecond, time.Millisecond, 0, 0
		p.MaxNumSeqs = n
		return simulator.NewReplica(ctx, simulator.Options{Parameters: p})
	}
}

// compared is a world in which batch sizes are compared, each a target with one
// replica.
func compared(repeats int, servers map[int]server) *world {
	w := newWorld()
	w.cfg.Targets, w.probe().Arms = nil, nil
	for size, s := range servers {
		target := config.DefaultTarget()
		target.Name, target.BatchSize = "bs"+string(rune('0'+size)), size
		target.Replicas = []string{"http://replica-" + string(rune('a'+len(w.servers)))}
		w.servers = append(w.servers, s)
		w.cfg.Targets = append(w.cfg.Targets, target)
		w.probe().Arms = append(w.probe().Arms, config.Arm{Target: target.Name})
	}
	search := config.DefaultSearch()
	search.MaxWindow = 40 * time.Second
	w.probe().Search = &search
	w.probe().Compare = &config.Compare{By: config.ByBatchSize, At: config.AtSaturation, Repeats: repeats}
	w.probe().Workload.PromptTokens.Fixed, w.probe().Workload.OutputTokens.Fixed = 4, 10
	return w
}

// With 1 ms a sequence, 2 slots complete 2/0.12 = 16.7 requests per second, 4 slots
// 4/0.14 = 28.6 and 8 slots 8/0.18 = 44.4.
func TestTheBestBatchSizeIsNamed(t *testing.T) {
	w := compared(3, map[int]server{2: slots(2), 4: slots(4), 8: slots(8)})
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	c := result.Comparison
	if c == nil || c.Err != "" || c.Best == nil || c.Best.BatchSize != 8 || len(c.Arms) != 3 {
		t.Fatalf("the comparison is %+v", c)
	}
	if c.RequestRate < 44.4 || c.RequestRate > 60 {
		t.Errorf("it is made at %g requests per second, which does not saturate all, or far too much", c.RequestRate)
	}
	truth := map[int]float64{2: 2 / 0.12, 4: 4 / 0.14, 8: 8 / 0.18}
	for i, a := range c.Arms {
		if want := truth[a.Arm.BatchSize]; a.Repeats != 3 || math.Abs(a.Throughput/want-1) > 0.03 {
			t.Errorf("batch size %d completes %.1f per second in %d repeats, want %.1f", a.Arm.BatchSize, a.Throughput, a.Repeats, want)
		}
		if i == 0 {
			if a.ToBase != nil {
				t.Errorf("the base is compared to itself: %v", a.ToBase)
			}
			continue
		}
		if want := truth[a.Arm.BatchSize] / truth[c.Arms[0].Arm.BatchSize]; a.ToBase == nil || math.Abs(a.ToBase.Value/want-1) > 0.04 || !a.ToBase.Excludes(1) {
			t.Errorf("batch size %d completes %+v times what %d does, want %.2f", a.Arm.BatchSize, a.ToBase, c.Arms[0].Arm.BatchSize, want)
		}
	}
	seeds := map[uint64]int{}
	for _, r := range result.Results {
		if r.RequestRate == c.RequestRate {
			seeds[r.Seed]++
		}
	}
	rounds := 0
	for _, n := range seeds {
		if n == 3 {
			rounds++
		}
	}
	if rounds < 3 {
		t.Errorf("the arms of a round do not share their arrivals: %v", seeds)
	}
}

// Batch sizes of engines that are the same in truth have no best.
func TestNoBatchSizeIsNamedByChance(t *testing.T) {
	w := compared(3, map[int]server{2: slots(4), 4: slots(4)})
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	c := result.Comparison
	if c == nil || c.Err != "" || len(c.Arms) != 2 {
		t.Fatalf("the comparison is %+v", c)
	}
	// The arms of a round get the same arrivals, and here do exactly the same.
	if i := c.Arms[1].ToBase; c.Best != nil || i == nil || i.Lower > 1 || i.Upper < 1 {
		t.Errorf("%v is named the best; the other completes %+v times as much", c.Best, i)
	}
}

func TestWithoutACapacityThereIsNoComparison(t *testing.T) {
	w := compared(2, map[int]server{2: slots(2), 8: steady(time.Millisecond, time.Millisecond)})
	w.probe().Search.MaxRate = 30
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	if c := result.Comparison; c == nil || c.Err == "" || c.Best != nil || len(c.Arms) != 0 {
		t.Errorf("the comparison is %+v", c)
	}
}

// The experiments that the field report proposed, on its engines: four replicas,
// from 60 requests per second up until they are saturated, and which of four batch
// sizes does the most there. By the closed form 16 full slots complete 10.4 requests
// per second, 32 complete 15.2, 64 complete 16.3 and 128 complete 12.5, of each
// replica; and as each sequence slows the others by the square, an engine with more
// slots than 52 bears most while it has no more than these in use.
func TestTheNextExperimentsOfTheFieldReport(t *testing.T) {
	if prober.RaceEnabled {
		t.Skip("takes minutes with the race detector; make truth makes it")
	}
	w := newWorld()
	w.cfg.Targets, w.probe().Arms = nil, nil
	truth := map[int]float64{}
	for _, size := range []int{16, 32, 64, 128} {
		p := simulator.FieldReport()
		p.MaxNumSeqs = size
		for used := 1; used <= size; used++ {
			with := p
			with.MaxNumSeqs = used
			truth[size] = max(truth[size], 4*with.Capacity(simulator.FieldReportPrompt, simulator.FieldReportOutput))
		}
		target := config.DefaultTarget()
		target.Name, target.BatchSize = "bs"+strconv.Itoa(size), size
		for range 4 {
			target.Replicas = append(target.Replicas, "http://replica-"+string(rune('a'+len(w.servers))))
			w.servers = append(w.servers, func(ctx context.Context) http.Handler {
				return simulator.NewReplica(ctx, simulator.Options{Parameters: p})
			})
		}
		w.cfg.Targets = append(w.cfg.Targets, target)
		w.probe().Arms = append(w.probe().Arms, config.Arm{Target: target.Name})
	}
	search := config.DefaultSearch()
	search.MaxWindow = time.Minute
	w.probe().Search = &search
	w.probe().Compare = &config.Compare{By: config.ByBatchSize, At: config.AtSaturation, Repeats: 3}
	w.probe().Ladder.Rates = []float64{60}
	w.probe().Workload.PromptTokens.Fixed = simulator.FieldReportPrompt
	w.probe().Workload.OutputTokens.Fixed = simulator.FieldReportOutput
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range result.Answers {
		want := truth[a.Arm.BatchSize]
		t.Logf("batch size %d: capacity %+v, in truth %.2f, after %d steps beside the ladder's", a.Arm.BatchSize, a.Capacity, want, a.Steps)
		if a.Capacity == nil || math.Abs(a.Capacity.Value/want-1) > 0.05 {
			t.Errorf("batch size %d: capacity %+v, in truth %.2f: %s", a.Arm.BatchSize, a.Capacity, want, a.Err)
		}
	}
	c := result.Comparison
	for _, a := range c.Arms {
		t.Logf("at %g requests per second batch size %d completes %.2f, %+v of the first", c.RequestRate, a.Arm.BatchSize, a.Throughput, a.ToBase)
	}
	if c.Best == nil || c.Best.BatchSize != 64 {
		t.Errorf("the best is %+v", c.Best)
	}
}
