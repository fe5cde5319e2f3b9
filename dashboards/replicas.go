package dashboards

// ofReplicas and ofGPUs choose the series of the replicas and GPUs.
const (
	ofReplicas = `target=~"$target",replica=~"$replica"`
	ofGPUs     = `uuid=~"$uuid"`

	perReplica = "target, replica"
	nameOfGPU  = "GPU {{index}} {{short}}"
)

func replicasBoard() board {
	b := replicas
	b.description = "What the replicas and GPUs say of themselves at all times, and whether the prober is well"
	b.variables = []variable{
		datasourceVariable(), ladderVariable(),
		several(queryVariable("target", "Target", "What is probed as one", `label_values(vllm_prober_replica_up, target)`)),
		several(queryVariable("replica", "Replica", "The URL of a replica", `label_values(vllm_prober_replica_up{target=~"$target"}, replica)`)),
		several(queryVariable("uuid", "GPU", "The UUID of a GPU", `label_values(vllm_prober_gpu_up, uuid)`)),
	}
	b.annotations = []annotation{
		annotate("runs", purple, "Run", "{{probe}}", "probe", maxBy("probe", series("vllm_prober_run_active", `probe="$probe"`))),
	}
	b.sections = []section{
		{"Replicas", ofTheReplicas()},
		{"GPUs at work", gpusAtWork()},
		{"GPUs in trouble", gpusInTrouble()},
		{"The prober", theProber()},
	}
	return b
}

func replica(name string) string { return series("vllm_prober_replica_"+name, ofReplicas) }

func ofTheReplicas() []line {
	perSecond := func(name string) string {
		return sumBy(perReplica, "rate("+replica(name)+"[$__rate_interval])")
	}
	// Two instances that ask the same replicas say the same; a data-parallel
	// replica's engines add up.
	sumOfEngines := func(name string) string { return sumBy(perReplica, maxBy(perReplica+", engine", replica(name))) }
	return []line{
		{10, []panel{
			states("Are the replicas well?", "For each replica: whether /health answered 200, /v1/models listed the model, /metrics were a "+
				"vLLM engine's, "+
				"and whether the engine makes tokens for the probes. A wedged engine is well in health and not in stream",
				[]mapping{word("1", "well", blue), word("0", "not", bad)},
				ask(minBy(perReplica+", check", replica("up")), "{{check}} {{replica}}")).wide().to(overview),
			table("What runs", "Model, release and size of each replica",
				[]column{
					{field: "target", title: "target"},
					{field: "replica", title: "replica"},
					{field: "model", title: "model"},
					{field: "version", title: "vLLM"},
					{field: "max_model_len", title: "longest context"},
					{field: "kv_cache_tokens", title: "KV cache tokens"},
				},
				tabulate(maxBy(perReplica+", model, version, max_model_len, kv_cache_tokens", replica("info")))).to(ladder),
		}},
		{8, []panel{
			timeSeries("Requests running", "short", "Requests in slots, of all traffic",
				ask(sumOfEngines("requests_running"), "{{replica}}")).fromZero().to(ladder),
			timeSeries("Requests waiting", "short", "Requests in the queue, of all traffic: lastingly above 0, the replica is saturated",
				ask(sumOfEngines("requests_waiting"), "{{replica}}")).fromZero().to(ladder),
			timeSeries("KV cache in use", "percentunit", "Share of the KV cache in use, of the fullest engine",
				ask(maxBy(perReplica, replica("kv_cache_usage_ratio")), "{{replica}}")).share().to(ladder),
		}},
		{8, []panel{
			timeSeries("Preemptions", "reqps", "Requests that lost their slot for want of KV cache, per second",
				ask(perSecond("preemptions_total"), "{{replica}}")).fromZero().to(ladder),
			timeSeries("Prefix cache hits", "percentunit", "Share of the tokens that the prefix cache was asked for which it held; nothing "+
				"while it is asked for none",
				ask(perSecond("prefix_cache_hits_total")+" / ("+perSecond("prefix_cache_queries_total")+" > 0)", "{{replica}}"),
				ask(maxBy(perReplica, replica("prefix_cache_hit_ratio")), "{{replica}}").maybe("only V0 engines say this")).share().to(ladder),
			timeSeries("Since the replica was asked", "s", "How long ago each replica was last asked for its metrics",
				ask("time() - "+maxBy(perReplica, replica("last_reading_timestamp_seconds")), "{{replica}}")).fromZero().to(overview),
		}},
	}
}

