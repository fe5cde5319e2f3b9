package report

// comparisonTexts are what package compare has found, in words: why nothing can be said of
// a figure, by its code, and what figures say together. They end without a full stop, for
// they also stand in tables and within sentences.
var comparisonTexts = map[string]message{
	"reason.no_request": {
		"a step had not one such request, of which there is no ratio",
		"해당하는 요청이 한 건도 없는 단계가 있어 비율을 구할 수 없음",
	},
	"reason.not_in_base":  {"the base has no such figure here", "기준 쪽에는 이 수치가 없음"},
	"reason.only_in_base": {"only the base has such a figure here", "이 수치가 기준 쪽에만 있음"},
	"reason.drain_counted": {
		"one side's throughput counts the time in which its last requests drained, the other's does not",
		"한쪽의 처리량만 마지막 요청들이 끝날 때까지의 시간을 포함함",
	},
	"reason.load_differed": {
		"it is saturated, so that latencies grow for as long as the load lasts, which differed",
		"포화 상태에서는 부하가 이어지는 동안 지연 시간이 계속 늘어나는데, 부하를 준 시간이 서로 다름",
	},
	"reason.rate_not_held": {
		"{run}: the tool was to send {rate} requests a second and sent {actual}",
		"{run}: 도구가 초당 {rate}건을 보내야 했으나 실제로는 {actual}건을 보냄",
	},
	"reason.requests_cut": {
		"{count} requests were cut at the drain limit: the latencies are of the faster ones",
		"요청 {count}건이 드레인 제한 시간에 중단되어, 지연 시간은 먼저 끝난 요청들만의 값임",
	},
	"reason.not_recorded": {
		"there is one step of each, and nothing in its record tells chance",
		"양쪽 모두 단계가 하나뿐이고, 기록에 우연의 크기를 알려 주는 것이 없음",
	},
	"reason.not_in_file": {
		"there is one run of each, and nothing in its file tells chance",
		"양쪽 모두 실행이 한 번뿐이고, 파일에 우연의 크기를 알려 주는 것이 없음",
	},
	"reason.few_requests": {
		"there is one step of each, with too few requests",
		"양쪽 모두 단계가 하나뿐이고 요청이 너무 적음",
	},
	"reason.few_above": {
		"there is one step of each, and too few requests, or all within too few moments, are above such a quantile",
		"양쪽 모두 단계가 하나뿐이고, 이 분위수를 넘는 요청이 너무 적거나 몇몇 순간에 몰려 있음",
	},
	"reason.rose": {
		"there is one step of each, in which it rose through the window: it was not steady",
		"양쪽 모두 단계가 하나뿐이고, 측정 구간 동안 값이 계속 올라 정상 상태가 아니었음",
	},
	"reason.fell": {
		"there is one step of each, in which it fell through the window: it was not steady",
		"양쪽 모두 단계가 하나뿐이고, 측정 구간 동안 값이 계속 내려 정상 상태가 아니었음",
	},
	"reason.too_varied": {
		"chance does so much that not even {count} steps of each would tell",
		"우연의 영향이 커서 양쪽을 {count}번씩 측정해도 판정할 수 없음",
	},
	"reason.one_of_many": {
		"one of {count} cells may look like that by chance",
		"수치 {count}개 중 하나쯤은 우연히 이렇게 나올 수 있음",
	},
	"reason.chance": {
		"chance may do as much, and more than the effect is not excluded",
		"우연으로도 이만큼 달라질 수 있고, 의미 있는 차이가 없다고도 할 수 없음",
	},
	"reason.one_search": {
		"there is one run of each, and one search tells nothing of chance",
		"양쪽 모두 실행이 한 번뿐이고, 탐색 한 번으로는 우연의 크기를 알 수 없음",
	},
	"reason.search_given_up": {
		"the search of run {run} was given up: {error}",
		"실행 {run}: 탐색이 중단됨({error})",
	},
	"reason.no_search": {
		"run {run} ended before its search had found this",
		"실행 {run}: 탐색이 이 값을 찾기 전에 끝남",
	},
	"reason.too_coarse": {
		"if the difference is what it seems, the rates that the searches tried lie too far apart to tell it from none, however many runs there are",
		"차이가 지금 보이는 정도라면, 탐색이 시험한 요청률의 간격이 너무 넓어 실행을 아무리 반복해도 의미 있는 차이가 있는지 없는지 구별할 수 없음",
	},
	"reason.runs_too_varied": {
		"chance does so much that not even {count} runs of each would tell",
		"우연의 영향이 커서 양쪽을 {count}번씩 실행해도 판정할 수 없음",
	},

	"finding.by_replicas": {
		"batch size {size} was not in force at {rate} req/s: the replicas ran another number of requests",
		"초당 {rate}건에서 배치 크기({size})가 적용되지 않음: 레플리카가 실행한 요청 수가 이와 다름",
	},
	"finding.by_little": {
		"batch size {size} was not in force at {rate} req/s: {throughput} requests a second, each of which had tokens coming for {time}, are {running} that ran at once, and it lets {slots}",
		"초당 {rate}건에서 배치 크기({size})가 적용되지 않음: 초당 {throughput}건이 각각 {time} 동안 토큰을 받았으므로 동시에 {running}건이 실행된 셈인데, 배치 크기대로라면 {slots}건까지만 실행될 수 있음",
	},
	"finding.impossible": {
		"batch size {size} cannot have been in force: with {slots} slots and {throughput} requests a second at {calm} req/s, a request took {longest} at most, which is {tokens} tokens; then the drain makes it a run of about {requests} requests, which at {rate} req/s lasts {lasted}, with a mean wait of {most} at most, and {wait} were reported",
		"배치 크기({size})가 적용되었을 수 없음: 슬롯이 {slots}개이고 요청률이 초당 {calm}건일 때 초당 {throughput}건을 처리했다면, 요청 하나에 걸린 시간은 {longest} 이하이고 출력은 {tokens} 토큰 이하임; 그러면 드레인에 걸린 시간으로 보아 전체 요청은 약 {requests}건이고, 초당 {rate}건에서는 {lasted} 동안 이어지므로 평균 대기 시간이 {most} 이하여야 하는데, 보고된 값은 {wait}임",
	},
	"finding.drain_artefact": {
		"the throughput counts the time in which the last requests drained: what it lacks grew {grew}-fold from {rate} to {to} req/s, {first} to {last} for each request, while the time that a request takes grew {time_grew}-fold; so the server probably kept up, and {throughput} at {to} req/s is neither its limit nor a measure of how it scales",
		"처리량이 마지막 요청들이 끝날 때까지의 시간을 포함함: 요청률이 초당 {rate}건에서 {to}건으로 오르는 동안 그 시간은 요청당 {first}에서 {last}로 {grew}배 늘었고, 요청 하나에 걸리는 시간은 {time_grew}배 늘었음; 따라서 서버는 부하를 감당한 것으로 보이며, 초당 {to}건에서의 처리량({throughput})은 서버의 한계도 확장성의 척도도 아님",
	},
	"finding.did_not_bind": {
		"the batch sizes differ, but at none of these request rates did requests wait for a slot: what differs here between {base} and {other} is not for want of slots",
		"배치 크기가 다르지만, 이 요청률들에서는 요청이 슬롯을 기다리지 않음: {base}, {other}의 차이는 슬롯이 모자라서 생긴 것이 아님",
	},
	"finding.warming_more": {
		"the warm-up at {rate} req/s really ended {after} into the windows: until then {latency} was {by} more than later; a longer ladder.warmup leaves that out",
		"초당 {rate}건에서 웜업은 측정 구간이 시작되고 {after} 뒤에야 실제로 끝났고, 그때까지 {latency} 값이 이후보다 {by} 높았음; ladder.warmup을 늘리면 이 부분이 제외됨",
	},
	"finding.warming_less": {
		"the warm-up at {rate} req/s really ended {after} into the windows: until then {latency} was {by} less than later; a longer ladder.warmup leaves that out",
		"초당 {rate}건에서 웜업은 측정 구간이 시작되고 {after} 뒤에야 실제로 끝났고, 그때까지 {latency} 값이 이후보다 {by} 낮았음; ladder.warmup을 늘리면 이 부분이 제외됨",
	},
	"finding.definitions_differ": {
		"the definitions of {run} and {others} differ in {keys}: what is compared is not the same",
		"{run}, {others}: 정의가 서로 다르므로({keys}) 같은 것을 비교한 것이 아님",
	},
	"finding.vllm_bench_serve": {
		"vllm bench serve counts the time in which the last requests drain as time, so that its throughput falls short; it has no window, so that its first requests meet an empty server and its last an emptying one; and its latencies begin when a request is sent, not when it was intended",
		"vllm bench serve는 마지막 요청들이 끝날 때까지의 시간도 소요 시간에 넣으므로 처리량이 실제보다 낮음; 측정 구간이 없으므로 처음 요청들은 빈 서버를, 마지막 요청들은 비어 가는 서버를 만남; 지연 시간은 보내려 한 시각이 아니라 실제로 보낸 시각부터 잼",
	},
	"finding.guidellm": {
		"guidellm counts the time in which its first requests fill the server and its last drain as time, unless it is told a warm-up and a cooldown, so that its throughput falls short; and its latencies begin when a request is sent, not when it was intended",
		"guidellm은 웜업과 쿨다운을 지정하지 않으면 처음 요청들이 서버를 채우는 시간과 마지막 요청들이 끝날 때까지의 시간도 소요 시간에 넣으므로 처리량이 실제보다 낮음; 지연 시간은 보내려 한 시각이 아니라 실제로 보낸 시각부터 잼",
	},
	"finding.in_flight_limit": {
		"{file} had at most {requests} requests in flight at {rate} req/s: while these are slow it asks for less, and what the others waited for their turn is in no latency",
		"{file}: 초당 {rate}건에서 동시에 진행된 요청이 최대 {requests}건임; 이 요청들이 느려지면 그만큼 덜 보내게 되고, 나머지 요청이 차례를 기다린 시간은 지연 시간에 들어가지 않음",
	},
	"finding.failed_requests": {
		"{requests} requests of {file} at {rate} req/s failed or were cut; its latencies are of the others",
		"{file}: 초당 {rate}건에서 요청 {requests}건이 실패했거나 중단되었고, 지연 시간은 나머지 요청들의 값임",
	},
	"finding.weighted_by_tokens": {
		"{file} does not hold just the requests that its figures are of: its time between tokens, which stands for TPOT, may count an answer by its tokens",
		"{file}: 수치에 해당하는 요청만의 기록이 없음; TPOT를 대신하는 토큰 간 시간은 응답을 토큰 수로 가중한 값일 수 있음",
	},
}
