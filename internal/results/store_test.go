package results

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"vllm_prober/prober"
)

// all are the ids of all records, the newest first.
func all(t *testing.T, r *Reader) string {
	t.Helper()
	records, err := r.Newest("", 100)
	if err != nil {
		t.Fatal(err)
	}
	return ids(records)
}

// Too old and too many records go, at opening and after each run.
func TestRetention(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now() // 2000-01-01 00:00 UTC, in the bubble
		s := open(t, folder, Retention{Age: 5 * time.Hour, Runs: 3})
		for i := range 5 {
			time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Hour)))
			record(t, s, i%2, time.Now())
		}
		if got := all(t, &s.Reader); got != "0400 0300 0200" {
			t.Errorf("by number: %s are kept", got)
		}
		if s.Runs() != 3 {
			t.Errorf("%d runs are counted", s.Runs())
		}
		s.Close()

		time.Sleep(4 * time.Hour) // it is 8 o'clock: 3 is 5 h ago, and just kept
		s = open(t, folder, Retention{Age: 5 * time.Hour, Runs: 3})
		if got := all(t, &s.Reader); got != "0400 0300" {
			t.Errorf("at opening: %s are kept", got)
		}
		time.Sleep(61 * time.Minute)
		record(t, s, 0, time.Now())
		if got := all(t, &s.Reader); got != "0901" {
			t.Errorf("by age: %s are kept", got)
		}
		s.Close()

		s = open(t, folder, Retention{}) // no limits
		record(t, s, 1, time.Now().Add(1000*24*time.Hour))
		if got := all(t, &s.Reader); got != "0901 0901" {
			t.Errorf("without limits: %s are kept", got)
		}
		// Nothing is left of what is gone.
		if err := s.view(func(tx *bbolt.Tx) error {
			for _, bucket := range [][]byte{bucketRuns, bucketEnds, bucketByProbe, bucketSteps, bucketOpen} {
				n, want := 0, map[string]int{"steps": 4, "open": 0}
				for range keys(tx.Bucket(bucket)) {
					n++
				}
				if expected, has := want[string(bucket)]; has && n != expected || !has && n != 2 {
					t.Errorf("%d keys in %s", n, bucket)
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		s.Close()
	})
}

// A run that is under way is kept, whatever the limits say.
func TestARunUnderWayStays(t *testing.T) {
	s := open(t, t.TempDir(), Retention{Age: time.Nanosecond, Runs: 1})
	defer s.Close()
	under := recorder(t, s, 0)
	under.RunStarted(aRun("p", noon))
	record(t, s, 1, noon.Add(time.Hour))
	if got := all(t, &s.Reader); got != "1200" {
		t.Errorf("%s are kept", got)
	}
}

// A run that a prober left without an end gets one, exactly once.
func TestACutRunIsMarked(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Retention{})
	r, run := recorder(t, s, 0), aRun("p", noon)
	r.RunStarted(run)
	r.StepEnded(aStep(run, 1, 1))
	// As long as this process has the records, no other one takes them, and the
	// run has not ended.
	if _, err := Open(folder, Retention{}, quiet); err == nil || !strings.Contains(err.Error(), "opening the records in "+folder+": another vllm_prober keeps its records there") {
		t.Errorf("opened twice: %v", err)
	}
	if got, err := In(folder).Run(run.ID); err != nil || got.Err != "" || !got.EndedAt.IsZero() || len(got.Steps) != 1 {
		t.Errorf("under way: %+v, %v", got, err)
	}
	s.Close() // as the kernel does for a process that is killed

	var log bytes.Buffer
	for range 3 {
		s, err := Open(folder, Retention{}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Run(run.ID)
		if err != nil || got.Err != "the prober ended in the middle of it" || got.Outcome != prober.RunAborted || !got.EndedAt.IsZero() || len(got.Steps) != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		s.Close()
	}
	if n := strings.Count(log.String(), "a run was cut"); n != 1 {
		t.Errorf("it is logged %d times:\n%s", n, log.String())
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	folder := t.TempDir()
	open(t, folder, Retention{}).Close()
	if err := transact(filepath.Join(folder, fileName), true, func(tx *bbolt.Tx) error {
		return put(tx, bucketAbout, string(keySchema), Schema+1)
	}); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(folder, fileName) +
		" has schema 2, which a newer vllm_prober wrote; this one knows 1: use the newer one, or another --storage.path"
	if _, err := Open(folder, Retention{}, quiet); err == nil || err.Error() != "opening the records in "+folder+": "+want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := In(folder).Newest("", 1); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Whatever has become of the file, the program says so and lives.
func TestDamage(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, Retention{})
	for i := range 40 {
		record(t, s, 0, noon.Add(time.Duration(i)*time.Minute))
	}
	s.Close()
	text, err := os.ReadFile(filepath.Join(folder, fileName))
	if err != nil {
		t.Fatal(err)
	}
	damage := map[string]func() []byte{
		"no store":        func() []byte { return bytes.Repeat([]byte("no store of records\n"), 1000) },
		"a few bytes":     func() []byte { return text[:100] },
		"empty":           func() []byte { return nil },
		"zeros":           func() []byte { return make([]byte, len(text)) },
		"its first pages": func() []byte { return text[:4*os.Getpagesize()] },
		"its first half":  func() []byte { return text[:len(text)/2] },
	}
	for name, of := range damage {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, fileName)
			if err := os.WriteFile(path, of(), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(folder, Retention{}, quiet)
			if err == nil { // what is damaged is not needed yet
				defer s.Close()
				_, err = collect(s.All("", time.Time{}))
			}
			if err == nil || !strings.Contains(err.Error(), "move it away to begin anew") {
				t.Errorf("no error that says what to do: %v", err)
			}
		})
	}
	// Bytes that have changed somewhere are found out or do no harm. The seed is fixed.
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		folder := t.TempDir()
		changed := bytes.Clone(text)
		for range 1 + random.IntN(20) {
			changed[random.IntN(len(changed))] = byte(random.Uint32())
		}
		if err := os.WriteFile(filepath.Join(folder, fileName), changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := collect(In(folder).All("", time.Time{})); err != nil && !strings.Contains(err.Error(), "damaged") {
			t.Error(err)
		}
	}
}