// gpu is an expression by uuid with the GPU's index, its name and the end of its
// UUID as labels. Two exporters may see one GPU under different indices, of which one
// is taken.
func gpu(expr string) string {
	return `label_replace((` + expr + `) * on (uuid) group_left (index, name) topk by (uuid) (1, ` +
		maxBy("uuid, index, name", series("vllm_prober_gpu_info", ofGPUs)) + `), "short", "$1", "uuid", ".*-(.+)")`
}

// gpuValue is a gauge of the GPUs with their names.
func gpuValue(name string) string {
	return gpu(maxBy("uuid", series("vllm_prober_gpu_"+name, ofGPUs)))
}

// gpuRate is a counter's increase per second, with the GPUs' names.
func gpuRate(name string) string {
	return gpu(maxBy("uuid", "rate("+series("vllm_prober_gpu_"+name, ofGPUs)+"[$__rate_interval])"))
}

func gpusAtWork() []line {
	const noNVLink = "not every GPU has NVLinks"
	return []line{
		{8, []panel{
			table("GPUs", "The GPUs, what they serve, and their driver",
				[]column{
					{field: "index", title: "index"},
					{field: "name", title: "name"},
					{field: "uuid", title: "UUID"},
					{field: "target", title: "target"},
					{field: "replica", title: "replica"},
					{field: "driver_version", title: "driver"},
					{field: "cuda_version", title: "CUDA"},
					{field: "pci_bus_id", title: "PCI bus"},
				},
				tabulate(maxBy("uuid, index, name, driver_version, cuda_version, pci_bus_id", series("vllm_prober_gpu_info", ofGPUs))),
				tabulate(maxBy("uuid, target, replica", series("vllm_prober_replica_gpu_info", ofGPUs, ofReplicas)))).to(overview),
		}},
		{8, []panel{
			timeSeries("Utilization", "percentunit", "Share of the time in which a kernel ran; 100% says nothing of how full the GPU is",
				ask(gpuValue("utilization_ratio"), nameOfGPU)).share().to(ladder),
			timeSeries("SMs, tensor cores and DRAM", "percentunit", "Share of the time in which each was at work: decoding is bounded by "+
				"the memory's bandwidth (DRAM). From Hopper on",
				ask(gpuValue("sm_active_ratio"), "SMs "+nameOfGPU), ask(gpuValue("tensor_active_ratio"),
					"tensor "+nameOfGPU),
				ask(gpuValue("dram_active_ratio"), "DRAM "+nameOfGPU)).
				share().styled(fixedColours("A", "B", "C")...).to(ladder),
			timeSeries("Memory in use", "percentunit", "Used and reserved memory over all",
				ask(gpu(maxBy("uuid", series("vllm_prober_gpu_memory_used_bytes", ofGPUs))+" / "+
					maxBy("uuid", series("vllm_prober_gpu_memory_total_bytes", ofGPUs))), nameOfGPU)).share().to(ladder),
		}},
		{8, []panel{
			timeSeries("Power", "watt", "Power averaged over a second, and dashed the limit in force",
				ask(gpuValue("power_average_watts"), nameOfGPU), ask(gpuValue("power_limit_watts"), "limit "+nameOfGPU)).
				fromZero().styled(dashed("B")...).to(ladder),
			timeSeries("Clock of the SMs", "hertz", "Where it falls under load, look at what holds the clocks down",
				ask(gpuValue("sm_clock_hertz"), nameOfGPU), ask(gpuValue("sm_clock_max_hertz"), "highest "+nameOfGPU)).
				fromZero().styled(dashed("B")...).to(ladder),
			timeSeries("Temperature", "celsius", "Of the chip, and dashed of the memory",
				ask(gpuValue("temperature_celsius"), nameOfGPU), ask(gpuValue("memory_temperature_celsius"), "memory "+nameOfGPU)).
				styled(dashed("B")...).to(ladder),
		}},
		{8, []panel{
			timeSeries("NVLink", "Bps", "Bytes sent, and dashed received, over all NVLinks",
				ask(gpuRate("nvlink_transmitted_bytes_total"), "sent "+nameOfGPU).maybe(noNVLink),
				ask(gpuRate("nvlink_received_bytes_total"), "received "+nameOfGPU).maybe(noNVLink)).fromZero().styled(dashed("B")...).to(ladder),
			timeSeries("PCIe", "Bps", "Bytes sent, and dashed received, over PCIe",
				ask(gpuRate("pcie_transmitted_bytes_total"), "sent "+nameOfGPU),
				ask(gpuRate("pcie_received_bytes_total"), "received "+nameOfGPU)).fromZero().styled(dashed("B")...).to(ladder),
			timeSeries("Energy by target", "watt", "What the GPUs that serve each target used, by their energy counters: each once, "+
				"however many of its replicas share it",
				ask(sumBy("target", maxBy("uuid", "rate("+series("vllm_prober_gpu_energy_joules_total", ofGPUs)+"[$__rate_interval])")+
					" * on (uuid) group_right () "+maxBy("uuid, target", series("vllm_prober_replica_gpu_info", ofGPUs, ofReplicas))),
					"{{target}}")).fromZero().to(ladder),
		}},
	}
}

