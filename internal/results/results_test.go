package results

import (
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/version"

	"vllm_prober/internal/config"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

var quiet = slog.New(slog.DiscardHandler)

// probing is a configuration with a secret and two probes.
func probing() *config.Config {
	target := config.DefaultTarget()
	target.Name, target.Replicas = "t", []string{"http://a", "http://b"}
	target.HTTPClient.Authorization = &promconfig.Authorization{Type: "Bearer", Credentials: "sk-secret"}
	other := config.DefaultTarget()
	other.Name, other.Replicas = "other", []string{"http://c"}
	probe := config.DefaultProbe()
	probe.Name, probe.Arms = "p", []config.Arm{{Target: "t", Replicas: 1}, {Target: "t"}}
	probe.Ladder.Rates = []float64{10, 20}
	second := config.DefaultProbe()
	second.Name, second.Arms, second.Ladder.Rates = "p2", []config.Arm{{Target: "other"}}, []float64{5}
	return &config.Config{Targets: []config.Target{target, other}, Probes: []config.Probe{probe, second}}
}

func open(tb testing.TB, folder string, retention Retention) *Store {
	tb.Helper()
	s, err := Open(folder, retention, quiet)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// recorder is that of one of probing's probes.
func recorder(tb testing.TB, s *Store, probe int) *Recorder {
	tb.Helper()
	cfg := probing()
	r, err := s.Recorder(cfg, cfg.Probes[probe])
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// noon is when the first run of a test begins.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// aRun is a run that begins at a time.
func aRun(probe string, at time.Time) prober.Run {
	return prober.Run{ID: at.Format("20060102T150405Z") + "-abcd", Probe: probe, Seed: 42, StartedAt: at, Steps: 2}
}

// aStep is a step of a run with answers whose TTFTs are n times 10 ms, 20 ms, 30 ms.
func aStep(run prober.Run, number, n int, broken ...prober.Broken) *prober.StepResult {
	r := &prober.StepResult{
		Step: prober.Step{
			RunID: run.ID, Probe: run.Probe, Number: number, Arm: prober.Arm{Target: "t", Replicas: 2, GPUs: 2}, RequestRate: 10 * float64(number),
			StartedAt: run.StartedAt, Window: 30 * time.Second,
		},
		EndedAt: run.StartedAt.Add(time.Duration(number) * time.Minute), Offered: 3, Completed: 3, Throughput: 0.1,
		Outcomes: map[prober.Phase]map[prober.Outcome]int{prober.Window: {prober.OK: 3}}, Broken: broken,
	}
	if len(broken) > 0 {
		return r
	}
	power, joules := 1604.25, 0.5
	r.GPU = &prober.GPUResult{
		UUIDs: []string{"GPU-a"}, PowerWatts: &power, JoulesPerOutputToken: &joules, ThrottledSeconds: map[string]float64{"sw_power_cap": 0},
	}
	r.Latencies, r.ITL = &prober.Latencies{TTFT: prober.Distribution{Count: 3, Mean: 0.02 * float64(n)}}, &prober.Histogram{}
	for i := range 3 {
		ttft := time.Duration(n*(i+1)) * 10 * time.Millisecond
		r.Measured = append(r.Measured, prober.Observation{
			Outcome: prober.OK, Phase: prober.Window, Intended: time.Second, FirstToken: time.Second + ttft,
			LastToken: time.Second + ttft + 80*time.Millisecond, OutputTokens: 5,
		})
		r.ITL.Observe(20*time.Millisecond, 4)
	}
	ttft := stats.BatchesOf([]stats.Sample{{At: 0.1, Value: 0.01 * float64(n)}, {At: 0.5, Value: 0.02 * float64(n)}, {At: 0.9, Value: 0.03 * float64(n)}})
	r.Batches = &prober.Batches{Completed: []int{1, 2}, Good: []int{0, 0}, TTFT: ttft, TPOT: ttft, E2E: ttft}
	return r
}

// record records a whole run of two steps and returns its result.
func record(tb testing.TB, s *Store, probe int, at time.Time) *prober.RunResult {
	tb.Helper()
	r := recorder(tb, s, probe)
	run := aRun(probing().Probes[probe].Name, at)
	result := &prober.RunResult{
		Run: run, EndedAt: at.Add(3 * time.Minute), Outcome: prober.RunSuccess,
		Models:  []prober.ArmModel{{Arm: prober.Arm{Target: "t", Replicas: 2, GPUs: 2}, Model: "llama", Versions: []string{"0.32.0"}}},
		Results: []prober.StepResult{*aStep(run, 1, 1), *aStep(run, 2, 2, prober.Broken{Promise: prober.PromiseCPU, Detail: "busy"})},
		Answers: []prober.Answer{{Arm: prober.Arm{Target: "t"}, Capacity: &prober.Estimate{Value: 16.5, Lower: 16, Upper: 18}, Steps: 3}},
		Comparison: &prober.Comparison{RequestRate: 18, Best: &prober.Arm{Target: "t"}, Arms: []prober.Compared{
			{Arm: prober.Arm{Target: "t"}, Repeats: 5, ToBase: &stats.Interval{Value: 1.2, Lower: 1.1, Upper: 1.3}},
		}},
	}
	r.RunStarted(run)
	for i := range result.Results {
		r.StepEnded(&result.Results[i])
	}
	r.RunEnded(result)
	if n := s.Failures(); n != 0 {
		tb.Fatalf("%d writes failed", n)
	}
	return result
}

// A step that the guard aborted and that was made again is kept twice, in the
// order in which it happened.
func TestAStepMadeAgainIsKeptBesideTheAbortedOne(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Retention{})
	r, run := recorder(t, s, 0), aRun(probing().Probes[0].Name, noon)
	aborted := aStep(run, 1, 1, prober.Broken{Promise: prober.PromiseGuard, Detail: "waiting is 9"})
	again := aStep(run, 1, 2)
	again.Repeated = true
	result := &prober.RunResult{Run: run, EndedAt: noon.Add(time.Hour), Results: []prober.StepResult{*aborted, *again, *aStep(run, 2, 3)}}
	r.RunStarted(run)
	for i := range result.Results {
		r.StepEnded(&result.Results[i])
	}
	r.RunEnded(result)
	s.Close()

	got, err := In(folder).Run(run.ID)
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for i := range got.Steps {
		steps = append(steps, fmt.Sprintf("%d repeated=%t valid=%t", got.Steps[i].Number, got.Steps[i].Repeated, got.Steps[i].Valid()))
	}
	want := []string{"1 repeated=false valid=false", "1 repeated=true valid=true", "2 repeated=false valid=true"}
	if !slices.Equal(steps, want) {
		t.Errorf("got the steps %q, want %q", steps, want)
	}
}

// A record holds all of a run's result, invalid steps too, and what it was made
// with, but no secret.
func TestARecordIsTheWholeRun(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Retention{})
	want := record(t, s, 0, noon)
	s.Close()

	got, err := In(folder).Run(want.ID)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	// As JSON it is the run's result, and more.
	var result prober.RunResult
	if err := json.Unmarshal(text, &result); err != nil {
		t.Fatal(err)
	}
	for field, value := range reflect.ValueOf(*want).Fields() {
		if field.Name != "Err" && value.IsZero() {
			t.Errorf("the run that is recorded has no %s", field.Name)
		}
	}
	for i := range want.Results { // of these there are the histograms
		want.Results[i].Measured, want.Results[i].ITL = nil, nil
	}
	if !reflect.DeepEqual(got.Result(), want) {
		t.Errorf("got\n%+v, want\n%+v", got.Result(), want)
	}
	for i := range want.Results { // which the result as JSON leaves out
		want.Results[i].Batches = nil
	}
	if !reflect.DeepEqual(&result, want) {
		t.Errorf("got\n%+v, want\n%+v", &result, want)
	}
	if h := got.Steps[0].Histograms; h.TTFT.Distribution().Count != 3 || h.TPOT.Distribution().Mean != 0.02 || h.ITL.Distribution().Count != 12 ||
		h.E2E.Distribution().Max != 0.11 { // 30 ms + 80 ms
		t.Errorf("histograms %+v", h)
	}
	if got.Steps[1].Histograms != nil || got.Steps[1].Valid() {
		t.Error("the invalid step is not recorded as such")
	}
	if got.Prober != (Version{"unknown", version.GetRevision()}) || got.Schema != Schema {
		t.Errorf("made by %+v, schema %d", got.Prober, got.Schema)
	}
	if strings.Contains(string(text), "sk-secret") || !strings.Contains(got.Configuration, "credentials: <secret>") {
		t.Errorf("the record shows the API key:\n%s", text)
	}
	// The configuration is one, of this probe and its targets alone.
	cfg, err := config.Parse([]byte(got.Configuration), "record")
	if err != nil || len(cfg.Probes) != 1 || cfg.Probes[0].Name != "p" || len(cfg.Targets) != 1 || cfg.Targets[0].Name != "t" {
		t.Errorf("%v in the configuration\n%s", err, got.Configuration)
	}
}

// A step of a release that kept no batches has none, and is read all the same.
func TestAStepWithoutBatchesIsRead(t *testing.T) {
	kept := stepOf(aStep(aRun("p", noon), 1, 1))
	kept.Batches = nil
	text, err := json.Marshal(kept)
	if err != nil || strings.Contains(string(text), "batches") {
		t.Fatalf("%v: %s", err, text)
	}
	record := &Record{Steps: make([]Step, 1)}
	if err := json.Unmarshal(text, &record.Steps[0]); err != nil {
		t.Fatal(err)
	}
	if got := record.Result().Results[0]; got.Batches != nil || got.Completed != 3 {
		t.Errorf("%+v", got)
	}
}

// The batches of a step take no more room for a thousand requests a second than for
// ten, and less than 5 kB.
func TestBatchesAreSmallHoweverManyRequests(t *testing.T) {
	size := func(n int) int {
		samples := make([]stats.Sample, n)
		for i := range samples {
			samples[i] = stats.Sample{At: float64(i) / float64(n), Value: 0.1 + 0.01*math.Sin(float64(i))}
		}
		b := stats.BatchesOf(samples)
		text, err := json.Marshal(prober.Batches{Completed: b.Count, Good: b.Count, TTFT: b, TPOT: b, E2E: b})
		if err != nil {
			t.Fatal(err)
		}
		return len(text)
	}
	few, many := size(300), size(30_000)
	t.Logf("%d bytes for 300 requests, %d for 30000", few, many)
	if few > 5000 || many > 5000 {
		t.Errorf("%d bytes for 300 requests, %d for 30000", few, many)
	}
}

// The histograms of two records merge to that of all their requests.
func TestHistogramsOfRecordsMerge(t *testing.T) {
	run := aRun("p", noon)
	both := aStep(run, 1, 1)
	both.Measured = append(both.Measured, aStep(run, 1, 7).Measured...)
	want := stepOf(both).Histograms
	var got Histograms
	for _, n := range []int{1, 7} {
		text, err := json.Marshal(stepOf(aStep(run, 1, n)))
		if err != nil {
			t.Fatal(err)
		}
		var read Step
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		got.TTFT.Merge(&read.Histograms.TTFT)
		got.E2E.Merge(&read.Histograms.E2E)
		got.TPOT.Merge(&read.Histograms.TPOT)
	}
	for name, h := range map[string][2]*prober.Histogram{"TTFT": {&got.TTFT, &want.TTFT}, "TPOT": {&got.TPOT, &want.TPOT}, "E2E": {&got.E2E, &want.E2E}} {
		if fmt.Sprint(h[0].Distribution()) != fmt.Sprint(h[1].Distribution()) {
			t.Errorf("%s: got %+v, want %+v", name, h[0].Distribution(), h[1].Distribution())
		}
	}
}

// ids are those of records.
func ids(records []*Record) string {
	var all []string
	for _, r := range records {
		all = append(all, r.ID[9:13])
	}
	return strings.Join(all, " ")
}

// collect takes records until the first error.
func collect(from iter.Seq2[*Record, error]) (records []*Record, err error) {
	for r, err := range from {
		if err != nil {
			return records, err
		}
		records = append(records, r)
	}
	return records, nil
}

func TestReading(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Retention{})
	defer s.Close()
	for i := range 6 { // p at even hours, p2 at odd ones
		record(t, s, i%2, noon.Add(time.Duration(i)*time.Hour))
	}
	for name, tt := range map[string]struct {
		probe string
		limit int
		want  string
	}{
		"all, the newest first":         {"", 50, "1700 1600 1500 1400 1300 1200"},
		"at most two":                   {"", 2, "1700 1600"},
		"of one probe":                  {"p", 50, "1600 1400 1200"},
		"of another, at most two":       {"p2", 2, "1700 1500"},
		"of a probe that there is none": {"p1", 50, ""},
	} {
		got, err := In(folder).Newest(tt.probe, tt.limit)
		if err != nil || ids(got) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", name, ids(got), err, tt.want)
		}
	}
	for name, tt := range map[string]struct {
		probe string
		since time.Time
		want  string
	}{
		"all, the oldest first":        {"", time.Time{}, "1200 1300 1400 1500 1600 1700"},
		"since the start of a run":     {"", noon.Add(4 * time.Hour), "1600 1700"},
		"of one probe, since a moment": {"p", noon.Add(time.Second), "1400 1600"},
		"since later than all":         {"", noon.Add(24 * time.Hour), ""},
	} {
		got, err := collect(In(folder).All(tt.probe, tt.since))
		if err != nil || ids(got) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", name, ids(got), err, tt.want)
		}
	}
	for name, tt := range map[string]struct {
		since time.Duration // after noon
		want  string
	}{
		"before all":         {-time.Hour, "1200 1400 1600"},
		"the start of a run": {2 * time.Hour, "1200 1400 1600"},
		"between two":        {3 * time.Hour, "1400 1600"},
		"later than all":     {24 * time.Hour, "1600"},
	} {
		got, err := collect(In(folder).Reaching("p", noon.Add(tt.since)))
		if err != nil || ids(got) != tt.want {
			t.Errorf("reaching %s: got %s, %v, want %s", name, ids(got), err, tt.want)
		}
	}
	if _, err := In(folder).Run("none"); err == nil || !strings.Contains(err.Error(), "vllm_prober runs list shows those that there are") {
		t.Error(err)
	}
	if _, err := In(t.TempDir()).Newest("", 1); err == nil || !strings.Contains(err.Error(), "no records in") {
		t.Error(err)
	}
}

