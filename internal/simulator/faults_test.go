package simulator

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"vllm_prober/internal/golden"
)

// A request for four tokens, without the usage in each chunk: short bytes.
const (
	fourTokens     = `{"model":"simulated","prompt":[1,2,3],"max_tokens":4,"stream":true}`
	fourTokensChat = `{"model":"simulated","messages":[{"role":"user","content":"a few words"}],"max_tokens":4,"stream":true}`
)

func always(f Fault) Options {
	if f == NoFault {
		return Options{}
	}
	return Options{Faults: []FaultShare{{f, 1}}}
}

// provoke asks a replica with a fault for four tokens and reads what comes.
func provoke(t *testing.T, f Fault, path, body string) (all []read, ended bool) {
	t.Helper()
	onWire(t, always(f), func(_ *testing.T, _ *Replica, dial func() *wire) {
		w := dial()
		w.send("POST", path, body)
		all, ended = w.reads()
	})
	return all, ended
}

func TestFaultsOnTheWire(t *testing.T) {
	const nothing = 0
	tests := map[Fault]struct {
		status int    // nothing where no answer ever comes
		tokens int    // that come
		done   bool   // [DONE] comes
		ended  bool   // the server closes the connection
		whole  bool   // HTTP's own framing comes to its end
		has    string // in the body
	}{
		NoFault:         {200, 4, true, false, true, `"finish_reason":"length"`},
		Drop:            {nothing, 0, false, true, false, ""},
		BadRequest:      {400, 0, false, false, true, `"type":"BadRequestError","param":null,"code":400`},
		Unauthorized:    {401, 0, false, false, true, `{"error":"Unauthorized"}`},
		TooManyRequests: {429, 0, false, false, true, `"code":429`},
		InternalError:   {500, 0, false, false, true, `"type":"InternalServerError","param":null,"code":500`},
		Unavailable:     {503, 0, false, false, true, `"type":"Service Unavailable","param":null,"code":503`},
		StreamError:     {200, 2, true, false, true, `data: {"error":{"message":"a simulated failure within the stream"`},
		Cut:             {200, 2, false, true, false, ""},
		NoDone:          {200, 2, false, false, true, ""},
		Short:           {200, 2, true, false, true, `"finish_reason":"stop"`},
		HangHeaders:     {nothing, 0, false, false, false, ""},
		HangFirstToken:  {200, 0, false, false, false, ""},
		Stall:           {200, 2, false, false, false, ""},
		Trickle:         {200, 11, false, false, false, ""}, // one a second up to the tenth, after the half of four
		NotStreamed:     {200, 4, false, false, true, `"text":" token token token token"`},
		Garbage:         {200, 4, true, false, true, "data: {not json\n\n"},
		Wedged:          {200, 0, false, false, false, ""},
		Grouped:         {200, 4, true, false, true, `"text":" token token token"`},
		Coalesced:       {200, 4, true, false, true, ""},
		Split:           {200, 4, true, false, true, ""},
		CRLF:            {200, 4, true, false, true, "}\r\n\r\ndata: "},
		Comments:        {200, 4, true, false, true, ": still here\n\ndata: "},
		NoUsage:         {200, 4, true, false, true, ""},
		Reasoning:       {200, 4, true, false, true, ""},
	}
	for _, fault := range append(Faults(), NoFault) {
		want, ok := tests[fault]
		if !ok {
			t.Errorf("fault %q has no expectation", fault)
			continue
		}
		t.Run(string(fault), func(t *testing.T) {
			all, ended := provoke(t, fault, "/v1/completions", fourTokens)
			if ended != want.ended {
				t.Errorf("the server closed the connection: %v, want %v", ended, want.ended)
			}
			if want.status == nothing {
				if len(all) > 0 {
					t.Errorf("an answer came: %v", all)
				}
				return
			}
			status, body, whole := answered(t, all)
			tokens, done := strings.Count(body, " token"), strings.Contains(body, "data: [DONE]")
			if status != want.status || tokens != want.tokens || done != want.done || whole != want.whole {
				t.Errorf("status %d, %d tokens, [DONE] %v, whole %v; want %+v", status, tokens, done, whole, want)
			}
			if !strings.Contains(body, want.has) {
				t.Errorf("no %q in\n%s", want.has, body)
			}
		})
	}
}