func gpusInTrouble() []line {
	within := func(name string, matchers ...string) string {
		return gpu(maxBy("uuid", "increase("+series("vllm_prober_gpu_"+name, append([]string{ofGPUs}, matchers...)...)+"[$__range])"))
	}
	return []line{
		{8, []panel{
			states("Do the GPUs answer?", "Whether each GPU that was there before still does",
				[]mapping{word("1", "answers", blue), word("0", "lost", bad)},
				ask(gpu(minBy("uuid", series("vllm_prober_gpu_up", ofGPUs))), nameOfGPU)).to(overview),
			timeSeries("What holds the clocks down", "percentunit", "Share of the time in which each reason held a GPU's clocks down: of "+
				"the GPU that it held most",
				ask(maxBy("reason", "rate("+series("vllm_prober_gpu_clock_event_seconds_total", ofGPUs)+"[$__rate_interval])"),
					"{{reason}}")).
				fromZero().wide().to(ladder),
		}},
		{7, []panel{
			table("Errors within the time range", "XID errors, uncorrected and corrected errors of memory, rows of memory replaced, packets "+
				"that PCIe had to send again",
				[]column{
					{field: "index", title: "index"},
					{field: "name", title: "name"},
					{field: "uuid", title: "UUID"},
					{field: "Value #A", title: "XID"},
					{field: "Value #B", title: "ECC uncorrected"},
					{field: "Value #C", title: "ECC corrected"},
					{field: "Value #D", title: "rows replaced"},
					{field: "Value #E", title: "PCIe replays"},
				},
				tabulate(within("xid_errors_total")), tabulate(within("ecc_errors_total", `type="uncorrected"`)),
				tabulate(within("ecc_errors_total", `type="corrected"`)), tabulate(within("remapped_rows_total")),
				tabulate(within("pcie_replays_total")),
			).decimals(0).limits(steps(plainText, from(0.5, warning))).to(overview),
			table("Rows of memory", "Whether rows wait for a reset of the GPU to be replaced (1), and whether replacing one has failed (1): "+
				"then the GPU must go",
				[]column{
					{field: "index", title: "index"},
					{field: "name", title: "name"},
					{field: "uuid", title: "UUID"},
					{field: "Value #A", title: "pending"},
					{field: "Value #B", title: "failed"},
				},
				tabulate(gpuValue("row_remap_pending")), tabulate(gpuValue("row_remap_failure")),
			).decimals(0).limits(steps(plainText, from(0.5, warning))).to(overview),
		}},
	}
}

func theProber() []line {
	const ofAll = `probe=~".+"`
	lag := either(
		"histogram_quantile(0.99, sum by (probe) (rate("+series("vllm_prober_send_lag_seconds", ofAll)+"[$__rate_interval])))",
		"histogram_quantile(0.99, sum by (probe, le) (rate("+series("vllm_prober_send_lag_seconds_bucket", ofAll)+"[$__rate_interval])))")
	return []line{{7, []panel{
		timeSeries("Send lag", "s", "How late the prober itself sent, 99th percentile: a step in which it exceeds max_send_lag is not believed",
			ask(lag, "{{probe}}")).fromZero().to(ladder),
		timeSeries("Collections", "s", "How long the latest collection of GPUs and replicas took",
			ask(maxBy("collector", "vllm_prober_collector_duration_seconds"), "{{collector}}")).fromZero().to(overview),
		stat("Did they get all?", "short", "Whether the collectors got all that they asked for, and whether the latest reload of the "+
			"configuration succeeded",
			now("sort("+minBy("collector", "vllm_prober_collector_success")+")", "{{collector}}"),
			now("min(vllm_prober_config_last_reload_successful)", "configuration")).
			words(word("1", "yes", good), word("0", "no", bad)).to(overview),
	}}}
}
