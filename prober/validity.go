package prober

import (
	"fmt"
	"math"
	"runtime/metrics"
	"time"
)

// brokenPromises judges a step by what the prober itself did. limit is
// config.Probe.MaxSendLag, schedDelay the 99th percentile of the time that the
// prober's goroutines waited for a processor.
func brokenPromises(r *StepResult, limit, schedDelay time.Duration, interrupted bool) []Broken {
	var broken []Broken
	breaks := func(p Promise, format string, args ...any) {
		broken = append(broken, Broken{p, fmt.Sprintf(format, args...)})
	}
	if interrupted {
		breaks(PromiseComplete, "the step was interrupted")
	}
	if r.Dropped > 0 {
		breaks(PromiseInFlightCap, "%d arrivals found max_in_flight reached and were dropped", r.Dropped)
	}
	if lag := time.Duration(r.SendLag.P99 * float64(time.Second)); lag > limit {
		breaks(PromiseSendLag, "1%% of the requests were sent %s late or later, more than max_send_lag %s",
			lag.Round(10*time.Microsecond), limit)
	}
	if schedDelay > limit {
		breaks(PromiseCPU, "1%% of the prober's work waited %s for a processor or longer, more than max_send_lag %s: give it more CPU",
			schedDelay.Round(10*time.Microsecond), limit)
	}
	return broken
}

// schedWatch measures how long this process's goroutines wait, ready to run,
// for a processor: the delay of reading and stamping an answer that no look at
// the answer itself can show.
type schedWatch struct{ before []uint64 }

const schedLatencies = "/sched/latencies:seconds"

func newSchedWatch() *schedWatch {
	h := readSchedLatencies()
	return &schedWatch{append([]uint64(nil), h.Counts...)}
}

func readSchedLatencies() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: schedLatencies}}
	metrics.Read(sample)
	return sample[0].Value.Float64Histogram()
}

// p99 is the 99th percentile since the watch began: the lower bound of the
// bucket that holds it, so that a coarse bucket accuses no one.
func (w *schedWatch) p99() time.Duration {
	h := readSchedLatencies()
	total := uint64(0)
	for i, n := range h.Counts {
		total += n - w.before[i]
	}
	rank, seen := uint64(math.Ceil(0.99*float64(total))), uint64(0)
	for i, n := range h.Counts {
		if seen += n - w.before[i]; seen >= rank && total > 0 {
			return time.Duration(max(h.Buckets[i], 0) * float64(time.Second))
		}
	}
	return 0
}
