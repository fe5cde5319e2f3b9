package backtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

const (
	promptTokens = 16
	outputTokens = 4

	every = 20 * time.Minute // from one run to the next
	// The runs of services that do not change are made in chapters of so many.
	chapters, perChapter = 20, 10
	chapter              = perChapter * every
	seeds                = 20 // services that change
	// within is after how many runs a change has to be told, at the latest.
	within = 3
	// warmup is how long before the change all rules begin to be evaluated: longer
	// than an alert waits.
	warmup = time.Hour
)

// healthy is an engine that completes about 16 requests per second.
func healthy() simulator.Parameters {
	p := simulator.FieldReport()
	p.MaxNumSeqs, p.Base = 8, 120*time.Millisecond
	return p
}

// slowToFirstToken is healthy, but for a TTFT that is a tenth longer at the lowest
// rate of the ladder, and as many milliseconds longer at the others.
func slowToFirstToken(t *testing.T) simulator.Parameters {
	t.Helper()
	p := healthy()
	ttft, _, ok := p.Expected(ladderRates[0], promptTokens, outputTokens)
	if !ok {
		t.Fatal("the ladder begins above the capacity")
	}
	p.Frontend += ttft / 10
	return p
}

// weak has nine tenths of the capacity: all that an iteration does takes longer.
func weak(t *testing.T) simulator.Parameters {
	t.Helper()
	p := healthy()
	for _, d := range []*time.Duration{&p.Base, &p.PerSequence, &p.PerSequenceSquared, &p.PerPrefillToken} {
		*d = *d * 10 / 9
	}
	if share := p.Capacity(promptTokens, outputTokens) / healthy().Capacity(promptTokens, outputTokens); share < 0.8999 || share > 0.9001 {
		t.Fatalf("its capacity is that of healthy times %g", share)
	}
	return p
}

var ladderRates = []float64{4, 8, 12}

// ladder is a probe with a search; what is not said is the default.
func ladder(t *testing.T) *config.Config {
	t.Helper()
	p := config.DefaultProbe()
	p.Name, p.Schedule.Interval, p.Ladder.Rates = "ladder", every, ladderRates
	s := config.DefaultSearch()
	s.MaxWindow = time.Minute // the default's four take four times as long to simulate
	p.Search = &s
	return configOf(t, p)
}

// heartbeat is a probe of a request every other second.
func heartbeat(t *testing.T) *config.Config {
	t.Helper()
	p := config.DefaultProbe()
	p.Name, p.Heartbeat = "heartbeat", &config.Heartbeat{Rate: 0.5, Window: time.Minute}
	p.Schedule, p.Ladder, p.Guard = config.Schedule{}, config.Ladder{}, config.Guard{}
	p.SLO.TTFT = time.Second
	return configOf(t, p)
}

