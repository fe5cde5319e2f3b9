package report

import "maps"

// catalogue has all texts of reports, in all languages. What is inserted stands where
// Korean needs no particle after it that depends on how it sounds.
var catalogue = func() map[string]message {
	all := map[string]message{}
	for _, some := range []map[string]message{ruleTexts, tableTexts, comparisonTexts, stepTexts} {
		maps.Copy(all, some)
	}
	return all
}()

// ruleTexts are the sentences of rules, by their names, and the words for verdicts and
// metrics.
var ruleTexts = map[string]message{
	// What became of the run.
	"run.success": {
		"The run made all of its steps: {steps}.",
		"단계 {steps}개를 모두 측정했습니다.",
	},
	"run.under_way": {
		"The run has not ended; it has made {made} of the {planned} steps that were planned.",
		"실행이 아직 끝나지 않았습니다. 계획한 단계 {planned}개 중 {made}개를 측정했습니다.",
	},
	"run.incomplete": {
		"The run did not make all of its steps: {reason}.",
		"실행이 모든 단계를 마치지 못했습니다: {reason}.",
	},
	"valid.all": {
		"All steps are valid: the prober kept up with its own schedule and nothing happened to the replicas.",
		"모든 단계가 유효합니다. 프로버가 요청을 제때 보냈고, 레플리카에도 이상이 없었습니다.",
	},
	"valid.some": {
		"{withheld} of {steps} steps are not valid, and their latencies are withheld ({reasons}).",
		"{steps}개 단계 중 {withheld}개는 유효하지 않아 지연 시간을 공개하지 않습니다({reasons}).",
	},
	"valid.none": {
		"No step is valid, of {steps} ({reasons}): this run says nothing of the service.",
		"{steps}개 단계가 모두 유효하지 않습니다({reasons}). 이 실행으로는 서비스에 대해 아무것도 말할 수 없습니다.",
	},

	"valid.repeated": {
		"Steps that the guard aborted and that were made again: {steps}. Of these only the later ones count here.",
		"가드가 중단하여 다시 측정한 단계: {steps}개. 다시 측정한 결과만 반영했습니다.",
	},

	// Saturation.
	"saturation.none": {
		"{arms} kept up with all request rates that were measured, up to {rate} requests a second.",
		"{arms}: 초당 {rate}건까지, 측정한 모든 요청률을 감당했습니다.",
	},
	"saturation.borne": {
		"{arms} kept up with {rate} requests a second.",
		"{arms}: 초당 {rate}건까지는 감당했습니다.",
	},
	"saturation.between": {
		"{arms} kept up with {lower} requests a second, but not with {upper}.",
		"{arms}: 초당 {lower}건까지는 감당했지만 {upper}건에서는 포화되었습니다.",
	},
	"saturation.over": {
		"{arms} did not keep up with {rate} requests a second.",
		"{arms}: 초당 {rate}건은 감당하지 못하고 포화되었습니다.",
	},
	"saturation.contrary": {
		"{arms} fell behind at {rates} requests a second, although not at {rate}: these verdicts contradict each other.",
		"{arms}: 초당 {rate}건은 감당했는데 그보다 낮은 {rates}건에서는 포화되었습니다. 두 판정은 서로 모순됩니다.",
	},
	"saturation.always": {
		"{arms} did not even keep up with the lowest request rate that was measured, {rate} a second.",
		"{arms}: 측정한 가장 낮은 요청률인 초당 {rate}건도 감당하지 못하고 포화되었습니다.",
	},
	"saturation.unknown": {
		"Nobody can say from these steps whether {arms} can bear {rates} requests a second: they were too short to tell.",
		"{arms}: 초당 {rates}건을 감당할 수 있는지는 알 수 없습니다. 판정하기에는 단계가 너무 짧았습니다.",
	},
	"capacity.found": {
		"Capacity of {arms}: {value} requests a second.",
		"{arms}의 처리 용량: 초당 {value}건.",
	},
	"capacity.exceeded": {
		"{arms} completed {value} requests a second at {rate}, more than that capacity, beyond chance: the speed of the replicas changed while they were measured.",
		"{arms}: 초당 {rate}건에서 초당 {value}건을 완료해, 우연을 넘어 그 처리 용량보다 많았습니다. 측정하는 동안 레플리카의 속도가 달라졌습니다.",
	},
	"capacity.given_up": {
		"The search for the capacity of {arms} was given up: {reason}.",
		"{arms}의 처리 용량 탐색은 중단되었습니다: {reason}.",
	},
	"search.cut": {
		"The search of {arms} ended before it had found all that it was to find: {reason}.",
		"{arms}: 탐색이 찾아야 할 값을 모두 찾기 전에 끝났습니다: {reason}.",
	},
	"slo.rate": {
		"{arms} kept the SLO up to about {value} requests a second.",
		"{arms}: 초당 약 {value}건까지 SLO를 지켰습니다.",
	},
	"slo.kept": {
		"{arms} kept the SLO at all request rates that were measured, up to {rate} a second.",
		"{arms}: 초당 {rate}건까지, 측정한 모든 요청률에서 SLO를 지켰습니다.",
	},
	"slo.between": {
		"{arms} kept the SLO at {lower} requests a second; at {upper}, {share} of the requests kept it.",
		"{arms}: 초당 {lower}건에서는 SLO를 지켰지만, {upper}건에서는 요청의 {share}만 SLO를 만족했습니다.",
	},
	"slo.missed": {
		"{arms} missed the SLO even at the lowest request rate that was measured, {rate} a second, where {share} of the requests kept it.",
		"{arms}: 측정한 가장 낮은 요청률인 초당 {rate}건에서도 SLO를 지키지 못했습니다(만족한 요청 {share}).",
	},

	// Where the time goes.
	"latency.calm": {
		"Below saturation, latency stays in bounds: from {lower} to {upper} requests a second, TTFT of {arms} went from {ttft_from} to {ttft_to}, and TPOT from {tpot_from} to {tpot_to}.",
		"포화되기 전에는 지연 시간이 안정적입니다. {arms}: 요청률이 초당 {lower}건에서 {upper}건으로 오르는 동안 TTFT는 {ttft_from} → {ttft_to}, TPOT는 {tpot_from} → {tpot_to}.",
	},
	"latency.rises": {
		"Latency grows already before saturation: from {lower} to {upper} requests a second, TTFT of {arms} went from {ttft_from} to {ttft_to}, and TPOT from {tpot_from} to {tpot_to}.",
		"포화되기 전부터 지연 시간이 크게 늘어납니다. {arms}: 요청률이 초당 {lower}건에서 {upper}건으로 오르는 동안 TTFT는 {ttft_from} → {ttft_to}, TPOT는 {tpot_from} → {tpot_to}.",
	},
	"latency.queue": {
		"The time goes into the queue: from {lower} to {upper} requests a second, TTFT of {arms} grew {ttft_times}-fold, from {ttft_from} to {ttft_to}, and TPOT {tpot_times}-fold, from {tpot_from} to {tpot_to}.",
		"늘어나는 시간은 대부분 대기 시간입니다. {arms}: 요청률이 초당 {lower}건에서 {upper}건으로 오르자 TTFT는 {ttft_from}에서 {ttft_to}로 {ttft_times}배 늘었지만, TPOT는 {tpot_from}에서 {tpot_to}로 {tpot_times}배 느는 데 그쳤습니다.",
	},
	"latency.waiting": {
		"About {share} of the TTFT of {arms} at {rate} requests a second was the wait in the replicas' queues: an estimate, by the number of requests that they said were waiting.",
		"{arms}: 초당 {rate}건에서 TTFT의 약 {share}는 대기열에서 기다린 시간입니다(레플리카가 보고한 대기 요청 수로 계산한 추정치).",
	},

	// Scaling.
	"scaling.factor": {
		"{arm} did {times} times what {base} did, on {gpus} times the GPUs: an efficiency of {efficiency}.",
		"{arm}: GPU가 {gpus}배일 때 {base}의 {times}배를 처리했습니다(확장 효율 {efficiency}).",
	},
	"scaling.at_least": {
		"{arm} did at least {times} times what {base} did, on {gpus} times the GPUs; it was not seen to be saturated, so that its capacity may be higher.",
		"{arm}: GPU가 {gpus}배일 때 {base}의 {times}배 이상을 처리했습니다. 포화가 확인되지 않았으므로 실제 용량은 더 클 수 있습니다.",
	},
	"scaling.unknown": {
		"How {arm} scales against {base} cannot be said: {base} was not seen to be saturated, so that what it can do is not known.",
		"{base} 대비 {arm}의 확장성은 알 수 없습니다. 기준인 {base}의 용량이 포화 상태까지 측정되지 않았기 때문입니다.",
	},

	// The batch size.
	"batch.exceeded": {
		"The declared batch size {size} of {arms} is not in force: up to {ran} requests ran on a replica at once.",
		"{arms}: 선언한 배치 크기({size})는 실제로 적용되어 있지 않습니다. 한 레플리카에서 동시에 최대 {ran}건이 실행되었습니다.",
	},
	"batch.other_limit": {
		"The declared batch size {size} of {arms} is not in force: requests waited, although no more than {ran} ran on a replica.",
		"{arms}: 선언한 배치 크기({size})는 실제로 적용되어 있지 않습니다. 레플리카에서 {ran}건만 실행되는데도 요청이 대기했습니다.",
	},
	"batch.bound": {
		"The batch size {size} of {arms} is in force and was what requests waited for, at {rates} requests a second.",
		"{arms}: 배치 크기({size})가 적용되어 있으며, 초당 {rates}건에서 요청이 빈 슬롯을 기다렸습니다.",
	},
	"batch.did_not_bind": {
		"The batch size {size} of {arms} limited nothing at any of these request rates: no request waited for a slot for long.",
		"{arms}: 배치 크기({size})는 측정한 어떤 요청률에서도 제약이 되지 않았습니다. 슬롯을 오래 기다린 요청이 없습니다.",
	},
	"batch.law": {
		"The declared batch size of {arms} cannot have been in force: {detail}.",
		"{arms}: 선언한 배치 크기가 실제로 적용되었을 수 없습니다. 근거: {detail}.",
	},
	"batch.no_cause": {
		"Nothing that differs between {base} and {other} can come from their batch sizes, for these were not both in force.",
		"{base}, {other}: 둘의 차이를 배치 크기 때문이라고 볼 수 없습니다. 적어도 한쪽의 배치 크기가 적용되어 있지 않았습니다.",
	},
	"batch.neither": {
		"Nothing that differs between {base} and {other} can come from their batch sizes, for neither limited anything.",
		"{base}, {other}: 둘의 차이를 배치 크기 때문이라고 볼 수 없습니다. 어느 쪽 배치 크기도 제약이 되지 않았습니다.",
	},

	// Differences between arms.
	"difference.none": {
		"{other} and {base} do the same: no difference beyond ±{beyond} in any of {cells} figures.",
		"{other}, {base}: 차이가 없습니다. 비교한 {cells}개 수치 모두 차이가 ±{beyond}를 넘지 않습니다.",
	},
	"difference.found": {
		"{other} against {base}: better in {better} and worse in {worse} of {cells} figures, most of all {metric} at {rate} requests a second: {change}.",
		"{other} (기준 {base}): 비교한 {cells}개 수치 중 {better}개가 더 좋고 {worse}개가 더 나쁩니다. 가장 큰 차이는 초당 {rate}건에서의 {metric}입니다: {change}.",
	},
	"difference.some": {
		"No difference between {other} and {base} was found: none beyond ±{beyond} in {same} of {cells} figures, and {undetermined} are undetermined.",
		"{other}, {base}: 차이가 발견되지 않았습니다. {cells}개 수치 중 {same}개는 차이가 ±{beyond}를 넘지 않고, {undetermined}개는 판정할 수 없습니다.",
	},
	"difference.undetermined": {
		"Whether {other} and {base} differ is undetermined in all {cells} figures: {reason}.",
		"{other}, {base}: 차이가 있는지 {cells}개 수치 모두 판정할 수 없습니다. 이유: {reason}.",
	},
	"difference.repeats": {
		"{repeats} repeats of each step would decide the means that are undetermined between {other} and {base}.",
		"{other}, {base}: 단계마다 {repeats}회 반복하면 판정하지 못한 평균값도 판정할 수 있습니다.",
	},
	"difference.repeats_part": {
		"{repeats} repeats of each step would decide {decided} of the {means} means that are undetermined between {other} and {base}; the others need more than {feasible}, or no number is known that would decide them.",
		"{other}, {base}: 단계마다 {repeats}회 반복하면 판정하지 못한 평균값 {means}개 중 {decided}개를 판정할 수 있습니다. 나머지는 {feasible}회보다 많이 반복해야 하거나 필요한 횟수를 알 수 없습니다.",
	},
	"difference.answer_less": {
		"The {metric} of {other} is {share} lower than {than} ({interval}): {to} requests a second against {from}.",
		"{other}의 {metric}: {than} {share} 낮습니다({interval}). 초당 {from}건 → {to}건.",
	},
	"difference.answer_more": {
		"The {metric} of {other} is {share} higher than {than} ({interval}): {to} requests a second against {from}.",
		"{other}의 {metric}: {than} {share} 높습니다({interval}). 초당 {from}건 → {to}건.",
	},
	"difference.answer_same": {
		"The {metric} of {other} is the same as {than}: no difference beyond ±{beyond}.",
		"{other}의 {metric}: {than} 차이가 ±{beyond}를 넘지 않습니다.",
	},
	"difference.answer_runs": {
		"Whether the {metric} of {other} is higher or lower than {than} is undetermined: {change} ({interval}); {reason}; {runs} runs of each would tell.",
		"{other}의 {metric}: {than} 높은지 낮은지 판정할 수 없습니다. {change}({interval}). 이유: {reason}. 양쪽을 {runs}회씩 실행하면 판정할 수 있습니다.",
	},
	"difference.answer_open": {
		"Whether the {metric} of {other} is higher or lower than {than} is undetermined: {change} ({interval}); {reason}.",
		"{other}의 {metric}: {than} 높은지 낮은지 판정할 수 없습니다. {change}({interval}). 이유: {reason}.",
	},
	"than.arm":    {"that of {base}", "{base} 대비"},
	"than.before": {"in {base}", "{base} 대비"},
	"experiment.best": {
		"At {rate} requests a second, which saturates all arms, {best} completes the most: {throughput} a second.",
		"모든 대상이 포화되는 초당 {rate}건에서 가장 많이 처리한 것은 {best}입니다(초당 {throughput}건).",
	},
	"experiment.better": {
		"At {rate} requests a second, which saturates all arms, {best} completes the most: {throughput} a second, {change} against {base}.",
		"모든 대상이 포화되는 초당 {rate}건에서 가장 많이 처리한 것은 {best}입니다(초당 {throughput}건, {base} 대비 {change}).",
	},
	"experiment.none": {
		"At {rate} requests a second, which saturates all arms, none completes more than the others beyond chance.",
		"모든 대상이 포화되는 초당 {rate}건에서, 우연을 넘어 더 많이 처리한 대상은 없습니다.",
	},
	"experiment.few": {
		"At {rate} requests a second, which saturates all arms, too few steps were valid to name an arm.",
		"모든 대상이 포화되는 초당 {rate}건에서, 유효한 단계가 너무 적어 가장 나은 대상을 가릴 수 없습니다.",
	},
	"experiment.failed": {
		"The experiment that was to name the best arm was not made: {reason}.",
		"가장 나은 대상을 가리는 실험은 수행되지 않았습니다: {reason}.",
	},

	// What would deceive.
	"drain.artefact": {
		"A benchmark that divides requests by the whole duration, as vllm bench serve does, would have reported {bench} requests a second for {arm} at {rate}; {throughput} completed. What it lacks is the time in which the last requests drain, and no limit of the server.",
		"vllm bench serve처럼 전체 소요 시간으로 나누는 도구라면 {arm}의 처리량을 초당 {bench}건으로 보고했을 것입니다(요청률 {rate}건). 실제로는 초당 {throughput}건이 완료되었습니다. 차이는 마지막 요청들이 끝날 때까지의 시간 때문이며 서버의 한계가 아닙니다.",
	},
	"steady.warm_up": {
		"{arms}, {rate} requests a second: the windows began too early, for {detail}.",
		"{arms}: 초당 {rate}건의 측정 구간이 웜업이 끝나기 전에 시작되었습니다. 근거: {detail}.",
	},
	"traffic.foreign": {
		"Others used the replicas of {arms} meanwhile, with up to {share} of the output tokens: the figures are those of a shared service.",
		"{arms}: 측정 중에 다른 트래픽이 있었습니다(출력 토큰의 최대 {share}). 수치는 다른 사용자와 나눠 쓴 서비스의 것입니다.",
	},
	"traffic.several": {
		"Behind a URL of {arms} there is more than one replica or a proxy: what is said of running requests and batch sizes does not hold for it.",
		"{arms}: 하나의 URL 뒤에 여러 레플리카나 프록시가 있습니다. 실행 중인 요청과 배치 크기에 대한 내용은 그 URL에 적용되지 않습니다.",
	},
	"failures.some": {
		"{failed} of {measured} measured requests of {arms} were not answered well ({outcomes}); no latency counts them.",
		"{arms}: 측정한 요청 {measured}건 중 {failed}건이 정상 응답을 받지 못했습니다({outcomes}). 지연 시간에는 포함되지 않습니다.",
	},
	"failures.cut": {
		"{cut} measured requests of {arms} were cut at the drain limit, at {rates} requests a second, so that the latencies are those of the faster ones.",
		"{arms}: 초당 {rates}건에서 측정 요청 {cut}건이 드레인 제한 시간에 중단되었습니다. 지연 시간은 먼저 끝난 요청들만의 값입니다.",
	},
	"cache.preempted": {
		"The KV cache was too small for {arms} at {rates} requests a second: {preemptions} requests lost their slot and began anew.",
		"{arms}: 초당 {rates}건에서 KV 캐시가 부족했습니다. 요청 {preemptions}건이 선점되어 다시 시작했습니다.",
	},
	"cache.hit": {
		"The prefix cache gave {arms} {tokens} prompt tokens, which it should not where no prefix is shared: prefill looks faster than it is.",
		"{arms}: 공유 프리픽스가 없는데도 프리픽스 캐시에서 프롬프트 토큰 {tokens}개가 제공되었습니다. 프리필이 실제보다 빨라 보입니다.",
	},

	// Energy.
	"energy.least": {
		"{arms} took the least energy for each output token, {joules} J, at {rate} requests a second, and the most, {most} J, at {most_rate}.",
		"{arms}: 출력 토큰당 에너지는 초당 {rate}건에서 {joules} J로 가장 적고, {most_rate}건에서 {most} J로 가장 많습니다.",
	},
	"energy.throttled": {
		"GPUs of {arms} were throttled at {rates} requests a second ({reasons}): these steps measure the cooling and the power limit as well.",
		"{arms}: 초당 {rates}건에서 GPU 클록이 제한되었습니다({reasons}). 이 단계들은 냉각과 전력 제한의 영향을 함께 측정한 것입니다.",
	},

	"before.one":     {"the run before", "직전 실행"},
	"before.several": {"the {runs} runs before", "이전 실행 {runs}회"},

	// Words and metrics.
	"word.better":       {"better", "더 좋음"},
	"word.worse":        {"worse", "더 나쁨"},
	"word.undetermined": {"undetermined", "판정 불가"},
	"word.beyond":       {"no difference beyond ±{beyond}", "±{beyond}를 넘는 차이 없음"},

	"metric.throughput": {"throughput", "처리량"},
	"metric.goodput":    {"goodput", "굿풋"},
	"metric.ttft_mean":  {"TTFT, mean", "TTFT 평균"},
	"metric.ttft_p50":   {"TTFT, p50", "TTFT p50"},
	"metric.ttft_p99":   {"TTFT, p99", "TTFT p99"},
	"metric.tpot_mean":  {"TPOT, mean", "TPOT 평균"},
	"metric.tpot_p99":   {"TPOT, p99", "TPOT p99"},
	"metric.e2e_mean":   {"E2E, mean", "E2E 평균"},
	"metric.e2e_p99":    {"E2E, p99", "E2E p99"},
	"metric.capacity":   {"capacity", "처리 용량"},
	"metric.slo_rate":   {"SLO rate", "SLO 유지 요청률"},

	"verdict.yes":          {"saturated", "포화"},
	"verdict.no":           {"not saturated", "포화 아님"},
	"verdict.undetermined": {"undetermined", "판정 불가"},
	"verdict.bound":        {"in force, and limited", "적용됨, 제약이 됨"},
	"verdict.did_not_bind": {"limited nothing", "제약이 되지 않음"},
	"verdict.not_in_force": {"not in force", "적용되지 않음"},
	"verdict.unknown":      {"unknown", "알 수 없음"},
}
