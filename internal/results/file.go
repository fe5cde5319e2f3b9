package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// fileName is the file of a folder that holds its records.
const fileName = "records.db"

const fileMode = 0o640

// The buckets of the file. A run's id begins with its time, so that the order of
// keys is the order of runs.
var (
	bucketAbout   = []byte("about")    // keySchema: the schema as JSON
	bucketRuns    = []byte("runs")     // id: beginning
	bucketSteps   = []byte("steps")    // id/number or id/number/repeated: Step
	bucketEnds    = []byte("ends")     // id: ending
	bucketOpen    = []byte("open")     // id of a run without an end
	bucketByProbe = []byte("by_probe") // probe/id
	keySchema     = []byte("schema")
)

// lockWait is how long a transaction waits for those of other processes, which
// take milliseconds each.
const lockWait = 5 * time.Second

// transact opens the file for the time of one transaction: bbolt locks a file
// for as long as it is open, and whoever reads the records must not keep a daemon
// from writing them, nor a daemon anyone from reading.
func transact(path string, write bool, do func(*bbolt.Tx) error) (err error) {
	// bbolt trusts its file: a damaged one makes it panic, and a page that is
	// missing is a fault.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged(path, fmt.Sprint(p))
		}
	}()
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{Timeout: lockWait, ReadOnly: !write, NoStatistics: true})
	if err != nil {
		return openError(path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	run := db.View
	if write {
		run = db.Update
	}
	return run(func(tx *bbolt.Tx) error {
		if err := checkSchema(tx, path); err != nil {
			return err
		}
		return do(tx)
	})
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("no records in %s: --storage.path says where they are", filepath.Dir(path))
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%s: another process has locked it for %s", path, lockWait)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return damaged(path, err.Error())
	default:
		return fmt.Errorf("%w: --storage.path needs a folder that this user may read and write", err)
	}
}

func damaged(path, how string) error {
	return fmt.Errorf("%s is damaged (%s): put a backup in its place, or move it away to begin anew", path, how)
}

// checkSchema refuses a file that this program would misread.
func checkSchema(tx *bbolt.Tx, path string) error {
	for _, name := range [][]byte{bucketAbout, bucketRuns, bucketSteps, bucketEnds, bucketOpen, bucketByProbe} {
		if tx.Bucket(name) == nil {
			return damaged(path, "it has no "+string(name))
		}
	}
	var schema int
	if err := json.Unmarshal(tx.Bucket(bucketAbout).Get(keySchema), &schema); err != nil {
		return damaged(path, "its schema is no number")
	}
	if schema > Schema {
		return fmt.Errorf("%s has schema %d, which a newer vllm_prober wrote; this one knows %d: use the newer one, or another --storage.path",
			path, schema, Schema)
	}
	return nil
}

// create makes the file if there is none: whole, or not at all.
func create(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	unfinished := path + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(unfinished, fileMode, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketAbout, bucketRuns, bucketSteps, bucketEnds, bucketOpen, bucketByProbe} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return put(tx, bucketAbout, string(keySchema), Schema)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// put writes a value as JSON.
func put(tx *bbolt.Tx, bucket []byte, key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put([]byte(key), text)
}
