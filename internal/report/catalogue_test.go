package report

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/config"
	"vllm_prober/internal/document"
	"vllm_prober/internal/results"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// allCodes are those that have words, by the areas of these.
func allCodes() map[string][]string {
	all := map[string][]string{
		"process":   {string(config.Poisson), string(config.Constant), string(config.Gamma)},
		"saturated": {string(prober.Saturated), string(prober.Unsaturated), string(prober.Undetermined)},
		"verdict":   {string(prober.Saturated), string(prober.Unsaturated), string(prober.Undetermined)},
		"method":    {"", string(stats.Pairs), string(stats.Repeats), string(stats.Former), string(stats.Within)},
	}
	for _, x := range prober.Outcomes() {
		all["outcome"] = append(all["outcome"], string(x))
	}
	for _, x := range prober.Promises() {
		all["promise"] = append(all["promise"], string(x))
	}
	for _, x := range prober.RunOutcomes() {
		all["ending"] = append(all["ending"], string(x))
	}
	for _, x := range prober.InForceVerdicts() {
		all["verdict"] = append(all["verdict"], string(x))
	}
	for _, x := range compare.Metrics() {
		all["metric"] = append(all["metric"], string(x))
	}
	for _, x := range compare.ReasonCodes() {
		all["reason"] = append(all["reason"], string(x))
	}
	for _, x := range stats.Words() {
		if x != stats.NoDifference { // of which the word says how large one may be
			all["word"] = append(all["word"], string(x))
		}
	}
	return all
}

// All texts are there in both languages, speak of the same values, and are used.
func TestCatalogue(t *testing.T) {
	if n := len(ruleTexts) + len(tableTexts) + len(comparisonTexts) + len(stepTexts); n != len(catalogue) {
		t.Errorf("%d texts have %d names", n, len(catalogue))
	}
	var source []byte
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasPrefix(file, "catalogue") && !strings.HasSuffix(file, "_test.go") {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source = append(source, text...)
		}
	}
	codes := allCodes()
	for key, m := range catalogue {
		if m.en == "" || m.ko == "" {
			t.Errorf("%s: %+v", key, m)
		}
		en, ko := inBraces.FindAllString(m.en, -1), inBraces.FindAllString(m.ko, -1)
		slices.Sort(en)
		slices.Sort(ko)
		if !slices.Equal(slices.Compact(en), slices.Compact(ko)) {
			t.Errorf("%s: of %v in English, of %v in Korean", key, en, ko)
		}
		if words := plainEnglish(m.ko); len(words) > 0 {
			t.Errorf("%s: %q in the Korean %s", key, words, m.ko)
		}
		if found := soundingParticle.FindString(m.ko); found != "" {
			t.Errorf("%s: the particle of %s depends on how what is inserted sounds", key, found)
		}
		area, name, _ := strings.Cut(key, ".")
		quoted := func(text string) bool { return bytes.Contains(source, fmt.Appendf(nil, "%q", text)) }
		used := quoted(key) || slices.Contains(codes[area], name) ||
			slices.Contains([]string{"head", "column"}, area) && quoted(name) ||
			area == "finding" && slices.Contains([]string{string(compare.VLLMBench), string(compare.Guidellm)}, name) ||
			area == "ran" && slices.Contains(codes["verdict"], name)
		if !used {
			t.Errorf("nothing uses %s", key)
		}
	}
	for area, names := range codes {
		for _, name := range names {
			if _, known := catalogue[area+"."+name]; !known {
				t.Errorf("no words for %s.%s", area, name)
			}
		}
	}
}

// soundingParticle is a name or a number that has such a particle after it. Figures that
// end with a unit sound alike.
var soundingParticle = regexp.MustCompile(`\{(arms?|base|other|what|reason|detail|rates?|size|ran|value|times|run|others|side|metric|latency|outcome|promise|n|of)\}` +
	`(은|는|이|가|을|를|과|와|으로|로)([^가-힣]|$)`)

var (
	latin  = regexp.MustCompile(`[A-Za-z0-9_.:/-]*[A-Za-z][A-Za-z0-9_.:/-]*`)
	quotes = regexp.MustCompile(`“[^”]*”`)
	// technical is what Korean has no other words for, and names that tests give.
	technical = strings.Fields(`TTFT TPOT ITL E2E SLO GPU CPU KV HTTP TLS URL vLLM vllm_prober guidellm ms s J W FILE completions`)
)

