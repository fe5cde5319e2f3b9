package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/golden"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// ttfts records runs of two arms with several steps each, a run for each list of TTFTs in
// milliseconds; the second arm needs 1.2 times as long. It returns the folder and the
// runs' ids.
func ttfts(t *testing.T, runs ...[]float64) (folder string, ids []string) {
	t.Helper()
	folder, _, recorder, done := recording(t)
	defer done()
	for i, levels := range runs {
		at := time.Date(2026, 11, 24, i, 0, 0, 0, time.UTC)
		run := prober.Run{ID: fmt.Sprintf("20261124T%02d0000Z-%04d", i, i), Probe: "p", StartedAt: at, Steps: 2 * len(levels)}
		result := &prober.RunResult{Run: run, EndedAt: at.Add(time.Minute), Outcome: prober.RunSuccess}
		recorder.RunStarted(run)
		for repeat, ttft := range levels {
			for replicas := 1; replicas <= 2; replicas++ {
				mean := ttft / 1000
				if replicas == 2 {
					mean *= 1.2
				}
				result.Results = append(result.Results, prober.StepResult{
					Step: prober.Step{
						RunID: run.ID, Probe: "p", Number: len(result.Results) + 1, Arm: prober.Arm{Target: "t", Replicas: replicas, GPUs: replicas},
						RequestRate: 20, Seed: uint64(repeat), StartedAt: at, Window: 10 * time.Second,
					},
					EndedAt: at.Add(time.Minute), Completed: 200, Good: 200, Throughput: 20, Goodput: 20,
					Latencies: &prober.Latencies{TTFT: prober.Distribution{Count: 200, Mean: mean, P50: mean, P99: 2 * mean}},
				})
				recorder.StepEnded(&result.Results[len(result.Results)-1])
			}
		}
		recorder.RunEnded(result)
		ids = append(ids, run.ID)
	}
	return folder, ids
}

// searches records runs of an arm whose searches have found those capacities, and SLO
// rates of 80% of them. The runs have no request rate in common. It returns the folder and
// the runs' ids.
func searches(t *testing.T, capacities ...float64) (folder string, ids []string) {
	t.Helper()
	folder, _, recorder, done := recording(t)
	defer done()
	arm := prober.Arm{Target: "t", Replicas: 1, GPUs: 1}
	for i, capacity := range capacities {
		at := time.Date(2026, 11, 24, i, 0, 0, 0, time.UTC)
		run := prober.Run{ID: fmt.Sprintf("20261124T%02d0000Z-%04d", i, i), Probe: "p", StartedAt: at, Steps: 1}
		result := &prober.RunResult{Run: run, EndedAt: at.Add(time.Minute), Outcome: prober.RunSuccess}
		result.Results = []prober.StepResult{{
			Step:      prober.Step{RunID: run.ID, Probe: "p", Number: 1, Arm: arm, RequestRate: float64(1 + i), StartedAt: at, Window: 10 * time.Second},
			EndedAt:   at.Add(time.Minute),
			Completed: 100, Good: 100, Throughput: 10, Goodput: 10,
		}}
		answer := prober.Answer{Arm: arm, Steps: 4, Err: "no rate up to search.max_rate, 100, saturates the arm"}
		if capacity > 0 {
			answer = prober.Answer{
				Arm: arm, Steps: 4, Capacity: &prober.Estimate{Value: capacity, Lower: 0.96 * capacity, Upper: 1.06 * capacity},
				SLORate: &prober.Estimate{Value: 0.8 * capacity, Lower: 0.77 * capacity, Upper: 0.84 * capacity},
			}
		}
		result.Answers = []prober.Answer{answer}
		recorder.RunStarted(run)
		recorder.StepEnded(&result.Results[0])
		recorder.RunEnded(result)
		ids = append(ids, run.ID)
	}
	return folder, ids
}

// Runs that have nothing but their searches in common are compared by these, in all forms.
func TestCompareSearches(t *testing.T) {
	folder, ids := searches(t, 60, 60.6, 59.4, 48, 0, 60)
	golden.Check(t, "compare/searches.txt", text(t, "compare", "--storage.path", folder, strings.Join(ids[:3], ","), ids[3]))
	golden.Check(t, "compare/searches.markdown", text(t, "compare", "--storage.path", folder, "--output", "markdown", ids[2], ids[4]))
	// Of those before it, one has found none: nobody can say how much it bears.
	golden.Check(t, "compare/searches_before.json", text(t, "compare", "--storage.path", folder, "--output", "json", ids[5]))
}

