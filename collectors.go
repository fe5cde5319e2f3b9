package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"vllm_prober/collector"
)

// replicaFlags say whether and how often replicas are asked how they are.
type replicaFlags struct {
	enabled  bool
	interval time.Duration
}

func (f *replicaFlags) add(cmd *kingpin.CmdClause) {
	cmd.Flag("collector.replica", "Ask the replicas how they are, whether they are probed at the moment or not.").Default("true").BoolVar(&f.enabled)
	cmd.Flag("collector.replica.interval", "How often each replica is asked.").
		Default(collector.DefaultReplicaInterval.String()).DurationVar(&f.interval)
}

// open returns no collector where there is to be none.
func (f *replicaFlags) open(logger *slog.Logger) (*collector.Replicas, error) {
	switch {
	case !f.enabled:
		return nil, nil //nolint:nilnil // a daemon takes none for none
	case f.interval < time.Second:
		return nil, fmt.Errorf("--collector.replica.interval: %s; allowed: 1s or more", f.interval)
	}
	return collector.NewReplicas(f.interval, nil, logger), nil
}