// plainEnglish are the English words of a text, without quotes, values in braces,
// technical terms and identifiers, which hold a digit or a sign.
func plainEnglish(text string, names ...string) (words []string) {
	text = quotes.ReplaceAllString(inBraces.ReplaceAllString(text, ""), "")
	text = strings.ReplaceAll(text, "vllm bench serve", "")
	for _, word := range latin.FindAllString(text, -1) {
		word = strings.Trim(word, ".:/-")
		if !strings.ContainsAny(word, "0123456789_./:") && !slices.Contains(technical, word) && !slices.Contains(names, word) {
			words = append(words, word)
		}
	}
	return words
}

func TestPlainEnglish(t *testing.T) {
	for text, want := range map[string]string{
		"초당 {rate}건에서 SLO를 지킴: “it is a quote”, sw_power_cap, 1m23.2s, p99, http://a:8000": "",
		"TTFT 평균이 saturated, no.":           "saturated no",
		"vllm bench serve처럼, 120 ms not ok": "not ok",
	} {
		if got := strings.Join(plainEnglish(text), " "); got != want {
			t.Errorf("%q of %q, want %q", got, text, want)
		}
	}
}

var (
	notRead    = regexp.MustCompile(`(?s)<(style|script|pre|small)\b.*?</(style|script|pre|small)>`) // small is the evidence
	attributes = regexp.MustCompile(`(?:aria-label|alt|title|content)="([^"]*)"`)
	tags       = regexp.MustCompile(`<[^>]*>`)
)

// checkKorean looks at all that a reader of the HTML sees or hears but code and evidence.
func checkKorean(t *testing.T, doc *document.Document) {
	t.Helper()
	page, err := doc.HTML()
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(page), "<body>")
	body = notRead.ReplaceAllString(body, " ")
	for _, found := range attributes.FindAllStringSubmatch(body, -1) {
		body += "<br>" + found[1]
	}
	for _, text := range tags.Split(body, -1) {
		text = html.UnescapeString(text)
		if words := plainEnglish(text, "a", "b", "m", "p", "r", "bs", "plain", "simulated", "ladder", "x", "bench"); len(words) > 0 {
			t.Errorf("%q in %q", words, text)
		}
	}
}

// The report of a run that has something of everything is in Korean throughout.
func TestAKoreanReportIsKorean(t *testing.T) {
	r := result()
	record := &results.Record{}
	record.Run, record.EndedAt, record.Outcome, record.Err, record.Models = r.Run, r.EndedAt, prober.RunAborted, "cut by somebody", r.Models
	record.Answers, record.Comparison = r.Answers, r.Comparison
	for i, s := range r.Results {
		s.Number = i + 1
		if i == 0 {
			s.Reconciliation = &prober.Reconciliation{Verdict: prober.SeveralReplicas, Detail: "its counts went up and down"}
		}
		record.Steps = append(record.Steps, results.Step{StepResult: s})
	}
	again := record.Steps[len(record.Steps)-1].StepResult
	again.Guard, again.Broken, again.Repeated = nil, nil, true
	again.Latencies = r.Results[0].Latencies
	restarted := made(single, 30, unknown, broken(prober.PromiseNoRestart, prober.PromiseInFlightCap), func(s *prober.StepResult) { s.Number = 99 })
	record.Steps = append(record.Steps, results.Step{StepResult: again}, results.Step{StepResult: restarted})
	for _, r := range []*results.Record{record, withSLO(t, record), demoRecord(t)} {
		former := map[string][]*results.Record{r.ID: {recorded(made(single, 10, no), made(r.Steps[0].Arm, 10, no))}}
		checkKorean(t, Since([]*results.Record{r}, former, Korean))
	}
	checkKorean(t, Of([]*results.Record{record, demoRecord(t)}, Korean))
}

