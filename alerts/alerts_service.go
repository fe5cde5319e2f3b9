package alerts

import "strconv"

// service are the alerts of a service that does not do what it should, now.
func (s Settings) service() []Rule {
	rules := []Rule{
		s.burn("VLLMSLOBurnRateFast", critical, s.Fast),
		s.burn("VLLMSLOBurnRateSlow", warning, s.Slow),
		s.alert("VLLMSaturationNear", warning, s.SaturationSustained, fill(`
			target:vllm_prober_headroom:ratio < LEAST
			unless ignoring (resource)
			max without (instance, pod, probe, gpus, batch_size) (
				max_over_time(vllm_prober_offered_request_rate[WINDOW])
				and ignoring (target, gpus, batch_size) vllm_prober_run_active
			) > 0
		`, "LEAST", number(s.MinHeadroom), "WINDOW", promql(s.HeadroomWindow)),
			"{{ $labels.target }} is near saturation",
			`Over `+promql(s.HeadroomWindow)+` only {{ $value | humanizePercentage }} of `+
				`{{ if eq $labels.resource "slots" }}the slots for requests were{{ else }}the KV cache of the fullest replica was{{ end }} free, `+
				`without any ladder of the prober's. Requests begin to wait when none is.`),
		s.alert("VLLMBatchSizeNotInForce", warning, 0, fill(`
			count without (request_rate) (
				max without (instance, pod, verdict) (vllm_prober_batch_size_in_force{verdict="not_in_force"}) == 1
				and ENDED
			)
		`, "ENDED", ended),
			"{{ $labels.target }} does not run with the batch size {{ $labels.batch_size }} that is declared",
			"At {{ $value }} request rates of the probe {{ $labels.probe }} the running requests of "+theArm+" did not keep to it: up to "+
				ask(`max(vllm_prober_step_requests_running{stat="max",LABELS})`, "{{ . | first | value }}", armLabels...)+
				" ran, the most of each replica added up. Comparisons of batch sizes with this arm say nothing."),
		s.alert("VLLMReplicaNotStreaming", critical, s.NotStreaming, `
			max without (instance, pod, check) (vllm_prober_replica_up{check="stream"}) == 0
			and
			max without (instance, pod, check) (vllm_prober_replica_up{check="health"}) == 1
		`,
			"{{ $labels.replica }} of {{ $labels.target }} makes no tokens, though /health says that all is well",
			"The latest requests that the prober sent to {{ $labels.replica }} got no token within their time, "+
				"while its /health answers 200: its engine is wedged."),
	}
	return rules
}

// burn is the alert of a burn rate: over its long window, and over its short one, so
// that it ends soon after the errors do.
func (s Settings) burn(name string, level severity, b Burn) Rule {
	long, short := promql(b.Long), promql(b.Short)
	return s.alert(name, level, 0, fill(`
		RATIOLONG > ignoring (target, gpus, batch_size) group_left ()
			clamp_max(BURN * (1 - max without (instance, pod) (vllm_prober_slo_attainment_objective_ratio)), MOST)
		and
		RATIOSHORT > ignoring (target, gpus, batch_size) group_left ()
			clamp_max(BURN * (1 - max without (instance, pod) (vllm_prober_slo_attainment_objective_ratio)), MOST)
		and
		sum without (instance, pod, request_rate) (increase(vllm_prober_offered_requests_total[WINDOW]))
		- sum without (instance, pod, request_rate) (increase(vllm_prober_attained_requests_total[WINDOW])) >= LEAST
	`, "RATIOLONG", errorRatio(b.Long), "RATIOSHORT", errorRatio(b.Short), "BURN", number(b.Rate), "MOST", number(s.MaxErrorRatio),
		"WINDOW", long, "LEAST", strconv.Itoa(s.MinBadRequests)),
		theArm+" misses its SLO",
		"{{ $value | humanizePercentage }} of the requests of the heartbeat {{ $labels.probe }} missed the SLO over "+long+", and "+
			figure(errorRatio(b.Short), asPercent, armLabels)+" over "+short+"; the objective allows "+
			ask("1 - vllm_prober_slo_attainment_objective_ratio{LABELS}", "{{ . | first | value | humanizePercentage }}", "job", "probe")+
			". It is used up "+number(b.Rate)+" times too fast, or half of the requests are lost.",
	).with("window", long)
}
