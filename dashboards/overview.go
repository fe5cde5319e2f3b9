package dashboards

import (
	"fmt"
	"slices"

	"vllm_prober/alerts"
)

const (
	noYesterday = "there is none before the second day"
	allIsWell   = "nothing is there when all is well"
)

// ofHeartbeat chooses the series of the heartbeat.
const ofHeartbeat = `probe="$heartbeat",target=~"$target"`

func overviewBoard() board {
	b := overview
	b.description = "Is the service slower than it was, how much can it still bear, and did the prober do its work?"
	b.variables = []variable{datasourceVariable(), heartbeatVariable(), ladderVariable(), targetVariable(".+")}
	b.annotations = []annotation{
		annotate("runs", purple, "Run", "{{probe}}", "probe", maxBy("probe", series("vllm_prober_run_active", `probe="$probe"`))),
	}
	b.sections = []section{
		{"Is it slower?", slower()},
		{"How much can it bear?", bearing()},
		{"Runs", runs()},
		{"What fires", whatFires()},
	}
	return b
}

// lastHour is a figure of the last hour's histogram of the heartbeat.
func lastHour(metric, figure string) string {
	return series("step:vllm_prober_"+metric+":"+figure+"_1h", ofHeartbeat)
}

// sinceYesterday is by what part a figure of the heartbeat's last hour is above
// that of the same hour a day ago, of the target where it is worst.
func sinceYesterday(metric, figure string) string {
	return "max(" + lastHour(metric, figure) + " / (" + lastHour(metric, figure) + " offset 1d) - 1)"
}

func slower() []line {
	// From the least change on that the alerts take for a regression.
	little := alerts.Default().MinChange
	much := 2 * little
	words := []mapping{
		wordBetween(nil, &little, "no", good), wordBetween(&little, &much, "a little", warning), wordBetween(&much, nil, "yes", bad),
	}
	colours := steps(good, from(little, warning), from(much, bad))
	yesterday := func() []target {
		return []target{
			now(sinceYesterday(ttft, "p50"), "TTFT").maybe(noYesterday),
			now(sinceYesterday(tpot, "p50"), "TPOT").maybe(noYesterday),
			now(sinceYesterday(e2e, "p50"), "E2E").maybe(noYesterday),
		}
	}
	toBaseline := func(metric string) string {
		return "max(" + series("heartbeat:vllm_prober_"+metric+":change_to_baseline_ratio", ofHeartbeat) + ")"
	}
	bySource := func(metric string) []target {
		return []target{
			ask(lastHour(metric, "p50"), "{{target}}, median"),
			ask(lastHour(metric, "p99"), "{{target}}, p99"),
			ask(lastHour(metric, "p50")+" offset 1d", "{{target}}, median a day before").maybe(noYesterday),
			ask(lastHour(metric, "p99")+" offset 1d", "{{target}}, p99 a day before").maybe(noYesterday),
		}
	}
	return []line{
		{5, []panel{
			stat("Slower than yesterday?", "percentunit",
				fmt.Sprintf("The heartbeat's median of the last hour against the same hour a day ago: no below +%.0f%%, a little below "+
					"+%.0f%%, else yes", 100*little, 100*much), yesterday()...).
				words(words...).limits(colours).empty("no yesterday yet").to(compare),
			stat("Change since yesterday", "percentunit",
				"The same in per cent: above 0 is slower", yesterday()...).limits(colours).decimals(1).empty("no yesterday yet").to(compare),
			stat("Change to the last 7 days", "percentunit",
				"The heartbeat's median of the last hour against its median of seven days: above 0 is slower",
				now(toBaseline(ttft), "TTFT"), now(toBaseline(tpot), "TPOT"),
			).limits(colours).decimals(1).empty("no baseline yet").to(compare),
			stat("Firing alerts", "short", "How many alerts of the prober's rules fire now",
				now(`count(ALERTS{alertname=~"VLLM.+",alertstate="firing"}) or vector(0)`, "alerts")).
				limits(steps(good, from(1, bad))).to(replicas),
		}},
		{10, []panel{
			heatmap("Heartbeat: TTFT", "s",
				"How the times to first token of the heartbeat's requests are spread: the brighter (in the dark theme) a cell, the more requests. "+
					"Where Prometheus scrapes native histograms the cells are at most 4.4% high",
				ask("sum(increase("+series("vllm_prober_"+ttft, ofHeartbeat)+"[$__rate_interval]))", "TTFT"),
				ask("sum by (le) (increase("+series("vllm_prober_"+ttft+"_bucket", ofHeartbeat)+"[$__rate_interval]))"+
					" unless on () sum(increase("+series("vllm_prober_"+ttft, ofHeartbeat)+"[$__rate_interval]))", "{{le}}"),
			).every("2m").to(compare),
			timeSeries("Heartbeat: TTFT of an hour, and a day before", "s",
				"Median and 99th percentile over the hour before each moment, and dashed what they were a day before", bySource(ttft)...).
				fromZero().styled(nowAndBefore()...).to(compare),
		}},
		{8, []panel{
			timeSeries("Heartbeat: TPOT of an hour, and a day before", "s",
				"Median and 99th percentile over the hour before each moment, and dashed what they were a day before", bySource(tpot)...).
				fromZero().styled(nowAndBefore()...).to(compare),
			timeSeries("Heartbeat: requests that failed", "percentunit",
				"Share of the heartbeat's requests that were not ok, by outcome; nothing is drawn while none fails",
				ask(sumBy("outcome", "rate("+series("vllm_prober_requests_total", ofHeartbeat, `outcome!~"ok|aborted"`)+"[$__rate_interval])")+
					" / on () group_left () sum(rate("+series("vllm_prober_requests_total", ofHeartbeat)+"[$__rate_interval])) > 0", "{{outcome}}").
					maybe("no request has failed"),
			).fromZero().every("2m").empty("none failed").to(replicas),
			timeSeries("Heartbeat: requests that missed the SLO", "percentunit",
				"Share of the heartbeat's requests that did not keep the SLO, over an hour and over six, and dashed what the objective allows",
				ask(maxBy("target", series("arm:vllm_prober_slo_errors:ratio_1h", ofHeartbeat)), "{{target}}, an hour"),
				ask(maxBy("target", series("arm:vllm_prober_slo_errors:ratio_6h", ofHeartbeat)), "{{target}}, six hours"),
				ask("1 - "+maxBy("probe", series("vllm_prober_slo_attainment_objective_ratio", `probe="$heartbeat"`)), "allowed"),
			).fromZero().styled(fixedColours("A", "B", "C")...).styled(dashed("C")...).to(compare),
		}},
	}
}

