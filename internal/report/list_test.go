package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"vllm_prober/prober"
)

func TestWriteList(t *testing.T) {
	at := time.Date(2026, 11, 24, 14, 0, 0, 0, time.FixedZone("", 2*3600)) // 12:00 UTC
	run := func(id string) prober.Run { return prober.Run{ID: id, Probe: "ladder", StartedAt: at, Steps: 12} }
	invalid := prober.StepResult{Broken: []prober.Broken{{Promise: prober.PromiseCPU}}}
	var b bytes.Buffer
	if err := WriteList(&b, []*prober.RunResult{
		{Run: run("d"), Results: []prober.StepResult{{}}},
		{Run: run("c"), Results: []prober.StepResult{{}, invalid, {}}, Outcome: prober.RunAborted, Err: "the prober ended in the middle of it"},
		{Run: run("b"), EndedAt: at.Add(90*time.Second + 400*time.Millisecond), Outcome: prober.RunSuccess, Results: make([]prober.StepResult, 12)},
		{Run: run("a"), EndedAt: at.Add(time.Second), Outcome: prober.RunFailed, Err: "connection refused"},
	}); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(b.String()) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	for i, want := range []string{
		"run probe started took steps valid result",
		"d ladder 2026-11-24 12:00:00 – 1/12 1 not ended",
		"c ladder 2026-11-24 12:00:00 – 3/12 2 aborted: the prober ended in the middle of it",
		"b ladder 2026-11-24 12:00:00 1m30s 12/12 12 success",
		"a ladder 2026-11-24 12:00:00 1s 0/12 0 failed: connection refused",
	} {
		if rows[i] != want {
			t.Errorf("row %d is %s, want %s", i, rows[i], want)
		}
	}
}
