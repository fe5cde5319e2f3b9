package alerts

import (
	"slices"
	"strconv"
)

// The functions of templates that write a latency and a rate.
const (
	asDuration = "humanizeDuration"
	asRate     = `printf "%.4g"`
	asPercent  = "humanizePercentage"
)

// regressions are the alerts of what has become worse than it was. A run has to be
// beyond the limit, and so has the one before it: one bad run is bad luck.
func (s Settings) regressions() []Rule {
	window := promql(s.Baseline)
	var rules []Rule
	for _, l := range judged {
		x := s.ladder(l.metric)
		ofFigure := append(slices.Clone(stepLabels), "figure")
		rules = append(rules, s.alert("VLLMLatencyRegression", warning, 0, fill(`
			(
				CHANGE{figure="mean"} and ignoring (figure) REQUESTS >= MIN
				or
				CHANGE{figure="p99"} and ignoring (figure) REQUESTS >= TAIL
			)
			and LATEST > LIMIT
			and PREVIOUS > LIMIT
			unless ignoring (figure) SATURATED > MOSTLY
		`, "CHANGE", changeOf(x), "REQUESTS", step("measured_requests", "latest"), "MIN", strconv.Itoa(s.MinRequests),
			"TAIL", strconv.Itoa(s.MinTailRequests), "LATEST", x.of, "LIMIT", s.limitOf(x), "PREVIOUS", operation(x.of, "previous"),
			"SATURATED", s.saturatedShare(), "MOSTLY", number(s.Saturated)),
			l.word+" of "+theStep+" has become slower",
			"In the latest two runs of the probe {{ $labels.probe }} the {{ $labels.figure }} "+l.word+" was "+
				figure(x.of, asDuration, ofFigure)+" and, before, "+figure(operation(x.of, "previous"), asDuration, ofFigure)+
				", against a median of "+figure(s.baseOf(x), asDuration, ofFigure)+" over "+window+
				": {{ $value | "+asPercent+" }} more. By chance it would stay below "+figure(s.limitOf(x), asDuration, ofFigure)+".",
		).with("kind", "regression").with("latency", l.label))
	}
	for _, l := range judged {
		x := s.heartbeat(l.metric)
		rules = append(rules, s.alert("VLLMHeartbeatLatencyRegression", warning, s.HeartbeatSustained, fill(`
			CHANGE
			and LATEST > LIMIT
			and ignoring (figure) sum without (instance, pod) (increase(vllm_prober_completed_requests_total[HOUR])) >= MIN
		`, "CHANGE", changeOf(x), "LATEST", x.of, "LIMIT", s.limitOf(x), "HOUR", promql(s.Hour), "MIN", strconv.Itoa(s.MinRequests)),
			l.word+" of the heartbeat of "+theArm+" has become slower",
			"Over the last "+promql(s.Hour)+" the median "+l.word+" of the heartbeat {{ $labels.probe }} was "+figure(x.of, asDuration, stepLabels)+
				", against "+figure(s.baseOf(x), asDuration, stepLabels)+" over "+window+
				": {{ $value | "+asPercent+" }} more. By chance it would stay below "+figure(s.limitOf(x), asDuration, stepLabels)+".",
		).with("kind", "regression").with("latency", l.label))
	}
	fallen := func(name string, x series, labels []string, summary, what string) Rule {
		return s.alert(name, warning, 0, fill(`
			CHANGE
			and LATEST < LIMIT
			and PREVIOUS < LIMIT
		`, "CHANGE", changeOf(x), "LATEST", x.of, "LIMIT", s.limitOf(x), "PREVIOUS", operation(x.of, "previous")),
			summary,
			what+" was "+figure(x.of, asRate, labels)+" and, before, "+figure(operation(x.of, "previous"), asRate, labels)+
				" requests per second, against a median of "+figure(s.baseOf(x), asRate, labels)+" over "+window+
				": {{ $value | "+asPercent+" }}. By chance it would stay above "+figure(s.limitOf(x), asRate, labels)+".",
		).with("kind", "regression")
	}
	return append(rules,
		fallen("VLLMThroughputRegression", s.throughput(), stepLabels,
			theArm+" completes less of {{ $labels.request_rate }} requests per second",
			"In the latest two runs of the probe {{ $labels.probe }} the throughput"),
		fallen("VLLMCapacityRegression", s.capacity(), armLabels,
			"The capacity of "+theArm+" has fallen",
			"By the latest two searches of the probe {{ $labels.probe }} the capacity"),
	)
}