// nowAndBefore gives the queries C and D the colours of A and B, and dashes.
func nowAndBefore() []override {
	return slices.Concat(fixedColours("A", "B"), fixedColours("C", "D"), dashed("C", "D"))
}

// dashed draws the series of queries with dashes.
func dashed(refIDs ...string) []override {
	var styles []override
	for _, refID := range refIDs {
		styles = append(styles, override{
			Matcher: matcher{ID: "byFrameRefID", Options: refID}, Properties: []property{{"custom.lineStyle", dashes}},
		})
	}
	return styles
}

func bearing() []line {
	capacity := func(kind string) string { return ofEachArm("arm:vllm_prober_"+kind, ofProbe) }
	headroom := minBy("target, resource", series("target:vllm_prober_headroom:ratio", `target=~"$target"`))
	least := alerts.Default().MinHeadroom
	return []line{
		{6, []panel{
			stat("Headroom", "percentunit",
				"What all traffic together leaves of each target's slots and KV cache, in the mean of ten minutes: at 0 requests wait",
				now("sort("+headroom+")", "{{target}}, {{resource}}")).
				limits(steps(bad, from(least, warning), from(2*least, good))).decimals(0).to(replicas),
			timeSeries("Headroom over time", "percentunit", "The same over time",
				ask(headroom, "{{target}}, {{resource}}")).share().wide().to(replicas),
		}},
		{7, []panel{
			table("What each arm can do", "The most that the probe's latest run saw each arm complete, within the SLO and at all, and what "+
				"its latest search found",
				[]column{
					{field: "arm", title: "arm"},
					{field: "Value #A", title: "peak throughput", unit: "reqps"},
					{field: "Value #B", title: "peak goodput", unit: "reqps"},
					{field: "Value #C", title: "capacity", unit: "reqps"},
					{field: "Value #D", title: "capacity before", unit: "reqps"},
					{field: "Value #E", title: "within the SLO", unit: "reqps"},
					{field: "Value #F", title: "change of capacity to 7 days", unit: "percentunit"},
				},
				tabulate(capacity(throughput+":peak")), tabulate(capacity(goodput+":peak")),
				tabulate(capacity("capacity_requests_per_second:latest")).maybe(noSearch),
				tabulate(capacity("capacity_requests_per_second:previous")).maybe(noSearch),
				tabulate(capacity("slo_requests_per_second:latest")).maybe(noSearch),
				tabulate(capacity("capacity_requests_per_second:change_to_baseline_ratio")).maybe(noSearch),
			).to(ladder),
		}},
	}
}

