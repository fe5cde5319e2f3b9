package alerts

import (
	"fmt"
	"time"
)

// Settings are all thresholds and windows of the rules. docs/alerts.md has a table
// of them.
type Settings struct {
	// Runbook is what the links to the runbook begin with: a path within this
	// repository, or the URL of where it is published.
	Runbook string

	// CompareWithin is how far apart two steps may have ended to be compared, and
	// how much older than the newest step of its probe a step may be to be shown.
	CompareWithin time.Duration
	// Day and Hour are the windows of what is added up over time.
	Day, Hour time.Duration

	// Baseline is the time that a baseline covers. It ends BaselineOffset ago, so
	// that it does not follow what it is there to judge, where what is left has
	// BaselineRuns; else it ends now.
	Baseline, BaselineOffset time.Duration
	// BaselineRuns is the least number of runs that a baseline has to rest on, or
	// of hours of a heartbeat.
	BaselineRuns int

	// MinChange is the least change of a mean, a median or a throughput that is a
	// regression, as a share of the baseline; MinTailChange is that of a 99th
	// percentile.
	MinChange, MinTailChange float64
	// Sigmas is how many standard deviations of the baseline both of two runs have to
	// be off, for a baseline of many runs. For one of n runs it takes
	// 1 + SmallSample/n times as many: it is not known better.
	Sigmas, SmallSample float64
	// MinRequests is the least number of requests that a step's latencies have to
	// rest on, MinTailRequests that of a 99th percentile.
	MinRequests, MinTailRequests int
	// Saturated is the share of the baseline in which an arm was saturated at a request
	// rate, above which its latencies there are not judged.
	Saturated float64
	// HeartbeatSustained is how long the median of the last hour of a heartbeat has
	// to be off.
	HeartbeatSustained time.Duration

	// MinHeadroom is the share of slots and of KV cache that has to be free over
	// HeadroomWindow, for SaturationSustained.
	MinHeadroom                         float64
	HeadroomWindow, SaturationSustained time.Duration

	// Fast and Slow are the burn rates of a heartbeat's error budget that page and
	// that make a ticket.
	Fast, Slow Burn
	// MaxErrorRatio is a share of bad requests that is too much for any objective: a
	// lax one leaves a budget that no outage could burn fast.
	MaxErrorRatio float64
	// MinBadRequests is the least number of requests that have to have missed the
	// SLO within the longer window.
	MinBadRequests int

	// Overdue is how late a run may begin, and OverdueFor how long it may go on to be.
	// RunWindows are the times within which
	// MinFailures failed or left out starts without a success are too many: the
	// shorter is for probes that run each hour, the longer for those that run each day.
	Overdue, OverdueFor time.Duration
	RunWindows          []time.Duration
	MinFailures         int
	// BottleneckWindow is how long ago a step may have been asked for whose verdict
	// counts, and BottleneckFor how long the verdict has to stand.
	BottleneckWindow, BottleneckFor time.Duration
	// ReloadFor is how long a configuration may stay wrong.
	ReloadFor time.Duration
	// Down is how long there may be no prober at all.
	Down time.Duration
	// NotStreaming is how long a replica may make no tokens.
	NotStreaming time.Duration

	// GPUWindow is the time over which GPUs are judged.
	GPUWindow time.Duration
	// MaxThrottled is the share of the time in which heat or a fault may hold the
	// clocks down.
	MaxThrottled float64
	// BusyUtilization is the utilisation from which on a GPU is busy, and IdlePower
	// the share of its power limit below which its power is that of an idle one.
	BusyUtilization, IdlePower float64
	// ErrorWindow is how long an XID or ECC error is shown.
	ErrorWindow time.Duration
	// Lost is how long a GPU may not answer.
	Lost time.Duration
}

// Burn is a burn rate over two windows: how many times faster than its objective
// allows a service uses up its error budget.
type Burn struct {
	Rate        float64
	Long, Short time.Duration
}

const day = 24 * time.Hour

// Default returns the settings that the files are made with.
func Default() Settings {
	return Settings{
		Runbook:       "alerts/runbook.md",
		CompareWithin: day,
		Day:           day, Hour: time.Hour,

		Baseline: 7 * day, BaselineOffset: day, BaselineRuns: 6,
		MinChange: 0.05, MinTailChange: 0.2, Sigmas: 2.5, SmallSample: 8,
		MinRequests: 30, MinTailRequests: 100, Saturated: 0.5,
		HeartbeatSustained: 30 * time.Minute,

		MinHeadroom: 0.1, HeadroomWindow: 10 * time.Minute, SaturationSustained: 15 * time.Minute,

		// Site Reliability Workbook, chapter 5: 2% of a month's budget in an hour, 5% in
		// six. The short windows are longer than there, for a heartbeat's counters
		// move at the end of each of its windows only.
		Fast:          Burn{14.4, time.Hour, 15 * time.Minute},
		Slow:          Burn{6, 6 * time.Hour, time.Hour},
		MaxErrorRatio: 0.5, MinBadRequests: 5,

		Overdue: 15 * time.Minute, OverdueFor: 5 * time.Minute,
		RunWindows: []time.Duration{3 * time.Hour, 3 * day}, MinFailures: 2,
		BottleneckWindow: 2 * day, BottleneckFor: 5 * time.Minute, ReloadFor: 5 * time.Minute,
		Down: 10 * time.Minute, NotStreaming: 2 * time.Minute,

		GPUWindow: 10 * time.Minute, MaxThrottled: 0.1, BusyUtilization: 0.9, IdlePower: 0.25,
		ErrorWindow: time.Hour, Lost: time.Minute,
	}
}

// promql is a duration as PromQL writes it, in its largest unit up to days.
func promql(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= unit.length && d%unit.length == 0 {
			return fmt.Sprintf("%d%s", d/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
