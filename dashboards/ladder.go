package dashboards

const (
	ttft = "time_to_first_token_seconds"
	tpot = "time_per_output_token_seconds"
	itl  = "inter_token_latency_seconds"
	e2e  = "request_duration_seconds"

	throughput = "throughput_requests_per_second"
	goodput    = "goodput_requests_per_second"

	noSearch = "only a probe with a search finds it"
)

// latestStep is a figure of the latest valid step at each request rate.
func latestStep(metric string, matchers ...string) string {
	return series("step:vllm_prober_"+metric+":latest", matchers...)
}

// change is by how many per cent a figure of the latest steps differs from that
// of the arm with the smallest batch size.
func change(metric string, matchers ...string) string {
	return series("step:vllm_prober_"+metric+":change_to_smallest_batch_percent", matchers...)
}

func ladderBoard() board {
	b := ladder
	b.description = "The latest run of a ladder: what each arm did at each offered request rate, and what that says of batch sizes, scaling " +
		"and saturation"
	b.variables = []variable{
		datasourceVariable(), ladderVariable(), targetVariable("$probe"), gpusVariable(), figureVariable(),
	}
	b.annotations = annotations()
	b.sections = []section{
		{"Curves over the offered request rate, latest run", curves()},
		{"Batch sizes", batchSizes()},
		{"Arms against the first one", againstFirstArm()},
		{"Scaling", scaling()},
		{"Saturation", saturation()},
		{"GPUs", gpusOfSteps()},
		{"Can it be believed?", belief()},
		{"Run after run", runAfterRun()},
	}
	return b
}

// figureVariable is which figure of the latencies is drawn.
func figureVariable() variable {
	v := variable{
		Name: "figure", Type: "custom", Label: "Latency", Query: "mean,p50,p90,p95,p99,max",
		Description: "The figure of the latencies that the curves show",
	}
	for _, text := range []string{"mean", "p50", "p90", "p95", "p99", "max"} {
		v.Options = append(v.Options, variableOption{Text: text, Value: text, Selected: text == "p99"})
	}
	v.Current = &variableOption{Text: "p99", Value: "p99", Selected: true}
	return v
}

func curves() []line {
	latency := func(title, metric, description string) panel {
		return overRate(title, "s", description, tabulate(withArm(latestStep(metric, ofArms, `figure="$figure"`)))).fromZero().to(compare)
	}
	rate := func(title, metric, description string) panel {
		const diagonal = "all that is offered"
		offered := labelled(maxBy("request_rate", series("step:vllm_prober_request_rate:latest", ofArms)), "arm", diagonal)
		p := overRate(title, "reqps", description, tabulate(either(withArm(latestStep(metric, ofArms)), offered)))
		return p.styled(fixedByName(diagonal, grey, dashes)).fromZero().to(compare)
	}
	return []line{
		{9, []panel{
			overRate("TTFT", "s", "Time to first token ($figure) of the latest valid step at each rate, on a logarithmic axis: where an arm "+
				"saturates, "+
				"requests wait in its queue and the curve turns upwards. Colour is the number of GPUs, dashes are the batch size",
				tabulate(withArm(latestStep(ttft, ofArms, `figure="$figure"`)))).log().to(compare),
			latency("TPOT", tpot, "Time per output token ($figure): it grows with the batch, and no further once the batch is full"),
		}},
		{9, []panel{
			rate("Throughput", throughput, "Requests that completed within the window, per second. Where the curve leaves the diagonal, the "+
				"arm no longer keeps up"),
			rate("Goodput", goodput, "Those of them that kept the SLO. Where it falls while throughput holds, the service works and nobody "+
				"is content"),
		}},
		{9, []panel{
			latency("E2E", e2e, "Intended time to last token ($figure)"),
			latency("ITL", itl, "Time between tokens ($figure), one entry a token: its tail shows stalls that TPOT averages away"),
		}},
	}
}

