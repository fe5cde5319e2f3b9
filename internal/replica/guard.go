package replica

import (
	"slices"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// preemptionSpan is the time over which preemptions per second are counted. A
// look a little early must not double it.
const preemptionSpan = 900 * time.Millisecond

// minErrors is how many requests must have ended before the share of those that
// failed says something.
const minErrors = 10

// seen is the figure of a replica that a limit is held against, from its samples
// in their order and how many requests of the prober's it can have. It is not
// known where the replica does not export what it takes.
//
// A replica does not say whose requests it has. Of those that it has beyond own,
// as many as wait at all may be waiting, and as many as run at all may be running:
// where the prober's own fill the slots, who else comes waits because of them.
func seen(limit config.GuardLimit, samples []Sample, own int) Figure {
	now := samples[len(samples)-1]
	foreign := Figure{Known: now.Running.Known && now.Waiting.Known}
	if foreign.Known {
		foreign.Value = max(0, now.Running.Value+now.Waiting.Value-float64(own))
	}
	switch limit {
	case config.WaitingRequests:
		return Figure{min(now.Waiting.Value, foreign.Value), foreign.Known}
	case config.ForeignRequestsRunning:
		return Figure{min(now.Running.Value, foreign.Value), foreign.Known}
	case config.KVCacheUsageRatio:
		return now.KVCacheUsage
	case config.PreemptionsPerSecond:
		return preemptionRate(samples)
	default:
		return Figure{}
	}
}

// preemptionRate is over the last second. It is 0 where the samples do not span
// one, or a restart lies within it.
func preemptionRate(samples []Sample) Figure {
	now := samples[len(samples)-1]
	for _, s := range slices.Backward(samples) {
		span := now.At.Sub(s.At)
		if span < preemptionSpan {
			continue
		}
		n := difference(s.Preemptions, now.Preemptions)
		return Figure{max(0, n.Value) / span.Seconds(), n.Known}
	}
	return Figure{Known: now.Preemptions.Known}
}

// errorRatio is the share of a step's own requests that failed.
func errorRatio(own []prober.Load) Figure {
	ended, failed := 0, 0
	for _, l := range own {
		ended, failed = ended+l.Ended, failed+l.Failed
	}
	if ended < minErrors {
		return Figure{}
	}
	return Figure{float64(failed) / float64(ended), true}
}

// overs remembers which limits the latest look found passed: one look alone can
// be wrong, because the replica's figures and the prober's are not of the same
// moment.
type overs map[config.GuardLimit]bool

// take holds a figure against a limit, and says whether this is the second look
// in a row that finds it passed.
func (o overs) take(limit config.GuardLimit, figure Figure, allowed float64) bool {
	before := o[limit]
	o[limit] = figure.Known && figure.Value > allowed
	return before && o[limit]
}

// ofReplicas are the limits that are held against what a replica says.
func ofReplicas() []config.GuardLimit {
	return []config.GuardLimit{
		config.WaitingRequests, config.ForeignRequestsRunning, config.KVCacheUsageRatio, config.PreemptionsPerSecond,
	}
}