// A probe's definition is another one when anything of it changes.
// The latest run of each probe, also of one whose name begins with another's.
func TestLatest(t *testing.T) {
	s := open(t, t.TempDir(), Retention{})
	defer s.Close()
	record(t, s, 0, noon)
	record(t, s, 1, noon.Add(time.Hour))
	record(t, s, 0, noon.Add(2*time.Hour))
	odd := recorder(t, s, 0)
	odd.RunStarted(aRun("p/2", noon.Add(30*time.Minute)))
	latest, err := s.Latest()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range latest {
		got = append(got, fmt.Sprintf("%s at %s with %d", r.Probe, r.StartedAt.Format("15:04"), len(r.Steps)))
	}
	if want := "p at 14:00 with 2, p2 at 13:00 with 2, p/2 at 12:30 with 0"; strings.Join(got, ", ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestConfigurationFollowsTheDefinition(t *testing.T) {
	cfg := probing()
	of := func() string {
		text, err := Configuration(cfg, cfg.Probes[0])
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := of()
	cfg.Targets[1].Replicas = []string{"http://elsewhere"} // which the probe does not use
	if of() != before {
		t.Error("another target's change changed it")
	}
	cfg.Targets[0].BatchSize = 16
	if of() == before {
		t.Error("its own target's change did not change it")
	}
	// Without the heartbeat that it names it would be none.
	cfg.Probes[0].Guard.Heartbeat, cfg.Probes[0].Guard.HeartbeatTTFT = "beat", time.Second
	beat := config.DefaultProbe()
	beat.Name, beat.Arms, beat.Schedule = "beat", []config.Arm{{Target: "other"}}, config.Schedule{}
	beat.Ladder, beat.Guard = config.Ladder{}, config.Guard{}
	beat.Heartbeat = &config.Heartbeat{Rate: 1, Window: time.Minute}
	cfg.Probes = append(cfg.Probes, beat)
	got, err := config.Parse([]byte(of()), "record")
	if err != nil || len(got.Probes) != 2 || got.Probes[0].Name != "p" || got.Probes[1].Name != "beat" || len(got.Targets) != 2 {
		t.Errorf("%v in the configuration\n%s", err, of())
	}
}
