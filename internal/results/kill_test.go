//go:build unix

package results

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"vllm_prober/prober"
)

// childFolder is set in the environment of a process that a test of this package
// starts: it records runs there, for ever.
const childFolder = "VLLM_PROBER_TEST_RECORDS"

// stepsOfChild is how many steps each of its runs has.
const stepsOfChild = 4

func TestMain(m *testing.M) {
	folder := os.Getenv(childFolder)
	if folder == "" {
		os.Exit(m.Run())
	}
	if err := recordForEver(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// recordForEver tells on standard output what has been recorded: "ID N" for a
// step, "ID end" for a run.
func recordForEver(folder string) error {
	s, err := Open(folder, Retention{Runs: 20}, quiet)
	if err != nil {
		return err
	}
	cfg := probing()
	r, err := s.Recorder(cfg, cfg.Probes[0])
	if err != nil {
		return err
	}
	for s.Failures() == 0 {
		run := aRun("p", time.Now())
		run.ID = time.Now().UTC().Format("20060102T150405.000000000Z") // there are many a second
		result := &prober.RunResult{Run: run, EndedAt: time.Now()}
		r.RunStarted(run)
		for number := range stepsOfChild {
			step := aStep(run, number+1, 1)
			r.StepEnded(step)
			fmt.Println(run.ID, number+1)
			result.Results = append(result.Results, *step)
		}
		r.RunEnded(result)
		fmt.Println(run.ID, "end")
	}
	return fmt.Errorf("%d writes failed", s.Failures())
}

// reported is what a killed process had told of.
type reported struct {
	steps map[string]int // by run
	ended map[string]bool
}

// killed starts a process that records, and kills it a random time after it has
// told of a random number of things.
func killed(t *testing.T, folder string, random *rand.Rand) reported {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childFolder+"="+folder)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until, more := 1+random.IntN(3*stepsOfChild), time.Duration(random.Int64N(int64(10*time.Millisecond)))
	told := reported{map[string]int{}, map[string]bool{}}
	n := 0
	for lines := bufio.NewScanner(out); lines.Scan(); n++ { // goes on until the process is gone
		id, what, whole := strings.Cut(lines.Text(), " ")
		if number, err := strconv.Atoi(what); err == nil && whole {
			told.steps[id] = number
		} else if what == "end" {
			told.ended[id] = true
		}
		if n == until {
			time.AfterFunc(more, func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); n <= until || err == nil || err.Error() != "signal: killed" {
		t.Fatalf("the process ended by itself: %v, %s", err, stderr.String())
	}
	return told
}

// A process that is killed at any moment leaves a file that opens and holds all
// that was told of before; the run that was cut is marked so, once.
func TestKill(t *testing.T) {
	folder := t.TempDir()
	random := rand.New(rand.NewPCG(7, 7))
	cutRuns := 0
	for range 20 {
		told := killed(t, folder, random)
		var log bytes.Buffer
		for range 2 { // the second opening finds nothing more to do
			s, err := Open(folder, Retention{Runs: 20}, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			records, err := s.Newest("p", 20)
			if err != nil {
				t.Fatal(err)
			}
			if len(records) != s.Runs() {
				t.Errorf("%d runs, %d are counted", len(records), s.Runs())
			}
			check(t, told, records)
			s.Close()
		}
		cutRuns += strings.Count(log.String(), "a run was cut")
		if n := strings.Count(log.String(), "a run was cut"); n > 1 {
			t.Errorf("%d runs were cut, or one more than once:\n%s", n, log.String())
		}
	}
	if cutRuns == 0 {
		t.Error("no kill has cut a run: the test tests nothing")
	}
}

// check compares what was told of with what is recorded.
func check(t *testing.T, told reported, records []*Record) {
	t.Helper()
	byID := map[string]*Record{}
	for _, r := range records {
		byID[r.ID] = r
		if whole := r.Err == "" && !r.EndedAt.IsZero() && len(r.Steps) == stepsOfChild; !whole && r.Err != cut {
			t.Errorf("run %s has %d steps, error %q, end %s", r.ID, len(r.Steps), r.Err, r.EndedAt)
		}
	}
	oldest := records[len(records)-1].ID
	for id, steps := range told.steps {
		r := byID[id]
		switch {
		case r == nil && id < oldest: // retention
		case r == nil:
			t.Errorf("run %s is lost", id)
		case len(r.Steps) < steps:
			t.Errorf("of run %s %d steps are left, want %d", id, len(r.Steps), steps)
		case told.ended[id] && r.Err != "":
			t.Errorf("run %s had ended, and has the error %q", id, r.Err)
		}
	}
}