func configOf(t *testing.T, p config.Probe) *config.Config {
	t.Helper()
	target := config.DefaultTarget()
	target.Name, target.BatchSize, target.Replicas = "llama", healthy().MaxNumSeqs, []string{"http://replica"}
	p.Arms = []config.Arm{{Target: target.Name}}
	p.Workload.PromptTokens, p.Workload.OutputTokens = config.Length{Fixed: promptTokens}, config.Length{Fixed: outputTokens}
	cfg := &config.Config{Targets: []config.Target{target}, Probes: []config.Probe{p}}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// unchanged are the chapters of runs against a healthy engine, and of windows of a
// heartbeat as long. They are made once.
func unchanged(t *testing.T) (runs, windows []*tape) {
	t.Helper()
	once.Do(func() {
		ladders, beats := service{ladder(t), healthy()}, service{heartbeat(t), healthy()}
		calm = each(chapters, func(i int) *tape { return ladders.runs(t, perChapter, every, uint64(i)+1, known()) })
		calmBeats = each(chapters, func(i int) *tape { return beats.windows(t, int(chapter/time.Minute), uint64(i)+1) })
	})
	return calm, calmBeats
}

var (
	once            sync.Once
	calm, calmBeats []*tape
)

// known is what a search finds of a healthy engine, which those after it begin with.
func known() []prober.Answer {
	truth := healthy().Capacity(promptTokens, outputTokens)
	return []prober.Answer{{
		Arm:      prober.Arm{Target: "llama", Replicas: 1, GPUs: 1, BatchSize: healthy().MaxNumSeqs},
		Capacity: &prober.Estimate{Value: truth, Lower: truth, Upper: truth},
	}}
}

// regressions are those of the alerts that tell of a regression.
func regressions(fired []firing) (told []firing) {
	for _, f := range fired {
		if f.labels.Get("kind") == "regression" {
			told = append(told, f)
		}
	}
	return told
}

func (f firing) String() string {
	return fmt.Sprintf("%s %s: %s", f.at.Sub(epoch), f.labels, f.text)
}

// Of 200 runs of a service that does not change, and of its heartbeat meanwhile, at
// most two regressions are told.
func TestNothingHasChanged(t *testing.T) {
	t.Parallel()
	const most = 2
	w := newWorld(t, time.Minute)
	runs, windows := unchanged(t)
	ladder, heartbeat := w.add("ladder", ladder(t)), w.add("heartbeat", heartbeat(t))
	for i := range chapters {
		begin := epoch.Add(time.Duration(i) * chapter)
		ladder.place(begin, runs[i])
		heartbeat.place(begin, windows[i])
	}
	w.pass(epoch.Add(chapters*chapter), w.groups)
	told := regressions(w.fired)
	t.Logf("%d regressions told in %d runs without any, and in the %s of a heartbeat meanwhile", len(told), chapters*perChapter, chapters*chapter)
	for _, f := range told {
		t.Log(f)
	}
	if len(told) > most {
		t.Errorf("more than %d", most)
	}
}

// A TTFT that grows by a tenth is told within three runs, for 19 of 20 services.
func TestTTFTGrowsByATenth(t *testing.T) {
	t.Parallel()
	isSeen(t, slowToFirstToken(t), "VLLMLatencyRegression")
}

// A capacity that falls by a tenth is, too.
func TestCapacityFallsByATenth(t *testing.T) {
	t.Parallel()
	isSeen(t, weak(t), "VLLMCapacityRegression", "VLLMThroughputRegression")
}

// isSeen lets services become another one from one moment on, and expects to be told
// by one of the alerts.
func isSeen(t *testing.T, become simulator.Parameters, names ...string) {
	t.Helper()
	const least = seeds - 1
	cfg := ladder(t)
	calm, _ := unchanged(t)
	changed := each(seeds, func(i int) *tape {
		return service{cfg, become}.runs(t, within, every, uint64(1000+i), known())
	})
	w := newWorld(t, 3*time.Minute)
	change := epoch.Add(chapters * chapter)
	for i := range seeds {
		p := w.add(fmt.Sprintf("ladder-%02d", i), cfg)
		// Each has a past of its own: the chapters in an order that its seed gives.
		for j, k := range rand.New(rand.NewPCG(uint64(i), 0xbac)).Perm(chapters) {
			p.place(epoch.Add(time.Duration(j)*chapter), calm[k])
		}
		p.place(change, changed[i])
	}
	// What is told before is not what is tested here.
	w.pass(change.Add(-warmup), w.past)
	w.pass(change, w.groups)
	w.fired = nil
	w.pass(change.Add(within*every), w.groups)
	seen := w.seen(t, change, names...)
	t.Logf("told of %d of %d services within %d runs", seen, seeds, within)
	if seen < least {
		t.Errorf("fewer than %d", least)
	}
}

// The heartbeat sees it, too: within the time in which half of the hour that it
// looks at is after the change, and for how long it has to last, and an evaluation.
func TestHeartbeatSeesTTFTGrow(t *testing.T) {
	t.Parallel()
	const services, hours = 5, 2
	_, calm := unchanged(t)
	cfg := heartbeat(t)
	changed := each(services, func(i int) *tape {
		return service{cfg, slowToFirstToken(t)}.windows(t, hours*60, uint64(1000+i))
	})
	w := newWorld(t, time.Minute)
	const before = chapters / services
	change := epoch.Add(before * chapter)
	for i := range services {
		p := w.add(fmt.Sprintf("heartbeat-%02d", i), cfg)
		for j := range before {
			p.place(epoch.Add(time.Duration(j)*chapter), calm[i*before+j])
		}
		p.place(change, changed[i])
	}
	w.pass(change.Add(-warmup), w.past)
	w.pass(change, w.groups)
	w.fired = nil
	w.pass(change.Add(hours*time.Hour), w.groups)
	seen := w.seen(t, change, "VLLMHeartbeatLatencyRegression")
	t.Logf("told of %d of %d heartbeats within %d hours", seen, services, hours)
	if seen < services {
		t.Error("not by all")
	}
}

// seen is of how many probes one of these alerts was told. What was told before the
// second run began is chance: an alert takes two.
func (w *world) seen(t *testing.T, change time.Time, names ...string) int {
	t.Helper()
	seen := map[string]bool{}
	for _, f := range w.fired {
		if probe := f.labels.Get("probe"); !seen[probe] && slices.Contains(names, f.labels.Get("alertname")) && !f.at.Before(change.Add(every)) {
			seen[probe] = true
			t.Logf("after %s: %s", f.at.Sub(change), f)
		}
	}
	return len(seen)
}

var ruleFiles = []string{"../../../alerts/recording.rules.yaml", "../../../alerts/alerts.rules.yaml"}