// batchSizes are the tables of the field report: each figure by batch size, and
// by how much it differs from that of the smallest.
func batchSizes() []line {
	// The arm with the smallest batch size is the base, which differs from itself by nothing.
	const notTheBase = ` unless on (` + armLabels + `) arm:vllm_prober_batch_size:smallest{` + ofArms + `}`
	report := func(title, unit, metric, description string, worse *thresholds, matchers ...string) panel {
		matchers = append([]string{ofArms}, matchers...)
		values := renamed(withArm(latestStep(metric, matchers...)), "arm", "column", "")
		changes := renamed(withArm("("+change(metric, matchers...)+notTheBase+")"), "arm", "column", ": change")
		return matrixTable(title, unit, description, "column", tabulate(either(values, changes))).styled(override{
			Matcher:    matcher{ID: "byRegexp", Options: "/: change$/"},
			Properties: []property{{"unit", "percent"}, {"decimals", 1}, {"thresholds", worse}},
		}).to(compare)
	}
	return []line{
		{7, []panel{
			report("Throughput by batch size", "reqps", throughput,
				"Throughput of each arm at each rate, and its change to the arm of as many GPUs with the smallest batch size. "+
					"A change is coloured where it is as large as what the alerts take for a regression; one run cannot say what part of it "+
					"is chance", worseLower()),
		}},
		{7, []panel{
			report("Mean TTFT by batch size", "s", ttft,
				"Mean time to first token, and its change to the arm of as many GPUs with the smallest batch size", worseHigher(), `figure="mean"`),
		}},
		{7, []panel{
			report("Mean TPOT by batch size", "s", tpot,
				"Mean time per output token, and its change to the arm of as many GPUs with the smallest batch size", worseHigher(), `figure="mean"`),
		}},
	}
}

// againstFirstArm are the differences of all arms from the probe's first one, which
// is the base of its comparisons.
func againstFirstArm() []line {
	changes := func(title, metric, description string, worse *thresholds, matchers ...string) panel {
		expr := series("step:vllm_prober_"+metric+":change_to_first_arm_percent", append([]string{ofArms}, matchers...)...)
		return matrixTable(title, "percent", description+" in per cent of that of the probe's first arm at the same rate", "arm",
			tabulate(withArm(expr))).decimals(1).limits(worse).to(compare)
	}
	return []line{{8, []panel{
		changes("Throughput against the first arm", throughput, "By how much the throughput differs,", worseLower()),
		changes("Mean TTFT against the first arm", ttft, "By how much the mean time to first token differs,", worseHigher(), `figure="mean"`),
		changes("Mean TPOT against the first arm", tpot, "By how much the mean time per output token differs,", worseHigher(), `figure="mean"`),
	}}}
}

