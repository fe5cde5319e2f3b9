package dashboards

func compareBoard() board {
	b := compare
	b.description = "Two arms of a probe side by side, and an arm now beside itself at an earlier time"
	b.variables = []variable{
		datasourceVariable(), ladderVariable(),
		armVariable("arm_a", "Arm A", "The arm that is compared with arm B, and with itself earlier"),
		lastFirst(armVariable("arm_b", "Arm B", "The arm that it is compared with")),
		figureVariable(), offsetVariable(),
	}
	b.annotations = []annotation{
		annotate("runs", purple, "Run", "{{probe}}", "probe", maxBy("probe", series("vllm_prober_run_active", `probe="$probe"`))),
	}
	b.sections = []section{
		{"A is ${arm_a:text}, B is ${arm_b:text}: latest run", sideBySide("A", armA(""), "B", armB())},
		{"A is ${arm_a:text}: latest run, and $offset before", sideBySide("now", armA(""), "earlier", armA(" offset $offset"))},
		{"Beyond chance?", beyondChance()},
	}
	return b
}

// of is what one side of a comparison makes of a recorded figure of the steps.
type of func(metric string, matchers ...string) string

func armA(offset string) of {
	return func(metric string, matchers ...string) string {
		return maxBy("request_rate", latestStep(metric, append([]string{`probe="$probe"`, "${arm_a:raw}"}, matchers...)...)+offset)
	}
}

func armB() of {
	return func(metric string, matchers ...string) string {
		return maxBy("request_rate", latestStep(metric, append([]string{`probe="$probe"`, "${arm_b:raw}"}, matchers...)...))
	}
}

// sideBySide draws the figures of two sides as curves over the rate and lists
// them with the change in per cent from the second to the first.
func sideBySide(name string, a of, otherName string, b of) []line {
	both := func(metric string, matchers ...string) string {
		return either(labelled(a(metric, matchers...), "side", name), labelled(b(metric, matchers...), "side", otherName))
	}
	title := func(what string) string { return what + ": " + name + " and " + otherName }
	curve := func(what, unit, metric, description string, matchers ...string) panel {
		p := trend(title(what), unit, description, "request_rate", "offered", "reqps", "side", tabulate(both(metric, matchers...)))
		return p.styled(fixedByName(name, blue, solid), fixedByName(otherName, orange, dashes)).
			inOrder(name, otherName).to(ladder)
	}
	list := func(what, unit, metric string, worse *thresholds, matchers ...string) panel {
		changed := labelled("100 * ("+a(metric, matchers...)+" / "+b(metric, matchers...)+" - 1)", "side", "change")
		return matrixTable(title(what)+" in figures", unit, "The same as figures, and the change from "+otherName+" to "+name+
			"; it is coloured where it is as large as what the alerts take for a regression", "side", tabulate(either(both(metric,
			matchers...), changed))).styled(override{
			Matcher:    matcher{ID: "byName", Options: "change"},
			Properties: []property{{"unit", "percent"}, {"decimals", 1}, {"thresholds", worse}},
		}).inOrder(name, otherName, "change").to(ladder)
	}
	const figure = `figure="$figure"`
	return []line{
		{8, []panel{
			curve("TTFT", "s", ttft, "Time to first token ($figure) over the offered rate", figure).log(),
			curve("TPOT", "s", tpot, "Time per output token ($figure) over the offered rate", figure).fromZero(),
			curve("Throughput", "reqps", throughput, "Completed requests per second over the offered rate").fromZero(),
			curve("Goodput", "reqps", goodput, "Requests within the SLO per second over the offered rate").fromZero(),
		}},
		{8, []panel{
			list("TTFT", "s", ttft, worseHigher(), figure), list("TPOT", "s", tpot, worseHigher(), figure),
			list("Throughput", "reqps", throughput, worseLower()), list("Goodput", "reqps", goodput, worseLower()),
		}},
	}
}

func beyondChance() []line {
	baseline := func(metric string, matchers ...string) []target {
		with := func(suffix string) string {
			return maxBy("request_rate", series("step:vllm_prober_"+metric+suffix, append([]string{`probe="$probe"`, "${arm_a:raw}"},
				matchers...)...))
		}
		const young = "the baseline needs some runs"
		return []target{
			tabulate(with(":latest")), tabulate(with(":baseline_7d")).maybe(young),
			tabulate(with(":change_to_baseline_ratio")).maybe(young), tabulate(with(":spread_7d")).maybe(young),
			tabulate(with(":limit_7d")).maybe(young),
		}
	}
	columnsOf := func(unit string) []column {
		return []column{
			{field: "request_rate", title: "offered", unit: "reqps"},
			{field: "Value #A", title: "latest", unit: unit},
			{field: "Value #B", title: "median of 7 days", unit: unit},
			{field: "Value #C", title: "change", unit: "percentunit"},
			{field: "Value #D", title: "spread of 7 days", unit: unit},
			{field: "Value #E", title: "limit", unit: unit},
		}
	}
	const description = "The latest step of arm A at each rate against the runs of seven days. The spread is one standard deviation; beyond " +
		"the limit a run is neither usual nor chance"
	const noExperiment = "only a probe with compare makes the experiment"
	return []line{
		{8, []panel{
			table("Median TTFT against 7 days", description, columnsOf("s"), baseline(ttft, `figure="p50"`)...).to(ladder),
			table("Median TPOT against 7 days", description, columnsOf("s"), baseline(tpot, `figure="p50"`)...).to(ladder),
			table("Throughput against 7 days", description, columnsOf("reqps"), baseline(throughput)...).to(ladder),
		}},
		{7, []panel{
			table("Which arm does the most at saturation?", "The probe's latest experiment: throughput as a multiple of the first arm's, "+
				"with its 95% interval, and which arm does the most beyond chance",
				[]column{
					{field: "arm", title: "arm"},
					{field: "Value #A", title: "lower"},
					{field: "Value #B", title: "times the first arm"},
					{field: "Value #C", title: "upper"},
					{field: "Value #D", title: "best", properties: []property{{"mappings", []mapping{word("1", "best", good), word("0", "",
						plainText)}}}},
				},
				tabulate(withArm(maxBy(armLabels, series("vllm_prober_compare_throughput_ratio", `probe="$probe"`,
					`bound="lower"`)))).maybe(noExperiment),
				tabulate(withArm(maxBy(armLabels, series("vllm_prober_compare_throughput_ratio", `probe="$probe"`,
					`bound="estimate"`)))).maybe(noExperiment),
				tabulate(withArm(maxBy(armLabels, series("vllm_prober_compare_throughput_ratio", `probe="$probe"`,
					`bound="upper"`)))).maybe(noExperiment),
				tabulate(withArm(maxBy(armLabels, series("vllm_prober_compare_best", `probe="$probe"`)))).maybe(noExperiment),
			).decimals(3).to(ladder),
			timeSeries("TTFT of arm A, run after run", "s", "Time to first token ($figure) of each step of arm A; each run moves it once",
				ask(armA("")(ttft, `figure="$figure"`), "{{request_rate}} req/s")).log().to(ladder),
		}},
	}
}