func TestCompare(t *testing.T) {
	folder, ids := ttfts(t, []float64{100, 101, 99}, []float64{130, 131, 129})
	golden.Check(t, "compare/runs.txt", text(t, "compare", "--storage.path", folder, ids[0], ids[1]))
	golden.Check(t, "compare/arms.markdown", text(t, "compare", "--storage.path", folder, "--output", "markdown", ids[0]+":t:1", ids[0]+":t:2"))

	var tables []compare.Table
	if err := json.Unmarshal([]byte(text(t, "compare", "--storage.path", folder, "--output", "json", ids[0]+":t:1", ids[1]+":t:1")), &tables); err != nil {
		t.Fatal(err)
	}
	words := map[compare.Metric]stats.Word{}
	for _, c := range tables[0].Cells {
		words[c.Metric] = c.Word
	}
	if len(tables) != 1 || words[compare.TTFTMean] != stats.Worse || words[compare.Throughput] != stats.NoDifference {
		t.Errorf("%+v", words)
	}
}

// A run without another is held against those of its definition before it.
func TestCompareWithTheRunsBefore(t *testing.T) {
	folder, ids := ttfts(t, []float64{100}, []float64{102}, []float64{101}, []float64{99}, []float64{150}, []float64{100})
	for id, want := range map[string]stats.Word{ids[4]: stats.Worse, ids[5]: stats.Undetermined} {
		var tables []compare.Table
		if err := json.Unmarshal([]byte(text(t, "compare", "--storage.path", folder, "--output", "json", id+":t:1")), &tables); err != nil {
			t.Fatal(err)
		}
		if tables[0].Other != id+":t:1" && !strings.Contains(tables[0].Base, "before") {
			t.Errorf("%s is held against %s", tables[0].Other, tables[0].Base)
		}
		for _, c := range tables[0].Cells {
			if c.Metric == compare.TTFTMean && (c.Word != want || c.Method != stats.Former) {
				t.Errorf("%s: %+v", id, c)
			}
		}
	}
	// Of several runs, the ones before are those before the oldest.
	if out := text(t, "compare", "--storage.path", folder, ids[4]+","+ids[2]+":t:1"); !strings.Contains(out, "2 runs before:t:1 as base") {
		t.Errorf("before the third of six are two:\n%s", out)
	}
	p := start(t, "compare", "--storage.path", folder, ids[0])
	if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), "before "+ids[0]) {
		t.Errorf("status %d: %s", status, p.stderr.String())
	}
}

// Files of another tool are runs like any other, and what they cannot tell is said.
func TestCompareFiles(t *testing.T) {
	bench := func(name string, ttft float64) string {
		return write(t, name, fmt.Sprintf(`{"request_rate": 20, "request_throughput": 17.5, "mean_ttft_ms": %g}`, ttft))
	}
	fast := bench("a.json", 50) + "," + bench("b.json", 50.1)
	slow := bench("c.json", 60) + "," + bench("d.json", 60.1)
	out := text(t, "compare", fast, slow)
	for _, want := range []string{"TTFT ms", "+20.0%", "worse", "vllm bench serve counts the time in which the last requests drain"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	folder, ids := ttfts(t, []float64{100})
	out = text(t, "compare", "--storage.path", folder, ids[0]+":t:1", slow)
	if !strings.Contains(out, "one side's throughput counts the time in which its last requests drained") {
		t.Errorf("a run and a file: %s", out)
	}
	p := start(t, "compare", fast)
	if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), "has no runs before it") {
		t.Errorf("status %d: %s", status, p.stderr.String())
	}
}

// fieldReport are lines of the report that this project grew from, as files that vllm
// bench serve would have written of them: throughput per second, TTFT and TPOT in
// milliseconds, by request rate.
func fieldReport(t *testing.T, name, metadata string, lines map[int][3]float64) (files string) {
	var all []string
	for _, rate := range slices.Sorted(maps.Keys(lines)) {
		l := lines[rate]
		text := fmt.Sprintf(`{%s, "request_rate": %d.0, "burstiness": 1.0, "request_throughput": %g, "mean_ttft_ms": %g`, metadata, rate, l[0], l[1])
		if l[2] > 0 {
			text += fmt.Sprintf(`, "mean_tpot_ms": %g`, l[2])
		}
		all = append(all, write(t, fmt.Sprintf("%s-%d.json", name, rate), text+"}"))
	}
	return strings.Join(all, ",")
}

