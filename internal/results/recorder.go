package results

import (
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// Recorder writes the runs of one probe into a store while they go on: each step
// when it ends, so that nothing but a step under way is lost with the process. It
// is a prober.Observer. A write that fails is logged and counted, and made up for
// by the next one that does not.
type Recorder struct {
	prober.Silent

	store         *Store
	probe         string
	configuration string
	run           beginning // the run under way
}

// Recorder returns one for a probe of cfg.
func (s *Store) Recorder(cfg *config.Config, probe config.Probe) (*Recorder, error) {
	configuration, err := Configuration(cfg, probe)
	if err != nil {
		return nil, err
	}
	return &Recorder{store: s, probe: probe.Name, configuration: configuration}, nil
}

// formerRuns is how many of a probe's newest records are looked at: enough for each
// step to have a valid one among them, and read in an instant.
const formerRuns = 50

// Former are the results of the probe's latest runs that were made with the same
// definition, the oldest first. current says that the very latest is one of them.
func (r *Recorder) Former() (runs []*prober.RunResult, current bool, err error) {
	newest, err := r.store.Newest(r.probe, formerRuns)
	for _, record := range slices.Backward(newest) {
		if current = record.Configuration == r.configuration; current {
			runs = append(runs, record.Result())
		}
	}
	return runs, current, err
}

// RunStarted implements prober.Observer.
func (r *Recorder) RunStarted(run prober.Run) {
	r.run = beginning{Run: run, Configuration: r.configuration, Prober: thisProgram()}
	r.write("the beginning of a run", func(tx *bbolt.Tx) error { return putBeginning(tx, &r.run) })
}

// StepEnded implements prober.Observer.
func (r *Recorder) StepEnded(result *prober.StepResult) {
	r.write("a step", func(tx *bbolt.Tx) error {
		if err := putBeginning(tx, &r.run); err != nil {
			return err
		}
		return putStep(tx, r.run.ID, result)
	})
}

// RunEnded implements prober.Observer. It writes the steps that could not be
// written when they ended, too.
func (r *Recorder) RunEnded(result *prober.RunResult) {
	r.write("the end of a run", func(tx *bbolt.Tx) error {
		if err := putBeginning(tx, &r.run); err != nil {
			return err
		}
		for i := range result.Results {
			if err := putStep(tx, r.run.ID, &result.Results[i]); err != nil {
				return err
			}
		}
		return putEnd(tx, r.run.ID, endingOf(result))
	})
	r.write("what retention leaves", func(tx *bbolt.Tx) error { return r.store.retention.apply(tx, time.Now()) })
}

// write makes one transaction. The prober goes on without it if it must.
func (r *Recorder) write(what string, do func(*bbolt.Tx) error) {
	if err := r.store.update(do); err != nil {
		r.store.failures.Add(1)
		r.store.logger.Error("the records lack "+what, "probe", r.run.Probe, "run", r.run.ID, "err", err)
	}
}