// The bytes of every fault, read by read, as a client has them.
func TestTheBytesOfFaults(t *testing.T) {
	var text strings.Builder
	show := func(f Fault, path, body string) {
		fmt.Fprintf(&text, "== %s %s\n", cmp.Or(string(f), "no fault"), path)
		all, ended := provoke(t, f, path, body)
		for _, r := range all {
			fmt.Fprintf(&text, "%8.2f ms %s\n", milliseconds(r.after), strconv.Quote(brief(r.bytes)))
		}
		fmt.Fprintf(&text, "closed by the server: %v\n\n", ended)
	}
	for _, f := range append([]Fault{NoFault}, Faults()...) {
		if f == Split {
			continue // it has a test of its own, for its reads are many
		}
		show(f, "/v1/completions", fourTokens)
	}
	for _, f := range []Fault{NoFault, Reasoning, NoUsage, NotStreamed} {
		show(f, "/v1/chat/completions", fourTokensChat)
	}
	golden.Check(t, "faults.txt", strings.ReplaceAll(text.String(), `\"`, `"`))
}

// brief leaves out what is the same in each event and in each answer's header.
func brief(text string) string {
	text = regexp.MustCompile(`\{"id":"(\w+)-[^[]*"choices":\[`).ReplaceAllString(text, `{$1…[`)
	return regexp.MustCompile(`\r\nServer: .*\r\nVary: .*\r\nDate: .*\r\n`).ReplaceAllString(text, "\r\n…\r\n")
}

func TestSplitWritesAFewBytesAtATime(t *testing.T) {
	all, _ := provoke(t, Split, "/v1/completions", fourTokens)
	whole, _ := provoke(t, NoFault, "/v1/completions", fourTokens)
	for _, r := range all[1:] { // the first is the header
		if size, _, _ := strings.Cut(r.bytes, "\r\n"); size != "0" && size > "7" {
			t.Errorf("a write of %s bytes: %q", size, r.bytes)
		}
	}
	_, split, _ := answered(t, all)
	if _, text, _ := answered(t, whole); split != text {
		t.Errorf("together they are\n%s\nwant\n%s", split, text)
	}
}

// A wedged replica looks healthy to all but its clients.
func TestAWedgedReplicaLooksHealthy(t *testing.T) {
	onWire(t, always(Wedged), func(t *testing.T, r *Replica, dial func() *wire) {
		stuck := dial()
		stuck.send("POST", "/v1/completions", fourTokens)
		all, ended := stuck.reads()
		if status, body, _ := answered(t, all); status != 200 || body != "" || ended {
			t.Errorf("the request has status %d, body %q, and ended: %v", status, body, ended)
		}
		if response, _ := dial().ask("GET", "/health", ""); response.StatusCode != http.StatusOK {
			t.Errorf("/health answers %d", response.StatusCode)
		}
		if _, text := dial().ask("GET", "/metrics", ""); !strings.Contains(text, "vllm:num_requests_running{engine=\"0\",model_name=\"simulated\"} 1\n") ||
			!strings.Contains(text, "vllm:generation_tokens_total{engine=\"0\",model_name=\"simulated\"} 0\n") {
			t.Errorf("/metrics does not show one request that runs without a token:\n%s", text)
		}
		_ = stuck.Close()
		synctest.Wait()
		if got := r.Engine().State(); got != (State{}) {
			t.Errorf("after its client left: %+v", got)
		}
	})
}

