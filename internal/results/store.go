package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"go.etcd.io/bbolt"

	"vllm_prober/prober"
)

// Store writes records into a folder. Of one folder there is one Store at a time,
// in one process; anybody may read beside it.
type Store struct {
	Reader

	retention Retention
	logger    *slog.Logger
	lock      *flock.Flock

	runs     atomic.Int64
	failures atomic.Uint64
}

// Retention says which records are kept.
type Retention struct {
	// Age is the longest time since a run's start; 0 is no limit.
	Age time.Duration
	// Runs is the largest number of runs; 0 is no limit.
	Runs int
}

// cut is the error of a run that has no end of its own.
const cut = "cut: the prober ended in the middle of it"

// Open opens the records of a folder for writing and makes both where they are
// not there. Runs that a prober left without an end get one that says so. The
// error says what to do.
func Open(folder string, retention Retention, logger *slog.Logger) (*Store, error) {
	s := &Store{
		Reader:    Reader{filepath.Join(folder, fileName)},
		retention: retention, logger: logger, lock: flock.New(filepath.Join(folder, "lock")),
	}
	if err := s.open(folder); err != nil {
		s.Close()
		return nil, fmt.Errorf("opening the records in %s: %w", folder, err)
	}
	return s, nil
}

func (s *Store) open(folder string) error {
	if err := os.MkdirAll(folder, 0o750); err != nil { //nolint:gosec // which folder is for the operator to say
		return unwritable(err)
	}
	// The kernel gives the lock back however the process ends. Without it, this
	// process would take another's run that is under way for one that was cut.
	alone, err := s.lock.TryLock()
	if err != nil {
		return unwritable(err)
	}
	if !alone {
		return errors.New("another vllm_prober keeps its records there: give each a --storage.path of its own")
	}
	if err := create(s.path); err != nil {
		return unwritable(err)
	}
	return s.update(func(tx *bbolt.Tx) error {
		if err := s.endCutRuns(tx); err != nil {
			return err
		}
		return s.retention.apply(tx, time.Now())
	})
}

func unwritable(err error) error {
	return fmt.Errorf("%w: --storage.path needs a folder that can be written; an empty one keeps no records", err)
}

// endCutRuns gives an end to the runs that have none: nobody else has the lock,
// so nobody is making them.
func (s *Store) endCutRuns(tx *bbolt.Tx) error {
	for _, id := range slices.Collect(keys(tx.Bucket(bucketOpen))) {
		if err := putEnd(tx, id, ending{Err: cut}); err != nil {
			return err
		}
		s.logger.Warn("a run was cut: the prober ended in the middle of it", "run", id)
	}
	return nil
}

// Close lets another process write.
func (s *Store) Close() {
	_ = s.lock.Close() // what it cannot give back, the end of the process does
}

// Runs is how many runs are recorded.
func (s *Store) Runs() int { return int(s.runs.Load()) }

// Failures is how many writes have failed.
func (s *Store) Failures() uint64 { return s.failures.Load() }

// Size is the file's size in bytes; 0 where it cannot be told.
func (s *Store) Size() int64 {
	about, err := os.Stat(s.path)
	if err != nil {
		return 0
	}
	return about.Size()
}

// update makes one transaction, which is on the disk when it returns.
func (s *Store) update(do func(*bbolt.Tx) error) error {
	runs := 0
	err := transact(s.path, true, func(tx *bbolt.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		runs = count(tx)
		return nil
	})
	if err == nil {
		s.runs.Store(int64(runs))
	}
	return err
}

// count is the number of runs, from the index, which is small.
func count(tx *bbolt.Tx) int {
	n := 0
	for range keys(tx.Bucket(bucketByProbe)) {
		n++
	}
	return n
}

// present is the value of a key that says it all.
var present = []byte{1}

// putBeginning writes that a run has begun, unless that is written.
func putBeginning(tx *bbolt.Tx, b *beginning) error {
	if tx.Bucket(bucketRuns).Get([]byte(b.ID)) != nil {
		return nil
	}
	if err := put(tx, bucketRuns, b.ID, b); err != nil {
		return err
	}
	if err := tx.Bucket(bucketOpen).Put([]byte(b.ID), present); err != nil {
		return err
	}
	return tx.Bucket(bucketByProbe).Put([]byte(probeKey(b.Probe, b.ID)), present)
}

// putStep writes a step of a run, unless it is written.
func putStep(tx *bbolt.Tx, id string, result *prober.StepResult) error {
	key := stepKey(id, result.Step)
	if tx.Bucket(bucketSteps).Get([]byte(key)) != nil {
		return nil
	}
	return put(tx, bucketSteps, key, stepOf(result))
}

// putEnd writes that a run has ended.
func putEnd(tx *bbolt.Tx, id string, e ending) error {
	if err := put(tx, bucketEnds, id, e); err != nil {
		return err
	}
	return tx.Bucket(bucketOpen).Delete([]byte(id))
}

func probeKey(probe, id string) string { return probe + "/" + id }

// stepKey is where a step is kept: what was made again follows what was aborted.
func stepKey(id string, step prober.Step) string {
	key := fmt.Sprintf("%s/%06d", id, step.Number)
	if step.Repeated {
		key += "/repeated"
	}
	return key
}

// apply removes the oldest runs that are not to be kept at a time. A run that is
// under way stays.
func (r Retention) apply(tx *bbolt.Tx, now time.Time) error {
	excess := 0
	if r.Runs > 0 {
		excess = count(tx) - r.Runs
	}
	var old []beginning
	runs := tx.Bucket(bucketRuns).Cursor()
	for key, value := runs.First(); key != nil; key, value = runs.Next() {
		var b beginning
		if err := json.Unmarshal(value, &b); err != nil {
			return (&stored{id: string(key)}).unreadable("beginning", err)
		}
		tooOld := r.Age > 0 && now.Sub(b.StartedAt) > r.Age
		if len(old) >= excess && !tooOld {
			break
		}
		if tx.Bucket(bucketOpen).Get(key) == nil {
			old = append(old, b)
		}
	}
	for i := range old {
		if err := remove(tx, &old[i]); err != nil {
			return err
		}
	}
	return nil
}

// remove removes all of a run.
func remove(tx *bbolt.Tx, b *beginning) error {
	for _, key := range slices.Collect(keysFrom(tx.Bucket(bucketSteps), b.ID+"/")) {
		if err := tx.Bucket(bucketSteps).Delete([]byte(key)); err != nil {
			return err
		}
	}
	if err := tx.Bucket(bucketByProbe).Delete([]byte(probeKey(b.Probe, b.ID))); err != nil {
		return err
	}
	if err := tx.Bucket(bucketEnds).Delete([]byte(b.ID)); err != nil {
		return err
	}
	return tx.Bucket(bucketRuns).Delete([]byte(b.ID))
}
