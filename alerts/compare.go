package alerts

// compare are steps and arms held against one another. Whatever is divided by is
// an average over the arms that are the base, although there should be one: two of
// them must not make a rule fail.
func (s Settings) compare() []Rule {
	rules := []Rule{
		recording(lowest, fill(`
			RATE == ignoring (request_rate) group_left () min without (request_rate) (RATE)
		`, "RATE", rate)),
		recording(step("ttft_over_lowest_rate", "ratio"), fill(`
			TTFT
			/ ignoring (request_rate) group_left ()
			(avg without (request_rate) (TTFT and ignoring (figure) LOWEST) > 0)
		`, "TTFT", step(ttft, "latest"), "LOWEST", lowest)),
		recording(arm(throughput, "peak"), fill(`max without (request_rate) (OF)`, "OF", step(throughput, "latest"))),
		recording(arm(goodput, "peak"), fill(`max without (request_rate) (OF)`, "OF", step(goodput, "latest"))),
		recording(arm("gpus", "latest"), fill(`
			max without (instance, pod) (vllm_prober_arm_gpus) and PEAK
		`, "PEAK", arm(throughput, "peak"))),
		recording(few, fill(`
			GPUS == ignoring (target, gpus) group_left () min without (target, gpus) (GPUS)
		`, "GPUS", arm("gpus", "latest"))),
		recording(arm("batch_size", "latest"), fill(`
			max without (instance, pod) (vllm_prober_arm_batch_size) and PEAK
		`, "PEAK", arm(throughput, "peak"))),
		recording(small, fill(`
			SIZE == ignoring (target, batch_size) group_left () min without (target, batch_size) (SIZE)
		`, "SIZE", arm("batch_size", "latest"))),
		recording(first, fill(`
			max without (instance, pod) (vllm_prober_arm_position) == 1 and PEAK
		`, "PEAK", arm(throughput, "peak"))),
	}
	for _, of := range []string{ttft, tpot, itl, e2e, throughput, goodput} {
		rules = append(rules, changes(step(of, "latest"))...)
	}
	rules = append(rules, changes(arm(capacity, "latest"))...)
	for _, of := range []string{arm(throughput, "peak"), arm(capacity, "latest")} {
		factor := operation(of, "scaling_factor")
		rules = append(rules,
			recording(factor, fill(`
				OF
				/ ignoring (target, gpus) group_left ()
				(avg without (target, gpus) (OF and FEW) > 0)
			`, "OF", of, "FEW", few)),
			recording(operation(of, "scaling_efficiency_ratio"), fill(`
				FACTOR
				/ (GPUS / ignoring (target, gpus) group_left () avg without (target, gpus) (FEW))
			`, "FACTOR", factor, "GPUS", arm("gpus", "latest"), "FEW", few)),
		)
	}
	return rules
}

// changes are the changes in percent to the arm with the smallest batch size of as
// many GPUs, and to the probe's first arm; of steps, at the same request rate.
func changes(of string) []Rule {
	change := func(name, ignored, base string) Rule {
		return recording(operation(of, name), fill(`
			100 * (
				OF
				/ ignoring (IGNORED) group_left ()
				(avg without (IGNORED) (OF and ignoring (request_rate, figure) BASE) > 0)
				- 1
			)
		`, "OF", of, "IGNORED", ignored, "BASE", base))
	}
	return []Rule{
		change("change_to_smallest_batch_percent", "target, batch_size", small),
		change("change_to_first_arm_percent", "target, gpus, batch_size", first),
	}
}
