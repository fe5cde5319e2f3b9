package report

import (
	"slices"
	"strings"
	"testing"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/document"
	"vllm_prober/internal/results"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

func writing(r *results.Record) *writer {
	d := read(r)
	return &writer{speaker{English, d.arms}, d}
}

// rowsOf are the rows of the last table of blocks.
func rowsOf(t *testing.T, blocks []document.Block) [][]string {
	t.Helper()
	for _, b := range slices.Backward(blocks) {
		if b.Table != nil {
			return b.Table.Rows
		}
	}
	t.Fatalf("no table in %+v", blocks)
	return nil
}

// A row of a rate that was measured several times is of all of its steps.
func TestRowsAreOfAllRepeats(t *testing.T) {
	drew := func(watts, busy float64, throttled string) func(*prober.StepResult) {
		return func(s *prober.StepResult) {
			joulesOf(watts/100, map[string]float64{throttled: 1})(s)
			s.GPU.PowerWatts, s.GPU.UtilizationRatio = &watts, &busy
		}
	}
	w := writing(recorded(
		made(single, 10, no, says(prober.DidNotBind, 9, 1), drew(100, 0.5, "sw_power_cap")),
		made(single, 10, no, says(prober.NotInForce, 50, 4), drew(300, 0.7, "hw_slowdown")),
	))
	if got, want := rowsOf(t, w.batchSize()), []string{"a", "10", "16", "50", "2.5", "not in force", "50 ran"}; len(got) != 1 || !slices.Equal(got[0], want) {
		t.Errorf("batch size: %q, want %q", got, want)
	}
	if got, want := rowsOf(t, w.energy()), []string{"a", "10", "2", "200", "60%", "hw_slowdown sw_power_cap"}; len(got) != 1 || !slices.Equal(got[0], want) {
		t.Errorf("energy: %q, want %q", got, want)
	}
	w = writing(recorded(made(single, 10, no, drew(100, 0.5, "sw_power_cap")), made(single, 10, no, joulesOf(3, nil))))
	if got, want := rowsOf(t, w.energy()), []string{"a", "10", "2", "–", "–", "sw_power_cap"}; len(got) != 1 || !slices.Equal(got[0], want) {
		t.Errorf("energy of which one step knows little: %q, want %q", got, want)
	}
}

// What an experiment found at one rate says so, and against what.
func TestTheTableOfAnExperimentSaysWhatItIs(t *testing.T) {
	r := recorded(made(single, 10, no), made(other, 10, no))
	r.Comparison = &prober.Comparison{RequestRate: 70, Best: &other, Arms: []prober.Compared{
		{Arm: single, Repeats: 6, Throughput: 33}, {Arm: other, Repeats: 6, Throughput: 66, ToBase: &stats.Interval{Value: 2, Lower: 1.5, Upper: 2.75}},
	}}
	blocks := writing(r).saturation()
	if got, want := blocks[len(blocks)-1].Table.Caption, "At 70 requests a second, which saturates all arms; changes are against a"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	rows := rowsOf(t, blocks)
	if want := []string{"b", "6", "66", "+100.0%", "+50.0%, +175.0%"}; len(rows) != 2 || !slices.Equal(rows[1], want) {
		t.Errorf("%q, want %q", rows, want)
	}
}

// spend has the replicas tell of so many requests each what these spent in the queue and on
// prefill.
func spend(verdict prober.ReconciliationVerdict, queue, prefill float64, requests ...int) func(*prober.StepResult) {
	return func(s *prober.StepResult) {
		reconciled(prober.Reconciliation{Verdict: verdict})(s)
		for i, n := range requests {
			if i == len(s.Replicas) {
				s.Replicas = append(s.Replicas, prober.ReplicaResult{Waiting: &prober.Level{}})
			}
			s.Replicas[i].Queue, s.Replicas[i].Prefill = &prober.Spent{Requests: n, Mean: queue}, &prober.Spent{Requests: n, Mean: prefill}
			queue, prefill = 2*queue, 2*prefill
		}
	}
}

// The queue is what the replicas measured where that is of the requests of TTFT: of 300
// that waited 6 ms and 100 that waited 12 it is 7.5 of TTFT's 40, beside 15 of prefill. Elsewhere it
// is an estimate: 0.1 that wait at 10 a second are 10 ms.
func TestTheQueueIsMeasuredWhereItCanBe(t *testing.T) {
	const (
		heads     = "arm|req/s|TTFT|queue (measured by the replicas)|prefill|rest of TTFT|queue, of TTFT|TPOT|decode|E2E"
		estimated = "a|10|40 ms|10 ms|30 ms|25%|20 ms|1 s|1.04 s"
	)
	little := says(prober.DidNotBind, 9, 0.1)
	tells := func(queue, prefill float64, requests ...int) []prober.StepResult {
		return []prober.StepResult{made(single, 10, no, little, spend(prober.Reconciled, queue, prefill, requests...))}
	}
	short := spend(prober.Reconciled, 0.006, 0.012, 300)
	for name, tt := range map[string]struct {
		steps    []prober.StepResult
		measured bool
		want     string
	}{
		"by the requests of each":           {tells(0.006, 0.012, 300, 100), true, "a|10|40 ms|7.5 ms|15 ms|17.5 ms|18.8%|20 ms|1 s|1.04 s"},
		"none waited":                       {tells(0, 0.030, 600), true, "a|10|40 ms|0 s|30 ms|10 ms|0%|20 ms|1 s|1.04 s"},
		"a replica without requests":        {tells(0.006, 0.012, 300, 0), true, "a|10|40 ms|6 ms|12 ms|22 ms|15%|20 ms|1 s|1.04 s"},
		"a third of them at the edges":      {tells(0.006, 0.012, 900), true, "a|10|40 ms|6 ms|12 ms|22 ms|15%|20 ms|1 s|1.04 s"},
		"more than a third at the edges":    {tells(0.006, 0.012, 901), false, estimated},
		"more than TTFT":                    {tells(0.020, 0.021, 300), false, estimated},
		"a replica that does not tell":      {tells(0.006, 0.012), false, estimated},
		"a repeat that does not tell":       {slices.Concat(tells(0.006, 0.012, 300), tells(0.006, 0.012)), false, estimated},
		"others used them":                  {[]prober.StepResult{made(single, 10, no, little, spend(prober.ForeignTraffic, 0.006, 0.012, 300))}, false, estimated},
		"several replicas behind one URL":   {[]prober.StepResult{made(single, 10, no, little, spend(prober.SeveralReplicas, 0.006, 0.012, 300))}, false, estimated},
		"a record that knows nothing of it": {[]prober.StepResult{made(single, 10, no, little)}, false, estimated},
		"a queue that grows":                {[]prober.StepResult{made(single, 10, yes, little, short)}, false, estimated},
		"a queue that may grow":             {[]prober.StepResult{made(single, 10, unknown, little, short)}, false, estimated},
	} {
		t.Run(name, func(t *testing.T) {
			blocks := writing(recorded(tt.steps...)).breakdown()
			table := blocks[len(blocks)-1].Table
			head := heads
			if !tt.measured {
				head = strings.Replace(heads, "queue (measured by the replicas)|prefill", "queue (estimate)", 1)
			}
			if got := strings.Join(table.Head, "|"); got != head {
				t.Errorf("columns %s, want %s", got, head)
			}
			if got := strings.Join(table.Rows[0], "|"); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// No share is more than all: of 90%, 100% and 100% Student's interval ends at 111%.
func TestSharesEndAtAll(t *testing.T) {
	var steps []prober.StepResult
	for _, attained := range []float64{0.9, 1, 1} {
		steps = append(steps, made(single, 10, no, func(s *prober.StepResult) { s.Attainment = attained }))
	}
	blocks := writing(withSLO(t, recorded(steps...))).throughput()
	text := strings.Join(blocks[len(blocks)-1].Figure.Data.Rows[0], " ")
	if !strings.Contains(text, "–100%)") {
		t.Errorf("%s", text)
	}
}

// The paragraph says of all figures where their intervals come from.
func TestAllMethodsOfATable(t *testing.T) {
	w := writing(recorded(made(single, 10, no)))
	for want, methods := range map[string][]stats.Method{
		"Nothing is known of chance.":             {"", ""},
		"The repeats of both sides are compared.": {"", stats.Repeats, stats.Repeats},
		"Steps that were made beside each other are compared in pairs. Where there is one step of each, only the chance within a step is known, " +
			"and not what makes one run unlike the next.": {stats.Pairs, "", stats.Within, stats.Pairs},
	} {
		table := &compare.Table{}
		for _, m := range methods {
			table.Cells = append(table.Cells, compare.Cell{Method: m})
		}
		if got := w.methods(table); got != want {
			t.Errorf("%v: %q, want %q", methods, got, want)
		}
	}
}

// A step that the guard aborted is not passed over because it was made again.
func TestWhatWasMadeAgainIsShown(t *testing.T) {
	again := made(single, 10, no)
	again.Repeated = true
	r := recorded(made(single, 10, unknown, broken(prober.PromiseGuard)), again)
	if got, want := rowsOf(t, writing(r).doubts()), []string{"a", "10", "withheld: …; the step was made again"}; len(got) != 1 || !slices.Equal(got[0], want) {
		t.Errorf("%q, want %q", got, want)
	}
}