func scaling() []line {
	const peak = "arm:vllm_prober_" + throughput + ":peak"
	byBatch := `label_replace(label_replace(` + maxBy("gpus, batch_size", series(peak, ofArms)) +
		`, "line", "measured", "batch_size", ""), "line", "batch $1", "batch_size", "(.+)")`
	proportional := labelled(maxBy("gpus", series(peak, ofArms)+" / "+series("arm:vllm_prober_"+throughput+":scaling_efficiency_ratio", ofArms)),
		"line", "in proportion")
	over := trend("Peak throughput over GPUs", "reqps",
		"The most that an arm of each number of GPUs completed per second at any rate, and what it were if it grew in proportion to the GPUs. "+
			"It says nothing of scaling unless all arms were offered more than they can do",
		"gpus", "GPUs", "short", "line", tabulate(either(byBatch, proportional)))
	return []line{{9, []panel{
		over.styled(batchColours()...).styled(fixedByName("in proportion", grey, dashes)).fromZero().to(compare),
		table("Scaling factor and efficiency", "How many times the throughput of the arm with the fewest GPUs and the same batch size: of "+
			"the most that was completed at any "+
			"rate, and of the capacity that a search found. Efficiency is that over the number of times as many GPUs",
			[]column{
				{field: "arm", title: "arm"},
				{field: "gpus", title: "GPUs"},
				{field: "Value #A", title: "peak", unit: "reqps"},
				{field: "Value #B", title: "times"},
				{field: "Value #C", title: "efficiency", unit: "percentunit"},
				{field: "Value #D", title: "capacity", unit: "reqps"},
				{field: "Value #E", title: "times, by capacity"},
				{field: "Value #F", title: "efficiency, by capacity", unit: "percentunit"},
			},
			tabulate(ofEachArm(peak, ofArms)),
			tabulate(ofEachArm("arm:vllm_prober_"+throughput+":scaling_factor", ofArms)),
			tabulate(ofEachArm("arm:vllm_prober_"+throughput+":scaling_efficiency_ratio", ofArms)),
			tabulate(ofEachArm("arm:vllm_prober_capacity_requests_per_second:latest", ofArms)).maybe(noSearch),
			tabulate(ofEachArm("arm:vllm_prober_capacity_requests_per_second:scaling_factor", ofArms)).maybe(noSearch),
			tabulate(ofEachArm("arm:vllm_prober_capacity_requests_per_second:scaling_efficiency_ratio", ofArms)).maybe(noSearch),
		).to(compare),
	}}}
}

func saturation() []line {
	of := func(name string, matchers ...string) string {
		return withArm(series("step:vllm_prober_"+name, append([]string{ofArms}, matchers...)...))
	}
	verdict := func(v string) string {
		return maxBy(stepLabels, madeLately("vllm_prober_step_saturated", ofArms, `verdict="`+v+`"`))
	}
	return []line{
		{9, []panel{
			overRate("Achieved over offered", "percentunit",
				"Throughput over the rate at which requests really arrived. Lastingly below 100%, the arm does not keep up",
				tabulate(of("achieved_over_offered:ratio"))).fromZero().to(compare),
			overRate("TTFT over its value at the lowest rate", "short",
				"Mean time to first token as a multiple of that at the arm's lowest rate: how much waiting there is",
				tabulate(of("ttft_over_lowest_rate:ratio", `figure="mean"`))).log().decimals(1).to(compare),
			overRate("Share of TTFT spent in the queue", "percentunit",
				"How long a request waited in the mean, by Little's law from what the replicas said, over the mean time to first token",
				tabulate(of("queue_share_of_ttft:ratio"))).share().to(replicas),
		}},
		{8, []panel{
			matrixTable("Saturated?", "short",
				"The verdict of the latest step at each rate of the time range: yes, no, or ? where so short a step cannot tell", "arm",
				tabulate(withArm("2 * "+verdict("yes")+" + "+verdict("undetermined")))).
				words(word("2", "yes", bad), word("1", "?", grey), word("0", "no", good)).to(compare),
			matrixTable("Headroom to the capacity", "percentunit",
				"What part of the capacity that the latest search found each rate leaves over; below 0 the rate is more than the arm can do", "arm",
				tabulate(of("headroom_to_capacity:ratio")).maybe(noSearch)).limits(steps(bad, from(0, plainText))).to(overview),
			table("Capacity and highest rate within the SLO", "What the latest search of each arm found, and the search before it",
				[]column{
					{field: "arm", title: "arm"},
					{field: "Value #A", title: "capacity", unit: "reqps"},
					{field: "Value #B", title: "the search before", unit: "reqps"},
					{field: "Value #C", title: "within the SLO", unit: "reqps"},
				},
				tabulate(ofEachArm("arm:vllm_prober_capacity_requests_per_second:latest", ofArms)).maybe(noSearch),
				tabulate(ofEachArm("arm:vllm_prober_capacity_requests_per_second:previous", ofArms)).maybe(noSearch),
				tabulate(ofEachArm("arm:vllm_prober_slo_requests_per_second:latest", ofArms)).maybe(noSearch),
			).to(compare),
		}},
	}
}

