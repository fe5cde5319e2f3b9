package results

import (
	"bytes"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"vllm_prober/prober"
)

// Reader reads the records of a folder, also while a prober writes them.
type Reader struct{ path string }

// In returns a reader of the records in a folder.
func In(folder string) *Reader { return &Reader{filepath.Join(folder, fileName)} }

// Newest returns the newest records, the newest first: at most so many, and of
// one probe unless its name is empty. It takes no longer where there are more.
func (r *Reader) Newest(probe string, limit int) ([]*Record, error) {
	found, _, err := r.newest(probe, "", limit)
	if err != nil {
		return nil, err
	}
	return decoded(found, (*stored).decode)
}

// newest reads the newest runs before the run of an id, the newest first: at most so
// many. more says that older ones follow.
func (r *Reader) newest(probe, before string, limit int) (found []stored, more bool, err error) {
	err = r.view(func(tx *bbolt.Tx) error {
		for id := range newest(tx, probe, before) {
			if more = len(found) == limit; more {
				break
			}
			found = append(found, read(tx, id))
		}
		return nil
	})
	return found, more, err
}

// decoded are the records of runs, as decode makes each.
func decoded(found []stored, decode func(*stored) (*Record, error)) (records []*Record, err error) {
	records = make([]*Record, len(found))
	for i := range found {
		if records[i], err = decode(&found[i]); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// Page returns the newest records of runs that began before the run of an id, or of
// all runs if that is empty, the newest first: at most so many, and of one probe
// unless its name is empty. They have neither histograms nor batches, which are most of
// a record. more says that older ones follow. It takes no longer where there are more.
func (r *Reader) Page(probe, before string, limit int) (records []*Record, more bool, err error) {
	found, more, err := r.newest(probe, before, limit)
	if err != nil {
		return nil, false, err
	}
	records, err = decoded(found, (*stored).brief)
	return records, more, err
}

// NotFoundError is that of a run of which there is no record.
type NotFoundError struct{ ID, Folder string }

// Error says where the run was looked for.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("there is no run %q in %s: vllm_prober runs list shows those that there are", e.ID, e.Folder)
}

// Former returns the records of runs of the same definition as one, the newest before
// it first, that made all their steps: at most so many, of the formerRuns before it.
func (r *Reader) Former(of *Record, limit int) ([]*Record, error) {
	found, _, err := r.newest(of.Probe, of.ID, formerRuns)
	var former []*Record
	for i := range found {
		if err != nil || len(former) == limit {
			break
		}
		var record *Record
		if record, err = found[i].decode(); err == nil && record.Configuration == of.Configuration && record.Outcome == prober.RunSuccess {
			former = append(former, record)
		}
	}
	return former, err
}

// Latest returns the newest record of each probe, the newest first.
func (r *Reader) Latest() ([]*Record, error) {
	var found []stored
	err := r.view(func(tx *bbolt.Tx) error {
		for _, id := range latest(tx) {
			found = append(found, read(tx, id))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	records, err := decoded(found, (*stored).decode)
	slices.SortFunc(records, func(a, b *Record) int { return strings.Compare(b.ID, a.ID) })
	return records, err
}

// Run returns the record of a run. The error is a *NotFoundError where there is none.
func (r *Reader) Run(id string) (*Record, error) {
	var found stored
	err := r.view(func(tx *bbolt.Tx) error {
		found = read(tx, id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if found.begin == nil {
		return nil, &NotFoundError{id, filepath.Dir(r.path)}
	}
	return found.decode()
}

// batch is how many records are read at a time.
const batch = 20

// All yields the records of the runs that began at since or later, the oldest
// first, of one probe unless its name is empty. It ends with the first error.
func (r *Reader) All(probe string, since time.Time) iter.Seq2[*Record, error] {
	return r.records(func() ([]string, error) { return r.since(probe, since, false) })
}

// Reaching is as All, for the runs that may have made steps at since or later: it
// yields the last one that began before, too. Those of a probe do not overlap.
func (r *Reader) Reaching(probe string, since time.Time) iter.Seq2[*Record, error] {
	return r.records(func() ([]string, error) { return r.since(probe, since, true) })
}

// records yields the records of the runs with some ids, in their order.
func (r *Reader) records(list func() ([]string, error)) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		ids, err := list()
		if err != nil {
			yield(nil, err)
			return
		}
		for some := range slices.Chunk(ids, batch) {
			var found []stored
			err := r.view(func(tx *bbolt.Tx) error {
				for _, id := range some {
					if one := read(tx, id); one.begin != nil { // retention may have removed it by now
						found = append(found, one)
					}
				}
				return nil
			})
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range found {
				record, err := found[i].decode()
				if !yield(record, err) || err != nil {
					return
				}
			}
		}
	}
}

// since lists the ids of the runs that began at a time or later, and perhaps of the
// last one before, the oldest first.
func (r *Reader) since(probe string, at time.Time, andBefore bool) (ids []string, err error) {
	err = r.view(func(tx *bbolt.Tx) error {
		for id := range newest(tx, probe, "") {
			if !at.IsZero() {
				begun := stored{id: id, begin: tx.Bucket(bucketRuns).Get([]byte(id))}
				record, err := begun.decode()
				if err != nil {
					return err
				}
				if record.StartedAt.Before(at) {
					if andBefore {
						ids = append(ids, id)
					}
					break
				}
			}
			ids = append(ids, id)
		}
		return nil
	})
	slices.Reverse(ids)
	return ids, err
}

func (r *Reader) view(do func(*bbolt.Tx) error) error { return transact(r.path, false, do) }

// read copies a record out of the file; one that is not there has no beginning.
func read(tx *bbolt.Tx, id string) stored {
	s := stored{
		id:    id,
		begin: bytes.Clone(tx.Bucket(bucketRuns).Get([]byte(id))),
		end:   bytes.Clone(tx.Bucket(bucketEnds).Get([]byte(id))),
	}
	steps := tx.Bucket(bucketSteps)
	for key := range keysFrom(steps, id+"/") {
		s.steps = append(s.steps, bytes.Clone(steps.Get([]byte(key))))
	}
	return s
}

// newest yields the ids of runs, the newest first, of one probe unless its name
// is empty, and of those before an id unless that is empty.
func newest(tx *bbolt.Tx, probe, before string) iter.Seq[string] {
	bucket, prefix, end := bucketRuns, "", before
	if probe != "" {
		bucket, prefix = bucketByProbe, probeKey(probe, "")
		end = prefix + before
	}
	if before == "" {
		end = prefix + "\xff" // after all of them
	}
	return func(yield func(string) bool) {
		runs := tx.Bucket(bucket).Cursor()
		key, _ := runs.Seek([]byte(end))
		if key == nil {
			key, _ = runs.Last()
		} else {
			key, _ = runs.Prev()
		}
		for ; key != nil; key, _ = runs.Prev() {
			id, its := strings.CutPrefix(string(key), prefix)
			if !its || !yield(id) {
				return
			}
		}
	}
}

// latest are the ids of the newest run of each probe, by probe.
func latest(tx *bbolt.Tx) map[string]string {
	ids := map[string]string{}
	for key := range keys(tx.Bucket(bucketByProbe)) { // of a probe, the oldest first
		at := strings.LastIndexByte(key, '/')
		ids[key[:at]] = key[at+1:]
	}
	return ids
}

// keys yields the keys of a bucket in their order. The bucket must not be
// changed meanwhile.
func keys(bucket *bbolt.Bucket) iter.Seq[string] { return keysFrom(bucket, "") }

// keysFrom yields those that begin with a prefix.
func keysFrom(bucket *bbolt.Bucket, prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		c := bucket.Cursor()
		for key, _ := c.Seek([]byte(prefix)); key != nil; key, _ = c.Next() {
			if !strings.HasPrefix(string(key), prefix) || !yield(string(key)) {
				return
			}
		}
	}
}
