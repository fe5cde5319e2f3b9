package daemon

import (
	"slices"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// restoredRuns is how many of a probe's newest records its metrics are restored
// from: enough for each step to have a valid one among them, and read in an instant.
const restoredRuns = 50

// record begins to keep the records of a probe, and lets its metrics show the
// latest of those that were made with the same definition, which it returns; the
// oldest comes first. It returns no recorder where no records are kept.
func (d *Daemon) record(cfg *config.Config, p config.Probe, metrics *collector.Probe) (*results.Recorder, []*prober.RunResult, error) {
	if d.o.Records == nil {
		return nil, nil, nil
	}
	recorder, err := d.o.Records.Recorder(cfg, p)
	if err != nil {
		return nil, nil, err
	}
	newest, err := d.o.Records.Newest(p.Name, restoredRuns)
	if err != nil { // the probe can do without
		d.o.Logger.Error("the latest results of a probe are not restored", "probe", p.Name, "err", err)
	}
	var runs []*prober.RunResult
	for _, r := range slices.Backward(newest) {
		if r.Configuration == recorder.Configuration() {
			runs = append(runs, r.Result())
		}
	}
	metrics.Restore(runs)
	return recorder, runs, nil
}