// A folder that cannot be written is refused with what to do.
func TestAFolderThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	folders := map[string]string{"a file": file, "below a file": filepath.Join(file, "data")}
	if os.Getuid() != 0 { // whom no mode holds back
		readOnly := t.TempDir()
		if err := os.Chmod(readOnly, 0o500); err != nil {
			t.Fatal(err)
		}
		folders["read-only"], folders["below a read-only one"] = readOnly, filepath.Join(readOnly, "data")
	}
	for name, folder := range folders {
		_, err := Open(folder, Retention{}, quiet)
		if err == nil || !strings.Contains(err.Error(), "--storage.path needs a folder that can be written; an empty one keeps no records") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A reader that holds the file costs a write, and the next one makes up for it.
func TestALockedFile(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, folder, Retention{})
		defer s.Close()
		r, run := recorder(t, s, 0), aRun("p", noon)
		began := time.Now()
		if err := s.view(func(*bbolt.Tx) error { r.RunStarted(run); return nil }); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); s.Failures() != 1 || waited > lockWait {
			t.Errorf("%d failures after %s, want 1 within %s", s.Failures(), waited, lockWait)
		}
		r.StepEnded(aStep(run, 1, 1))
		if got, err := s.Run(run.ID); err != nil || len(got.Steps) != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	s := open(f, f.TempDir(), Retention{})
	result := record(f, s, 0, noon)
	if err := s.view(func(tx *bbolt.Tx) error {
		whole := read(tx, result.ID)
		f.Add(whole.begin, whole.end, whole.steps[0])
		f.Add(whole.begin, []byte(nil), whole.steps[1])
		return nil
	}); err != nil {
		f.Fatal(err)
	}
	s.Close()
	f.Add([]byte(`{"id":1}`), []byte(`{}`), []byte(`{"histograms":{"ttft_seconds":{"schema":7,"count":1,"buckets":{"99999999":1}}}}`))
	f.Fuzz(func(t *testing.T, begin, end, step []byte) {
		lies := stored{id: "x", begin: begin, end: end, steps: [][]byte{step}}
		r, err := lies.decode()
		if err != nil {
			if !strings.Contains(err.Error(), "of run x") {
				t.Errorf("the error does not say which run: %v", err)
			}
			return
		}
		if h := r.Steps[0].Histograms; h != nil {
			for _, of := range []*prober.Histogram{&h.TTFT, &h.TPOT, &h.ITL, &h.E2E} {
				if d := of.Distribution(); fmt.Sprint(d.P99) == "NaN" {
					t.Errorf("a histogram of no numbers was read from %s", step)
				}
			}
		}
		_ = r.Result()
	})
}