// Usage in each chunk is what NoUsage leaves out.
func TestNoUsageLeavesUsageToTheLastChunk(t *testing.T) {
	body := strings.Replace(fourTokens, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}`, 1)
	for fault, want := range map[Fault]int{NoFault: 5, NoUsage: 1} {
		all, _ := provoke(t, fault, "/v1/completions", body)
		if _, text, _ := answered(t, all); strings.Count(text, `"usage":{`) != want {
			t.Errorf("%q: %d of the events have usage, want %d:\n%s", fault, strings.Count(text, `"usage":{`), want, text)
		}
	}
}

func TestFaultsBefallTheirShares(t *testing.T) {
	shares, err := ParseFaults([]string{"stall:0.1", "cut:0.3"})
	if err != nil {
		t.Fatal(err)
	}
	const rolls = 100_000
	count := func(seed uint64) map[Fault]int {
		counts, dice := map[Fault]int{}, newFaultDice(shares, seed)
		for range rolls {
			counts[dice.roll()]++
		}
		return counts
	}
	counts := count(1)
	for fault, share := range map[Fault]float64{Stall: 0.1, Cut: 0.3, NoFault: 0.6} {
		// Five standard deviations of a binomial count.
		if off := math.Abs(float64(counts[fault]) - share*rolls); off > 5*math.Sqrt(share*(1-share)*rolls) {
			t.Errorf("%q befell %d of %d, want a share of %g", fault, counts[fault], rolls, share)
		}
	}
	if again := count(1); !maps.Equal(again, counts) {
		t.Errorf("the same seed gives %v after %v", again, counts)
	}
	if other := count(2); maps.Equal(other, counts) {
		t.Errorf("another seed gives the same %v", other)
	}
}

func TestSetFaultsChangesWhatComes(t *testing.T) {
	onWire(t, Options{}, func(t *testing.T, r *Replica, dial func() *wire) {
		for _, want := range []int{200, 503, 200} {
			if response, _ := dial().ask("POST", "/v1/completions", fourTokens); response.StatusCode != want {
				t.Errorf("status %d, want %d", response.StatusCode, want)
			}
			if want == 200 {
				r.SetFaults(FaultShare{Unavailable, 1})
			} else {
				r.SetFaults()
			}
		}
	})
}

func TestParseFaults(t *testing.T) {
	tests := []struct {
		texts string
		want  []FaultShare
		err   string // how it begins
	}{
		{"", nil, ""},
		{"stall", []FaultShare{{Stall, 1}}, ""},
		{"stall:0.25 cut:0.75", []FaultShare{{Stall, 0.25}, {Cut, 0.75}}, ""},
		{"nope", nil, `"nope" is no fault; allowed: drop, http_400, `},
		{":0.5", nil, `"" is no fault; allowed: drop, `},
		{"stall:0", nil, `stall: "0" is no share; allowed: a number above 0 and up to 1`},
		{"stall:1.1", nil, `stall: "1.1" is no share; `},
		{"stall:-0.1", nil, `stall: "-0.1" is no share; `},
		{"stall:NaN", nil, `stall: "NaN" is no share; `},
		{"stall:", nil, `stall: "" is no share; `},
		{"stall cut:0.1", nil, `the shares of stall, cut:0.1 add up to 1.1; allowed: up to 1`},
		{"stall:0.6 stall:0.6", nil, `the shares of stall:0.6, stall:0.6 add up to 1.2; allowed: up to 1`},
	}
	for _, tt := range tests {
		got, err := ParseFaults(strings.Fields(tt.texts))
		if (err != nil) != (tt.err != "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
			t.Errorf("%q: %v, want %s", tt.texts, err, tt.err)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %v, want %v", tt.texts, got, tt.want)
		}
	}
	tenths := slices.Repeat([]string{"cut:0.1"}, 10) // which add up to a little less or more than 1
	if _, err := ParseFaults(tenths); err != nil {
		t.Errorf("ten tenths: %v", err)
	}
}
