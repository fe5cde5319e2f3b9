//go:build e2e && linux

package vllm_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/document"
	"vllm_prober/internal/report"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// TestTheBatchSizeExperiment: of two servers that run 4 and 16 requests at a time,
// the larger batch completes more at the rate that saturates both, and what vLLM
// says of its slots shows where each batch size was in force and where it changed
// nothing. The run's record and its report say so, too; with the flag -artifacts of
// go test they are kept.
func TestTheBatchSizeExperiment(t *testing.T) {
	cfg := &config.Config{}
	_, probe := server.probe()
	probe.Arms = nil
	var starting sync.WaitGroup
	var servers [2]replica
	own := &account{servers: map[string]*replica{}, of: map[string]figures{}}
	for i, size := range []int{4, 16} {
		v := &servers[i]
		folder := t.TempDir()
		name := "batch-" + strconv.Itoa(size)
		probe.Arms = append(probe.Arms, config.Arm{Target: name})
		own.servers[name] = v
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
	folder := t.ArtifactDir()
	store, err := results.Open(folder, results.Retention{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	records, err := store.Recorder(cfg, probe)
	if err != nil {
		t.Fatal(err)
	}
	result, err := watchedAll(t, cfg, prober.Observers{records, own})
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
	theReportSays(t, folder, c, own)
}

// account adds up what the servers say of the steps at each rate.
type account struct {
	prober.Silent

	servers map[string]*replica // by target
	before  figures
	of      map[string]figures // by target and rate
}

func at(arm prober.Arm, rate float64) string { return fmt.Sprintf("%s at %g", arm.Target, rate) }

// StepStarted implements prober.Observer.
func (a *account) StepStarted(s prober.Step) { a.before, _ = a.servers[s.Arm.Target].figures() }

// StepEnded implements prober.Observer.
func (a *account) StepEnded(r *prober.StepResult) {
	after, err := a.servers[r.Arm.Target].figures()
	if err != nil || a.before == nil {
		return // a server that has much to do may not answer in time
	}
	sum := a.of[at(r.Arm, r.RequestRate)]
	if sum == nil {
		sum = figures{}
		a.of[at(r.Arm, r.RequestRate)] = sum
	}
	for name, delta := range after.minus(a.before) {
		sum[name] += delta
	}
}

// mean is that of a histogram of vLLM.
func (f figures) mean(histogram string) float64 { return f[histogram+"_sum"] / f[histogram+"_count"] }

// theReportSays makes the report of the record in a folder, whose run has made the
// experiment c, and looks what it says of that.
func theReportSays(t *testing.T, folder string, c *prober.Comparison, own *account) {
	t.Helper()
	latest, err := results.In(folder).Latest()
	if err != nil || len(latest) != 1 {
		t.Fatalf("%d records: %v", len(latest), err)
	}
	doc := report.Of(latest, report.English)
	html, err := doc.HTML()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := doc.JSON(); err != nil {
		t.Error(err)
	}
	markdown := doc.Markdown()
	for name, text := range map[string][]byte{"report.html": html, "report.md": []byte(markdown)} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		fmt.Sprintf("At %g requests a second, which saturates all arms, batch-16 completes the most:", c.RequestRate),
		"The batch size 4 of batch-4 is in force and was what requests waited for",
		"The batch size 16 of batch-16 is in force and was what requests waited for",
	} {
		if !strings.Contains(markdown, want) {
			t.Errorf("the report does not say: %s", want)
		}
	}
	if strings.Count(string(html), "<svg") < 6 { // throughput, four of latency, and where the time goes
		t.Errorf("the report has %d charts", strings.Count(string(html), "<svg"))
	}

	rate := strconv.FormatFloat(c.RequestRate, 'g', -1, 64)
	for i, size := range []string{"4", "16"} {
		arm := c.Arms[i].Arm
		inForce := row(t, doc, "Batch size", "batch-"+size)
		if inForce["declared"] != size || inForce["most that ran on a replica"] != size || inForce["verdict"] != "in force, and limited" {
			t.Errorf("batch size: %v", inForce)
		}
		if bears := row(t, doc, "Saturation", "batch-"+size); bears["capacity (req/s)"] == "–" {
			t.Errorf("saturation: %v", bears)
		}
		// Of the time of a request vLLM's own figures say the same: it waits. Which requests
		// they are of is another matter, for vLLM counts those of the warm-up too.
		took, vllm := row(t, doc, "Where the time goes", "batch-"+size, rate), own.of[at(arm, c.RequestRate)]
		t.Logf("%s: %v; vLLM's own mean TTFT %.3g s, queue %.3g s, decode %.3g s", at(arm, c.RequestRate), took,
			vllm.mean("vllm:time_to_first_token_seconds"), vllm.mean("vllm:request_queue_time_seconds"), vllm.mean("vllm:request_decode_time_seconds"))
		share, err := strconv.ParseFloat(strings.TrimSuffix(took["queue, of TTFT"], "%"), 64)
		if err != nil || share < 50 {
			t.Errorf("%s of TTFT is said to be the queue, where all slots are taken", took["queue, of TTFT"])
		}
		if waited := vllm.mean("vllm:request_queue_time_seconds") / vllm.mean("vllm:time_to_first_token_seconds"); vllm != nil && !(waited > 0.5) {
			t.Errorf("by vLLM's own figures %.0f%% of TTFT is the queue", 100*waited)
		}
	}
	// Chance may hide how much more the larger batch completes, but not turn it round.
	compared := row(t, doc, "Arms side by side", rate)
	if change := compared["change"]; !strings.HasPrefix(change, "+") || strings.HasSuffix(change, "worse") {
		t.Errorf("throughput from batch size 4 to 16: %v", compared)
	}
}

// row is the first row of a section's tables that begins with some cells, by the heads of
// its columns, of which the first counts where several are alike.
func row(t *testing.T, doc *document.Document, title string, begins ...string) map[string]string {
	t.Helper()
	for _, s := range doc.Sections {
		for _, b := range s.Blocks {
			if s.Title != title || b.Table == nil {
				continue
			}
			for _, r := range b.Table.Rows {
				if !slices.Equal(r[:len(begins)], begins) {
					continue
				}
				cells := map[string]string{}
				for i, cell := range r {
					if _, has := cells[b.Table.Head[i]]; !has {
						cells[b.Table.Head[i]] = cell
					}
				}
				return cells
			}
		}
	}
	t.Errorf("no row of %q begins with %q", title, begins)
	return nil
}
