package alerts

import (
	"strconv"
	"strings"
)

// series is a recorded series with a baseline.
type series struct {
	of     string // the rule that is judged
	figure string // a matcher of its figures, if it has any
	// counts is the rule that says how many runs the baseline rests on, and settled
	// the one that is there where the baseline ends some time ago.
	counts, settled string
	// falls says that what is bad is to fall.
	falls bool
}

// The rules that say how many runs there were, or hours of a heartbeat.
const (
	runCount    = "step:vllm_prober_runs:count"
	hourCount   = "heartbeat:vllm_prober_hours:count"
	searchCount = "arm:vllm_prober_searches:count"
)

// The names of what is said of a series with a baseline.
func (s Settings) baseOf(x series) string   { return operation(x.of, "baseline_"+promql(s.Baseline)) }
func (s Settings) spreadOf(x series) string { return operation(x.of, "spread_"+promql(s.Baseline)) }
func (s Settings) limitOf(x series) string  { return operation(x.of, "limit_"+promql(s.Baseline)) }
func changeOf(x series) string              { return operation(x.of, "change_to_baseline_ratio") }

func (s Settings) heartbeatMedian(latency string) string {
	return "heartbeat:vllm_prober_" + latency + ":median_" + promql(s.Hour)
}

func (s Settings) counted(count string) (counts, settled string) {
	counts = count + "_" + promql(s.Baseline)
	return counts, counts + "_settled"
}

func (s Settings) ladder(latency string) series {
	x := series{of: step(latency, "latest"), figure: `{figure=~"mean|p50|p99"}`}
	x.counts, x.settled = s.counted(runCount)
	return x
}

func (s Settings) heartbeat(latency string) series {
	x := series{of: s.heartbeatMedian(latency)}
	x.counts, x.settled = s.counted(hourCount)
	return x
}

func (s Settings) throughput() series {
	x := series{of: step(throughput, "latest"), falls: true}
	x.counts, x.settled = s.counted(runCount)
	return x
}

func (s Settings) capacity() series {
	x := series{of: arm(capacity, "latest"), falls: true}
	x.counts, x.settled = s.counted(searchCount)
	return x
}

// baselines are what was usual in the last days, how much it varied, and the
// limits that a run has to be beyond to be neither usual nor chance.
func (s Settings) baselines() []Rule {
	var rules []Rule
	// One window of a heartbeat has few requests: the median over an hour of their
	// medians is what is judged. A probe that had runs within the hour is none, also
	// while the prober is down and says so of no probe.
	for _, l := range judged {
		rules = append(rules, recording(s.heartbeatMedian(l.metric), fill(`
			quantile_over_time(0.5, OF{figure="p50"}[WINDOW])
			unless ignoring (target, gpus, batch_size, request_rate, figure)
			max without (instance, pod) (max_over_time(vllm_prober_run_active[WINDOW]))
		`, "OF", step(l.metric, "latest"), "WINDOW", promql(s.Hour))))
	}
	rules = append(rules, recording(s.saturatedShare(), fill(`
		avg_over_time(SATURATED[WINDOW])
	`, "SATURATED", step("saturated", "latest"), "WINDOW", promql(s.Baseline))))
	// Not when the latest step ended: a run with repeats moves that several times.
	rules = append(rules, s.counts(runCount, "changes("+ran+"[WINDOW]AGO)")...)
	rules = append(rules, s.counts(hourCount, "count_over_time("+s.heartbeatMedian(ttft)+"[WINDOW:1h]AGO)")...)
	rules = append(rules, s.counts(searchCount, "changes("+searched+"[WINDOW]AGO)")...)
	for _, l := range judged {
		rules = append(rules, s.baseline(s.ladder(l.metric))...)
		rules = append(rules, s.baseline(s.heartbeat(l.metric))...)
	}
	rules = append(rules, s.baseline(s.throughput())...)
	return append(rules, s.baseline(s.capacity())...)
}

// saturatedShare is the rule for the share of the time in which a step's latest
// verdict was that its arm is saturated.
func (s Settings) saturatedShare() string { return step("saturated", "share_"+promql(s.Baseline)) }

// counts say how many runs a baseline rests on.
func (s Settings) counts(name, count string) []Rule {
	counts, settled := s.counted(name)
	window := promql(s.Baseline)
	return []Rule{
		recording(settled, fill(count, "WINDOW", window, "AGO", " offset "+promql(s.BaselineOffset))+" >= "+strconv.Itoa(s.BaselineRuns)),
		recording(counts, fill(`
			SETTLED
			or
			NOW
		`, "SETTLED", settled, "NOW", fill(count, "WINDOW", window, "AGO", ""))),
	}
}

// baseline makes the rules of one series. They go by quantiles, which a few bad
// runs do not move, and by those on the side that is bad, for queues make
// latencies lopsided: one standard deviation of a normal distribution is the
// distance from its median to its ninth decile over 1.2816.
func (s Settings) baseline(x series) []Rule {
	quantile := func(q string) string {
		return fill(`
			(quantile_over_time(Q, SERIES[WINDOW] offset OFFSET) and ignoring (figure) SETTLED)
			or
			quantile_over_time(Q, SERIES[WINDOW])
		`, "Q", q, "SERIES", x.of+x.figure, "WINDOW", promql(s.Baseline), "OFFSET", promql(s.BaselineOffset), "SETTLED", x.settled)
	}
	far, sign, furthest := "0.9", "1", ">="
	changed := `(BASE{figure!="p99"} * RISE or BASE{figure="p99"} * TAIL)`
	if x.falls {
		far, sign, furthest, changed = "0.1", "-1", "<=", "BASE * FALL"
	}
	values := []string{
		"BASE", s.baseOf(x), "SPREAD", s.spreadOf(x), "COUNT", x.counts, "LATEST", x.of + x.figure,
		"SIGMAS", number(s.Sigmas), "SMALL", number(s.SmallSample), "LEAST", strconv.Itoa(s.BaselineRuns), "SIGN", sign, "FURTHEST", furthest,
		"RISE", number(1 + s.MinChange), "TAIL", number(1 + s.MinTailChange), "FALL", number(1 - s.MinChange),
	}
	return []Rule{
		recording(s.baseOf(x), quantile("0.5")),
		recording(s.spreadOf(x), fill(`
			SIGN * ((
				QUANTILE
			) - BASE) / 1.2816
		`, append(values, "QUANTILE", strings.ReplaceAll(strings.TrimSpace(quantile(far)), "\n", "\n\t"))...)),
		recording(changeOf(x), fill(`LATEST / (BASE > 0) - 1`, values...)),
		// The further of the two: beyond chance, and so much that it matters.
		recording(s.limitOf(x), fill(fill(`
			CHANGED
			FURTHEST BASE + SIGN * SIGMAS * SPREAD * ignoring (figure) group_left () (1 + SMALL / (COUNT >= LEAST))
			or
			BASE + SIGN * SIGMAS * SPREAD * ignoring (figure) group_left () (1 + SMALL / (COUNT >= LEAST))
		`, "CHANGED", changed), values...)),
	}
}