// gpusOfSteps are what the GPUs of an arm took and did in the window of each step.
func gpusOfSteps() []line {
	ofGPU := func(name string) string {
		return withArm(maxBy(stepLabels, stillMade("vllm_prober_step_gpu_"+name, ofArms)))
	}
	return []line{
		{8, []panel{
			overRate("Energy of an output token", "joule", "What the arm's GPUs used within the window, over its output tokens: it falls as "+
				"the batch fills",
				tabulate(withArm(latestStep("joules_per_output_token", ofArms)))).fromZero().to(replicas),
			overRate("Output tokens of a joule", "short", "The same the other way round",
				tabulate(withArm(latestStep("output_tokens_per_joule", ofArms)))).fromZero().to(replicas),
		}},
		{8, []panel{
			overRate("Power", "watt", "What the arm's GPUs drew together, in the mean of the window",
				tabulate(ofGPU("power_watts"))).fromZero().to(replicas),
			overRate("Utilization", "percentunit", "Share of the window in which a kernel ran, in the mean of the arm's GPUs",
				tabulate(ofGPU("utilization_ratio"))).share().to(replicas),
			table("Clocks held down", "Why the clocks of one of the arm's GPUs were held down in the latest step at a rate: its latencies "+
				"say less of the service",
				[]column{{field: "request_rate", title: "offered", unit: "reqps"}, {field: "arm", title: "arm"}, {
					field: "reason",
					title: "held down by",
				}},
				tabulate(withArm(maxBy(stepLabels+", reason", stillMade("vllm_prober_step_gpu_throttled", ofArms))+" == 1")).
					maybe("nothing held them down")).empty("no clock was held down").to(replicas),
		}},
	}
}

func belief() []line {
	return []line{{8, []panel{
		table("Steps that cannot be believed", "The promises that the latest step at a rate did not keep, if it was made within the time "+
			"range; its latencies and its throughput are withheld",
			[]column{{field: "request_rate", title: "offered", unit: "reqps"}, {field: "arm", title: "arm"}, {field: "reason", title: "not kept"}},
			tabulate(withArm(maxBy(stepLabels+", reason", madeLately("vllm_prober_step_valid", ofArms))+" == 0")).
				maybe("there is none where all steps are valid")).empty("all steps are valid").to(replicas),
		table("Batch size in force", "Whether the declared batch size is what the replicas run with, and whether it made a difference",
			[]column{{field: "request_rate", title: "offered", unit: "reqps"}, {field: "arm", title: "arm"}, {field: "verdict", title: "verdict"}},
			tabulate(withArm(maxBy(stepLabels+", verdict", stillMade("vllm_prober_batch_size_in_force", ofArms))+" == 1")),
		).to(replicas),
		table("Load of others", "Whether the replicas did work for others during the latest step at a rate, which took slots and time from "+
			"the measured requests",
			[]column{
				{field: "request_rate", title: "offered", unit: "reqps"}, {field: "arm", title: "arm"}, {field: "verdict", title: "verdict"},
			},
			tabulate(withArm(maxBy(stepLabels+", verdict", stillMade("vllm_prober_step_reconciliation", ofArms))+" == 1")),
		).to(replicas),
	}}}
}

func runAfterRun() []line {
	name := "{{target}}, {{gpus}}×GPU {{batch_size}}, {{request_rate}} req/s"
	return []line{{9, []panel{
		timeSeries("TTFT, run after run", "s", "Time to first token ($figure) of each step; each run moves it once",
			ask(latestStep(ttft, ofArms, `figure="$figure"`), name)).log().to(compare),
		timeSeries("Throughput, run after run", "reqps", "Throughput of each step; each run moves it once",
			ask(latestStep(throughput, ofArms), name)).fromZero().to(compare),
	}}}
}
