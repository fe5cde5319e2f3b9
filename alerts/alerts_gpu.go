package alerts

// gpus are the alerts of GPUs. They keep the label instance: it is the machine.
func (s Settings) gpus() []Rule {
	const gpu = "GPU {{ $labels.uuid }}"
	of := gpu + ask("vllm_prober_gpu_info{LABELS}", "{{ with . | first }} ({{ .Labels.name }}, index {{ .Labels.index }}){{ end }}", "uuid") +
		" of {{ $labels.instance }} "
	window, errors := promql(s.GPUWindow), promql(s.ErrorWindow)
	return []Rule{
		// The power limit holds clocks down on any GPU that is busy: that is no fault.
		s.alert("VLLMGPUThrottled", warning, s.GPUWindow, fill(`
			rate(vllm_prober_gpu_clock_event_seconds_total{reason=~"REASONS"}[WINDOW]) > MOST
		`, "REASONS", "hw_thermal_slowdown|sw_thermal_slowdown|hw_power_brake|board_limit|reliability",
			"WINDOW", window, "MOST", number(s.MaxThrottled)),
			gpu+" is slowed down by {{ $labels.reason }}",
			of+"had its clocks held down for {{ $value | humanizePercentage }} of the time over "+window+" by {{ $labels.reason }}."),
		s.alert("VLLMGPUXID", warning, 0, fill(`
			increase(vllm_prober_gpu_xid_errors_total[WINDOW]) > 0
		`, "WINDOW", errors),
			gpu+" has had XID errors",
			of+"reported {{ $value | printf \"%.0f\" }} XID errors over "+errors+":"+
				ask("vllm_prober_gpu_xid_last_timestamp_seconds{LABELS} > time() - "+seconds(s.ErrorWindow),
					"{{ range . }} {{ .Labels.xid }}{{ end }}", "uuid")+"."),
		s.alert("VLLMGPUECC", critical, 0, fill(`
			increase(vllm_prober_gpu_ecc_errors_total{type="uncorrected"}[WINDOW]) > 0
		`, "WINDOW", errors),
			gpu+" has had memory errors that could not be corrected",
			of+"had {{ $value | printf \"%.0f\" }} uncorrected ECC errors over "+errors+": what computed with that memory is wrong or was ended.",
		).with("problem", "uncorrected"),
		s.alert("VLLMGPUECC", critical, 0, `vllm_prober_gpu_row_remap_failure == 1`,
			gpu+" has run out of spare memory rows",
			of+"could not replace a faulty row of its memory: it has to be exchanged.").with("problem", "remap_failure"),
		s.alert("VLLMGPUECC", warning, 0, `vllm_prober_gpu_row_remap_pending == 1`,
			gpu+" has to be reset to replace faulty memory",
			of+"has rows of memory that are replaced at its next reset.").with("problem", "remap_pending"),
		s.alert("VLLMGPULost", critical, s.Lost, `vllm_prober_gpu_up == 0`,
			gpu+" is lost",
			of+"was there and does not answer any more: it fell off the bus, or its driver hangs."),
		s.alert("VLLMGPUBusyAtIdlePower", warning, s.GPUWindow, fill(`
			(
				avg_over_time(vllm_prober_gpu_power_average_watts[WINDOW])
				or
				avg_over_time(vllm_prober_gpu_power_instant_watts[WINDOW])
			) < IDLE * vllm_prober_gpu_power_limit_watts
			and
			avg_over_time(vllm_prober_gpu_utilization_ratio[WINDOW]) > BUSY
		`, "WINDOW", window, "IDLE", number(s.IdlePower), "BUSY", number(s.BusyUtilization)),
			gpu+" says that it is busy, with the power of an idle one",
			of+"drew {{ $value | printf \"%.0f\" }} W in the mean over "+window+", of a limit of "+
				figure("vllm_prober_gpu_power_limit_watts", `printf "%.0f"`, []string{"uuid"})+
				" W, while a kernel ran for more than "+percent(s.BusyUtilization)+
				" of the time: a kernel that waits for ever, as for another GPU that is gone."),
	}
}

func percent(share float64) string { return number(100*share) + "%" }