// ofProbe chooses the series of the ladder.
const ofProbe = `probe="$probe",target=~"$target"`

func runs() []line {
	ended := func(matchers ...string) string {
		return sumBy("probe", "increase("+series("vllm_prober_runs_total", matchers...)+"[$__range])")
	}
	return []line{
		{7, []panel{
			table("Last runs", "When each probe last succeeded and will run next, and how its runs ended within the time range",
				[]column{
					{field: "probe", title: "probe"},
					{field: "Value #A", title: "last success", unit: "dateTimeFromNow"},
					{field: "Value #B", title: "took", unit: "s"},
					{field: "Value #C", title: "next", unit: "dateTimeFromNow"},
					{field: "Value #D", title: "succeeded"},
					{field: "Value #E", title: "did not"},
					{field: "Value #F", title: "left out"},
				},
				tabulate("1000 * "+maxBy("probe", "vllm_prober_run_last_success_timestamp_seconds > 0")),
				tabulate(maxBy("probe", "vllm_prober_run_last_duration_seconds")),
				tabulate("1000 * "+maxBy("probe", "vllm_prober_run_next_timestamp_seconds < Inf")),
				tabulate(ended(`result="success"`)), tabulate(ended(`result!="success"`)),
				tabulate(sumBy("probe", "increase(vllm_prober_runs_skipped_total[$__range])")),
			).decimals(0).wide().to(ladder),
			states("Runs under way", "When each probe's runs were", []mapping{word("1", "run", blue), word("0", "none", grey)},
				ask(maxBy("probe", "vllm_prober_run_active"), "{{probe}}")).to(ladder),
		}},
		{7, []panel{
			table("Steps that cannot be believed", "The promises that the latest step of a probe at a rate did not keep, if it was made within "+
				"the time range; its latencies and its throughput are withheld",
				[]column{
					{field: "probe", title: "probe"},
					{field: "arm", title: "arm"},
					{field: "request_rate", title: "offered", unit: "reqps"},
					{field: "reason", title: "not kept"},
				},
				tabulate(withArm(maxBy("probe, "+stepLabels+", reason", madeLately("vllm_prober_step_valid",
					`target=~"$target"`))+" == 0")).maybe(allIsWell)).
				empty("all steps are valid").to(ladder),
			timeSeries("Load that the prober makes", "reqps", "The request rate that each probe offers at the moment",
				ask(sumBy("probe, target", series("vllm_prober_offered_request_rate", `target=~"$target"`)), "{{probe}} at {{target}}")).
				fromZero().to(replicas),
		}},
	}
}

func whatFires() []line {
	return []line{{9, []panel{
		table("Alerts", "The alerts of the prober's rules that fire or are about to. alerts/runbook.md says of each what it means and what to do",
			[]column{
				{field: "alertname", title: "alert"},
				{field: "alertstate", title: "state"},
				{field: "severity", title: "severity"},
				{field: "probe", title: "probe"},
				{field: "target", title: "target"},
				{field: "gpus", title: "GPUs"},
				{field: "batch_size", title: "batch size"},
				{field: "request_rate", title: "offered", unit: "reqps"},
				{field: "replica", title: "replica"},
				{field: "uuid", title: "GPU"},
			},
			tabulate(`ALERTS{alertname=~"VLLM.+"}`).maybe(allIsWell)).wide().to(replicas),
		states("Alerts over time", "When each alert was firing", []mapping{word("1", "fires", bad)},
			ask(maxBy("alertname", `ALERTS{alertname=~"VLLM.+",alertstate="firing"}`), "{{alertname}}").maybe(allIsWell)).
			empty("no alert").to(replicas),
	}}}
}