// Files that tell of their batch size and GPUs make one arm of a sweep, and what its figures
// say together is found: the report's batch size of 16 cannot have been in force.
func TestCompareTheFieldReport(t *testing.T) {
	one := fieldReport(t, "one", `"batch_size": "16", "gpus": "1"`, map[int][3]float64{10: {9.2, 90, 38.8}, 20: {13.6, 6714, 69.8}})
	four := map[int][3]float64{
		10: {9.23, 65.12, 28.7}, 20: {16.60, 83.38}, 30: {22.63, 90.09}, 40: {27.46, 97.59}, 50: {31.21, 105.22}, 60: {34.03, 120.67, 47.5},
	}
	four16 := fieldReport(t, "four16", `"batch_size": "16", "gpus": "4"`, four)
	out := text(t, "compare", one, four16)
	for _, want := range []string{
		one + " (batch size 16, 1 GPU) as base, and " + four16 + " (batch size 16, 4 GPUs);",
		one + ", 1 GPU: batch size 16 cannot have been in force: with 16 slots and 9.2 requests a second at 10 req/s, " +
			"a request took 1.74 s at most, which is 43 tokens; then the drain makes it a run of about 152 requests, " +
			"which at 20 req/s lasts 11.2 s, with a mean wait of 1.79 s at most, and 6.71 s were reported",
		four16 + ", 4 GPUs: the throughput counts the time in which the last requests drained: what it lacks grew 1.52-fold from 10 to 60 req/s",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	// Nothing contradicts a batch size of 50, and without one there is nothing to contradict.
	for _, metadata := range []string{`"batch_size": "50", "gpus": "1"`, `"gpus": "1"`} {
		other := fieldReport(t, "other", metadata, map[int][3]float64{10: {9.2, 90, 38.8}, 20: {13.6, 6714, 69.8}})
		if out := text(t, "compare", other, four16); strings.Contains(out, "cannot have been in force") {
			t.Errorf("with %s:\n%s", metadata, out)
		}
	}
	// The same file is the same run, by whatever side and name.
	first, _, _ := strings.Cut(four16, ",")
	again := filepath.Join(t.TempDir(), "again.json")
	if err := os.Symlink(first, again); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"again.json stands on both sides, and would be held against itself: name it once\n":            {four16, again},
		again + " stands twice on a side, and would be taken for two runs: name it once\n":             {four16 + "," + again, one},
		filepath.Base(first) + " stands on both sides, and would be held against itself: name it once": {four16, filepath.Dir(first) + "/./" + filepath.Base(first)},
	} {
		p := start(t, append([]string{"compare"}, args...)...)
		if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%v: status %d: %q lacks %q", args, status, p.stderr.String(), want)
		}
	}
}

func TestMistakesOfCompare(t *testing.T) {
	folder, ids := ttfts(t, []float64{100}, []float64{130})
	for want, args := range map[string][]string{
		`there is no run "x"`:           {"x", ids[0]},
		"open none.json: no such file":  {"none.json", ids[0]},
		"open a/none.txt: no such file": {ids[0], "a/none.txt"},
		"has no arm \"other\"; it has 20261124T000000Z-0000:t:1, 20261124T000000Z-0000:t:2": {ids[0] + ":other", ids[1]},
		"--effect: 0; allowed":                                                 {"--effect", "0", ids[0], ids[1]},
		ids[0] + " stands on both sides":                                       {ids[0], ids[0]},
		ids[1] + " stands on both sides":                                       {ids[1], ids[0] + "," + ids[1]},
		ids[0] + " stands twice on one side":                                   {ids[0] + "," + ids[0], ids[1]},
		"before " + ids[0] + " made all its steps with the same configuration": {ids[1] + "," + ids[0]},
		"have neither valid steps at the same request rate nor both a search": {
			ids[0] + ":t:1", write(t, "bench.json", `{"request_rate": 7, "request_throughput": 7, "mean_ttft_ms": 50}`),
		},
	} {
		p := start(t, append([]string{"compare", "--storage.path", folder}, args...)...)
		if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%v: status %d, %q lacks %q", args, status, p.stderr.String(), want)
		}
	}
}
