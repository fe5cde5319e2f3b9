//go:build unix

package results

import (
	"bytes"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"vllm_prober/prober"
)

// A write that fails stops nothing, is logged and counted, and is made up for
// once there is room again.
func TestAFullDisk(t *testing.T) {
	var log bytes.Buffer
	folder := t.TempDir()
	s, err := Open(folder, Retention{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	record(t, s, 0, noon)

	r, run := recorder(t, s, 0), aRun("p", noon.Add(time.Hour))
	result := &prober.RunResult{Run: run, EndedAt: run.StartedAt.Add(time.Minute)}
	full(t, func() {
		r.RunStarted(run)
		for i := range 2 {
			step := aStep(run, i+1, 1)
			r.StepEnded(step)
			result.Results = append(result.Results, *step)
		}
	})
	if s.Failures() != 3 {
		t.Errorf("%d failures are counted, want 3", s.Failures())
	}
	for _, want := range []string{"the records lack the beginning of a run", "the records lack a step", "run=" + run.ID, "file too large"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
	if got := all(t, &s.Reader); got != "1200" {
		t.Errorf("there are %s", got)
	}
	r.RunEnded(result)
	if got, err := s.Run(run.ID); err != nil || len(got.Steps) != 2 || got.EndedAt.IsZero() || s.Failures() != 3 || s.Runs() != 2 {
		t.Errorf("once there is room: %+v, %v, %d failures, %d runs", got, err, s.Failures(), s.Runs())
	}
}

// full runs do while the system lets nothing be written, as on a full disk.
func full(t *testing.T, do func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	limited := before
	limited.Cur = 1 // byte is what a file may hold
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}()
	do()
}