// Each reason and each finding is Korean in Korean.
func TestReasonsAndFindingsInWords(t *testing.T) {
	ko := speaker{language: Korean}
	for _, code := range compare.ReasonCodes() {
		r := compare.Reason{Code: code, Count: 7}
		if en := english.reason(r); en == "" || strings.Contains(en, "{") || strings.Contains(en, "<nil>") {
			t.Errorf("%s: %q", code, en)
		}
		if words := plainEnglish(ko.reason(r)); len(words) > 0 {
			t.Errorf("%s: %q in %q", code, words, ko.reason(r))
		}
	}
	if got, want := english.reason(compare.Reason{Code: compare.RateNotHeld, Run: "g.json", Rate: 20, Actual: 51.54}), "g.json: the tool was to send 20 requests a second and sent 51.5"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := english.reason(compare.Reason{Code: compare.NoSearch, Run: "r"}), "run r ended before its search had found this"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, c := range []struct {
		finding compare.Finding
		want    string
	}{
		{
			compare.Finding{Kind: compare.NotInForce, RequestRate: 10, Detail: compare.ByReplicas{BatchSize: 16}},
			"batch size 16 was not in force at 10 req/s: the replicas ran another number of requests",
		},
		{
			compare.Finding{Kind: compare.NotInForce, RequestRate: 10, Detail: compare.ByLittle{BatchSize: 16, Throughput: 10, Seconds: 2, Running: 20, Slots: 16}},
			"batch size 16 was not in force at 10 req/s: 10 requests a second, each of which had tokens coming for 2 s, are 20 that ran at once, and it lets 16",
		},
		{
			compare.Finding{Kind: compare.Impossible, RequestRate: 20, Detail: compare.Contradiction{
				BatchSize: 16, Slots: 16, CalmRate: 10, Throughput: 9.2, Longest: 1.739, Tokens: 43, Requests: 150.3, Lasted: 11.05, MostWait: 1.765, Wait: 6.714,
			}},
			"batch size 16 cannot have been in force: with 16 slots and 9.2 requests a second at 10 req/s, a request took 1.74 s at most, which is 43 tokens; " +
				"then the drain makes it a run of about 150 requests, which at 20 req/s lasts 11.1 s, with a mean wait of 1.76 s at most, and 6.71 s were reported",
		},
		{
			compare.Finding{Kind: compare.DrainArtefact, RequestRate: 10, To: 60, Detail: compare.Drained{
				First: 0.008342, Last: 0.01272, Grew: 1.5248, TimeGrew: 1.655, Throughput: 34.03,
			}},
			"the throughput counts the time in which the last requests drained: what it lacks grew 1.52-fold from 10 to 60 req/s, 8.34 ms to 12.7 ms for each request, " +
				"while the time that a request takes grew 1.66-fold; so the server probably kept up, and 34.03 at 60 req/s is neither its limit nor a measure of how it scales",
		},
		{
			compare.Finding{Kind: compare.DidNotBind, Detail: compare.NoSlotWanted{Base: "a", Other: "b"}},
			"the batch sizes differ, but at none of these request rates did requests wait for a slot: what differs here between a and b is not for want of slots",
		},
		{
			compare.Finding{Kind: compare.WarmUp, RequestRate: 10, Detail: compare.StillWarming{Seconds: 4, Latency: "TTFT", By: 0.2}},
			"the warm-up at 10 req/s really ended 4 s into the windows: until then TTFT was 20% more than later; a longer ladder.warmup leaves that out",
		},
		{
			compare.Finding{Kind: compare.WarmUp, RequestRate: 10, Detail: compare.StillWarming{Seconds: 4, Latency: "TPOT", By: -0.125}},
			"the warm-up at 10 req/s really ended 4 s into the windows: until then TPOT was 12.5% less than later; a longer ladder.warmup leaves that out",
		},
		{
			compare.Finding{Kind: compare.Differ, Detail: compare.Differing{Run: "a", Others: []string{"b", "c"}, Keys: []string{"slo", "workload"}}},
			"the definitions of a and b, c differ in slo and workload: what is compared is not the same",
		},
		{
			compare.Finding{Kind: compare.Foreign, Detail: compare.OtherTool{Tool: compare.VLLMBench}},
			"vllm bench serve counts the time in which the last requests drain as time, so that its throughput falls short; it has no window, " +
				"so that its first requests meet an empty server and its last an emptying one; and its latencies begin when a request is sent, not when it was intended",
		},
		{
			compare.Finding{Kind: compare.Foreign, Detail: compare.OtherTool{Tool: compare.Guidellm}},
			"guidellm counts the time in which its first requests fill the server and its last drain as time, unless it is told a warm-up and a cooldown, so that its throughput falls short; " +
				"and its latencies begin when a request is sent, not when it was intended",
		},
		{
			compare.Finding{Kind: compare.Foreign, RequestRate: 20, Detail: compare.InFlightLimit{File: "a", Requests: 64}},
			"a had at most 64 requests in flight at 20 req/s: while these are slow it asks for less, and what the others waited for their turn is in no latency",
		},
		{
			compare.Finding{Kind: compare.Foreign, RequestRate: 20, Detail: compare.FailedRequests{File: "a", Requests: 3}},
			"3 requests of a at 20 req/s failed or were cut; its latencies are of the others",
		},
		{
			compare.Finding{Kind: compare.Foreign, Detail: compare.WeightedByTokens{File: "a"}},
			"a does not hold just the requests that its figures are of: its time between tokens, which stands for TPOT, may count an answer by its tokens",
		},
	} {
		if got := english.detail(c.finding); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
		if words := plainEnglish(ko.detail(c.finding), "a", "b", "c", "slo", "workload"); len(words) > 0 {
			t.Errorf("%q in %s", words, ko.detail(c.finding))
		}
	}
}
