package report

// stepTexts are the columns of the table of steps, what is noted of a step, and the words
// for codes that records hold. In English a code stands for itself.
var stepTexts = map[string]message{
	"column.target":                     {"target", "타깃"},
	"column.gpus":                       {"GPUs", "GPU"},
	"column.batch_size":                 {"batch", "배치"},
	"column.request_rate":               {"req/s", "요청률"},
	"column.throughput":                 {"done/s", "완료/s"},
	"column.goodput":                    {"good/s", "굿풋/s"},
	"column.bench_throughput":           {"bench/s", "bench/s"},
	"column.saturated":                  {"sat", "포화"},
	"column.slo_attainment_percent":     {"good %", "SLO 준수 %"},
	"column.output_token_throughput":    {"tok/s", "토큰/s"},
	"column.ttft_mean_ms":               {"TTFT ms", "TTFT ms"},
	"column.ttft_p50_ms":                {"TTFT p50", "TTFT p50"},
	"column.ttft_p99_ms":                {"TTFT p99", "TTFT p99"},
	"column.tpot_mean_ms":               {"TPOT ms", "TPOT ms"},
	"column.tpot_p99_ms":                {"TPOT p99", "TPOT p99"},
	"column.e2e_mean_ms":                {"E2E ms", "E2E ms"},
	"column.measured_ok":                {"ok", "정상"},
	"column.measured_not_ok":            {"not ok", "실패"},
	"column.requests_running_mean":      {"running", "실행"},
	"column.requests_waiting_mean":      {"waiting", "대기"},
	"column.kv_cache_usage_max_percent": {"KV %", "KV %"},
	"column.joules_per_output_token":    {"J/tok", "J/토큰"},
	"column.note":                       {"note", "비고"},

	"saturated.yes":          {"yes", "예"},
	"saturated.no":           {"no", "아니요"},
	"saturated.undetermined": {"?", "?"},
	"throttled.none":         {"no", "없음"},

	"note.guard":     {"withheld: {detail}", "가드가 단계를 중단하여 공개하지 않음: {detail}"},
	"note.restarted": {"withheld: {detail}", "레플리카가 재시작하여 공개하지 않음: {detail}"},
	"note.broken":    {"withheld, promise {promise} broken: {detail}", "유효 조건({promise})이 지켜지지 않아 공개하지 않음: {detail}"},
	"note.unfinished": {
		"{unfinished} unfinished at the drain limit: the latencies are of the faster ones",
		"드레인 제한 시간까지 끝나지 않은 요청 {unfinished}건: 지연 시간은 먼저 끝난 요청들만의 값",
	},
	"note.failures":     {"of all phases {failures}", "웜업과 드레인을 포함한 실패: {failures}"},
	"note.not_in_force": {"batch not in force: {detail}", "배치 크기가 적용되지 않음: {detail}"},
	"note.preempted":    {"{preempted} preempted", "선점 {preempted}건"},
	"note.foreign":      {"foreign traffic: {requests}, {share} of the output tokens", "다른 트래픽: {requests}, 출력 토큰의 {share}"},
	"note.several":      {"{detail}", "하나의 URL 뒤에 여러 레플리카: {detail}"},
	"note.throttled":    {"throttled: {reasons}", "클록 제한: {reasons}"},
	"note.held":         {"{reason} for {time}", "{reason} {time}"},
	"note.cached":       {"{tokens} prompt tokens came from the prefix cache", "프롬프트 토큰 {tokens}개가 프리픽스 캐시에서 제공됨"},
	"tally":             {"{of} × {n}", "{of} × {n}"},

	// What a verdict on a batch size follows from.
	"ran.too_many":     {"{ran} ran", "{ran}건 실행"},
	"ran.not_in_force": {"no more than {ran} ran, and up to {waited} waited", "{ran}건까지만 실행되었고 최대 {waited}건이 대기"},
	"ran.bound":        {"{ran} ran, and up to {waited} waited", "{ran}건 실행, 최대 {waited}건 대기"},
	"ran.did_not_bind": {"at most {ran} ran, and none waited for long", "최대 {ran}건 실행, 오래 기다린 요청 없음"},

	// How requests end.
	"outcome.ok":                  {"ok", "정상"},
	"outcome.connect":             {"connect", "연결 실패"},
	"outcome.tls":                 {"tls", "TLS 실패"},
	"outcome.http_4xx":            {"http_4xx", "HTTP 4xx"},
	"outcome.http_429":            {"http_429", "HTTP 429"},
	"outcome.http_503":            {"http_503", "HTTP 503"},
	"outcome.http_5xx":            {"http_5xx", "HTTP 5xx"},
	"outcome.stream_error":        {"stream_error", "스트림 오류"},
	"outcome.truncated":           {"truncated", "응답 끊김"},
	"outcome.short_output":        {"short_output", "출력 토큰 부족"},
	"outcome.timeout_first_token": {"timeout_first_token", "첫 토큰 시간 초과"},
	"outcome.timeout_stall":       {"timeout_stall", "토큰 간격 시간 초과"},
	"outcome.timeout_total":       {"timeout_total", "전체 시간 초과"},
	"outcome.aborted":             {"aborted", "프로버가 중단"},

	// What was not kept.
	"promise.send_lag":          {"send_lag", "전송 지연"},
	"promise.in_flight_cap":     {"in_flight_cap", "동시 요청 상한"},
	"promise.cpu":               {"cpu", "CPU"},
	"promise.complete":          {"complete", "단계 완료"},
	"promise.replica_restarted": {"replica_restarted", "레플리카 재시작"},
	"promise.guard":             {"guard", "가드"},
	"promise.replicas":          {"replicas", "레플리카 변동"},

	// How runs end.
	"ending.success": {"success", "성공"},
	"ending.failed":  {"failed", "실패"},
	"ending.stopped": {"stopped", "중지됨"},
	"ending.aborted": {"aborted", "중단됨"},
	"ending.none":    {"not ended", "끝나지 않음"},
	"ending.why":     {"{outcome}: {error}", "{outcome}({error})"},

	"process.poisson":  {"poisson", "푸아송"},
	"process.constant": {"constant", "일정 간격"},
	"process.gamma":    {"gamma", "감마"},
}
