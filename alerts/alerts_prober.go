package alerts

import (
	"strconv"
	"strings"
)

// prober are the alerts of a prober that does not do its work.
func (s Settings) prober() []Rule {
	without := func(counter string) string {
		var windows []string
		for _, w := range s.RunWindows {
			windows = append(windows, fill(`(
				sum without (instance, pod, LABEL) (increase(COUNTER[WINDOW])) >= LEAST
				unless sum without (instance, pod, result) (increase(vllm_prober_runs_total{result="success"}[WINDOW])) > 0
			)`, "COUNTER", counter, "LABEL", labelOf(counter), "WINDOW", promql(w), "LEAST", strconv.Itoa(s.MinFailures)))
		}
		return "\t\t\t" + strings.Join(windows, "\n\t\t\tor\n\t\t\t")
	}
	lastSuccess := ask("time() - (vllm_prober_run_last_success_timestamp_seconds{LABELS} > 0)",
		" The last success was {{ . | first | value | humanizeDuration }} ago.", "job", "probe")
	return []Rule{
		s.alert("VLLMProberRunOverdue", warning, s.OverdueFor, fill(`
			time() - (max without (instance, pod) (vllm_prober_run_next_timestamp_seconds) > 0) > LATE
			unless max without (instance, pod) (vllm_prober_run_active) == 1
			unless max without (instance, pod) (vllm_prober_paused) == 1
		`, "LATE", seconds(s.Overdue)),
			"A run of the probe {{ $labels.probe }} is late",
			"It was to begin {{ $value | humanizeDuration }} ago: its guard or another probe at its replicas holds it back, or the daemon hangs."+
				lastSuccess).with("cause", "late"),
		s.alert("VLLMProberRunOverdue", warning, 0, without(`vllm_prober_runs_skipped_total{reason!~"paused|blackout"}`),
			"Runs of the probe {{ $labels.probe }} are left out",
			"{{ $value | printf \"%.0f\" }} starts were left out, and no run has succeeded since."+lastSuccess).with("cause", "left_out"),
		s.alert("VLLMProberRunsFailing", warning, 0, without(`vllm_prober_runs_total{result=~"failed|aborted"}`),
			"Runs of the probe {{ $labels.probe }} fail",
			"{{ $value | printf \"%.0f\" }} runs failed, and none has succeeded since."+lastSuccess),
		s.alert("VLLMProberBottleneck", warning, s.BottleneckFor, fill(`
			count without (target, gpus, batch_size, request_rate) (
				max without (instance, pod) (vllm_prober_step_valid{reason=~"send_lag|in_flight_cap|cpu"}) == 0
				and ignoring (reason)
				sum without (instance, pod, phase, outcome) (increase(vllm_prober_requests_total{phase="window",outcome="ok"}[WINDOW])) > 0
			)
		`, "WINDOW", promql(s.BottleneckWindow)),
			"The prober itself is the bottleneck of the probe {{ $labels.probe }}",
			"{{ $value }} of its steps are not valid by {{ $labels.reason }}: the prober did not keep up with the load that it was to make. "+
				"Their latencies are withheld, and no regression is seen there."),
		s.alert("VLLMProberConfigReloadFailed", warning, s.ReloadFor, `vllm_prober_config_last_reload_successful == 0`,
			"{{ $labels.instance }} goes on with its former configuration",
			"The latest attempt to load the configuration failed. The last one that succeeded was "+
				ask("time() - vllm_prober_config_last_reload_success_timestamp_seconds{LABELS}", "{{ . | first | value | humanizeDuration }}",
					"job", "instance")+" ago; the log says what is wrong, and in which line."),
		s.alert("VLLMProberDown", critical, s.Down, `absent(vllm_prober_build_info)`,
			"No prober is running",
			"Prometheus has had no metrics of any vllm_prober for "+promql(s.Down)+": nothing is measured, and none of the other alerts can fire."),
	}
}

// labelOf is the label that tells a counter's reasons apart.
func labelOf(counter string) string {
	if strings.Contains(counter, "skipped") {
		return "reason"
	}
	return "result"
}
