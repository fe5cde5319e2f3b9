package workload

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vllm_prober/internal/config"
)

// body is a request's JSON as vLLM reads it.
type body struct {
	Model         string          `json:"model"`
	Prompt        json.RawMessage `json:"prompt"`
	Messages      []message       `json:"messages"`
	MaxTokens     int             `json:"max_tokens"`
	MinTokens     int             `json:"min_tokens"`
	IgnoreEOS     bool            `json:"ignore_eos"`
	Stream        bool            `json:"stream"`
	StreamOptions map[string]bool `json:"stream_options"`
	CacheSalt     string          `json:"cache_salt"`
	Temperature   *float64        `json:"temperature"`
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func parse(t *testing.T, r Request) body {
	t.Helper()
	var b body
	if err := json.Unmarshal(r.Body, &b); err != nil {
		t.Fatalf("%v: %s", err, r.Body)
	}
	return b
}

func (b body) ids(t *testing.T) []int {
	t.Helper()
	var ids []int
	if err := json.Unmarshal(b.Prompt, &ids); err != nil {
		t.Fatalf("the prompt is no list of token ids: %s", b.Prompt)
	}
	return ids
}

func generator(t *testing.T, w config.Workload, step string, seed uint64) *Generator {
	t.Helper()
	g, err := New(w, "m", step, seed)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func fixed(n int) config.Length { return config.Length{Fixed: n} }

func uniform(least, most int) config.Length {
	return config.Length{Uniform: &config.UniformTokens{Min: least, Max: most}}
}

func TestCompletions(t *testing.T) {
	w := config.Workload{Endpoint: config.Completions, PromptTokens: uniform(1, 300), OutputTokens: uniform(1, 50)}
	g := generator(t, w, "step", 1)
	for range 500 {
		r := g.Next()
		b := parse(t, r)
		ids := b.ids(t)
		if r.Path != "/v1/completions" || b.Messages != nil || b.Model != "m" || !b.Stream {
			t.Fatalf("%s %s", r.Path, r.Body)
		}
		if len(ids) != r.PromptTokens || len(ids) < 1 || len(ids) > 300 {
			t.Errorf("the prompt has %d tokens, promised are %d of 1 to 300", len(ids), r.PromptTokens)
		}
		if n := r.OutputTokens; b.MaxTokens != n || b.MinTokens != n || n < 1 || n > 50 || !b.IgnoreEOS || !r.ExactOutput {
			t.Errorf("%d to %d output tokens are asked for, promised are %d: %s", b.MinTokens, b.MaxTokens, n, r.Body)
		}
		if slices.Min(ids) < 1000 || slices.Max(ids) >= 4000 {
			t.Errorf("token ids lie from %d to %d", slices.Min(ids), slices.Max(ids))
		}
		if want := map[string]bool{"include_usage": true, "continuous_usage_stats": true}; !reflect.DeepEqual(b.StreamOptions, want) {
			t.Errorf("stream_options are %v", b.StreamOptions)
		}
		if b.Temperature == nil || *b.Temperature != 0 {
			t.Errorf("the temperature is not 0: %s", r.Body)
		}
	}
}

func TestChat(t *testing.T) {
	w := config.Workload{Endpoint: config.Chat, PromptTokens: uniform(1, 300), OutputTokens: fixed(5)}
	g := generator(t, w, "step", 1)
	lengths := map[int]bool{}
	for range 500 {
		r := g.Next()
		b := parse(t, r)
		if r.Path != "/v1/chat/completions" || b.Prompt != nil || len(b.Messages) != 1 || b.Messages[0].Role != "user" {
			t.Fatalf("%s %s", r.Path, r.Body)
		}
		if r.PromptTokens != 0 {
			t.Errorf("%d prompt tokens are promised of text", r.PromptTokens)
		}
		n := len(strings.Fields(b.Messages[0].Content))
		if n < 1 || n > 300 {
			t.Errorf("the prompt has %d words", n)
		}
		lengths[n] = true
	}
	if len(lengths) < 200 { // of 300 lengths, 500 draws miss about 57
		t.Errorf("there are %d lengths", len(lengths))
	}
}

func TestWordsAreShortAndDifferent(t *testing.T) {
	seen := map[string]bool{}
	for _, word := range words {
		if seen[word] || len(word) > 12 || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%q is there twice, long, or no word", word)
		}
		seen[word] = true
	}
	if len(seen) < 150 {
		t.Errorf("there are %d words", len(seen))
	}
}

var endpoints = []config.Endpoint{config.Completions, config.Chat}

func TestNoTwoPromptsAreAlike(t *testing.T) {
	for _, endpoint := range endpoints {
		w := config.Workload{Endpoint: endpoint, PromptTokens: fixed(16), OutputTokens: fixed(1)}
		salts, prompts := map[string]bool{}, map[string]bool{}
		const steps, requests = 4, 500
		for step := range steps {
			g := generator(t, w, fmt.Sprintf("run-%d", step), uint64(step))
			for range requests {
				b := parse(t, g.Next())
				salts[b.CacheSalt] = true
				prompts[fmt.Sprint(string(b.Prompt), b.Messages)] = true
			}
		}
		if len(salts) != steps*requests || len(prompts) != steps*requests {
			t.Errorf("%s: %d requests have %d cache salts and %d prompts", endpoint, steps*requests, len(salts), len(prompts))
		}
	}
}

// The same seed gives the same prompts to every step, and the salt alone keeps
// one step's out of another's way.
func TestTheSeedMakesLengthsAndPrompts(t *testing.T) {
	for _, endpoint := range endpoints {
		w := config.Workload{Endpoint: endpoint, PromptTokens: uniform(20, 60), OutputTokens: uniform(1, 1000)}
		a, same := generator(t, w, "run-1", 7), generator(t, w, "run-1", 7)
		next, other := generator(t, w, "run-2", 7), generator(t, w, "run-1", 8)
		for range 100 {
			r := a.Next()
			if again := same.Next(); !reflect.DeepEqual(again, r) {
				t.Fatalf("%s: the same seed gives\n%s\nand\n%s", endpoint, r.Body, again.Body)
			}
			b, c := parse(t, r), parse(t, next.Next())
			if b.CacheSalt == c.CacheSalt {
				t.Errorf("two steps share the salt %q", b.CacheSalt)
			}
			c.CacheSalt = b.CacheSalt
			if !reflect.DeepEqual(b, c) {
				t.Errorf("%s: another step asks\n%+v\ninstead of\n%+v", endpoint, c, b)
			}
			if d := parse(t, other.Next()); reflect.DeepEqual(d.Prompt, b.Prompt) && reflect.DeepEqual(d.Messages, b.Messages) {
				t.Errorf("%s: another seed asks the same: %+v", endpoint, d)
			}
		}
	}
}

// start and rest are a prompt's first n tokens or words, and those after them.
func startAndRest(t *testing.T, b body, n int) (start, rest string) {
	t.Helper()
	if b.Prompt != nil {
		ids := b.ids(t)
		return fmt.Sprint(ids[:n]), fmt.Sprint(ids[n:])
	}
	words := strings.Fields(b.Messages[0].Content)
	return strings.Join(words[:n], " "), strings.Join(words[n:], " ")
}

func TestASharedPrefixIsSharedAndNothingElse(t *testing.T) {
	for _, endpoint := range endpoints {
		w := config.Workload{Endpoint: endpoint, PromptTokens: uniform(50, 90), OutputTokens: fixed(1), SharedPrefixTokens: 40}
		starts, rests, salts := map[string]bool{}, map[string]bool{}, map[string]bool{}
		const requests = 100
		asked := 0
		// The same step of two seeds, and two steps of the same seed.
		for _, from := range []struct {
			step string
			seed uint64
		}{{"run-1", 1}, {"run-1", 2}, {"run-2", 2}} {
			g := generator(t, w, from.step, from.seed)
			for range requests {
				b := parse(t, g.Next())
				start, rest := startAndRest(t, b, 40)
				if n := 40 + len(strings.Fields(rest)); n < 50 || n > 90 {
					t.Errorf("%s: the prompt has the length %d", endpoint, n)
				}
				starts[start], rests[rest], salts[b.CacheSalt] = true, true, true
				asked++
			}
		}
		if len(starts) != 1 || len(salts) != 1 {
			t.Errorf("%s: there are %d prefixes and %d cache salts", endpoint, len(starts), len(salts))
		}
		if len(rests) != asked {
			t.Errorf("%s: after the prefix, %d requests have %d continuations: some would be found in the cache", endpoint, asked, len(rests))
		}
	}
}

// All arms of a run get the same lengths, with a shared prefix too.
func TestASharedPrefixLeavesTheLengthsToTheSeed(t *testing.T) {
	w := config.Workload{Endpoint: config.Completions, PromptTokens: uniform(50, 900), OutputTokens: uniform(1, 900), SharedPrefixTokens: 40}
	a, b := generator(t, w, "run-1", 3), generator(t, w, "run-2", 3)
	for range 100 {
		x, y := a.Next(), b.Next()
		if x.PromptTokens != y.PromptTokens || x.OutputTokens != y.OutputTokens {
			t.Errorf("lengths are %d and %d in one step, %d and %d in the other", x.PromptTokens, x.OutputTokens, y.PromptTokens, y.OutputTokens)
		}
	}
}

func TestExtraBody(t *testing.T) {
	w := config.Workload{
		Endpoint: config.Completions, PromptTokens: fixed(3), OutputTokens: fixed(2),
		ExtraBody: config.JSONObject{"temperature": 0.7, "stop": []any{"\n\n"}, "vllm_xargs": config.JSONObject{"a": nil}},
	}
	var got map[string]any
	if err := json.Unmarshal(generator(t, w, "s", 1).Next().Body, &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"temperature": 0.7, "stop": []any{"\n\n"}, "vllm_xargs": map[string]any{"a": nil}, "max_tokens": 2.0,
	} {
		if !reflect.DeepEqual(got[key], want) {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	w.ExtraBody = config.JSONObject{"x": func() {}}
	if _, err := New(w, "m", "s", 1); err == nil || !strings.Contains(err.Error(), "extra_body") {
		t.Errorf("the error is %v", err)
	}
}

// The priority is sent where there is one: a vLLM without priorities refuses all
// but 0.
func TestPriority(t *testing.T) {
	for priority, want := range map[int]any{0: nil, 10: 10.0, -1: -1.0} {
		w := config.Workload{Endpoint: config.Chat, PromptTokens: fixed(3), OutputTokens: fixed(2), Priority: priority}
		var got map[string]any
		if err := json.Unmarshal(generator(t, w, "s", 1).Next().Body, &got); err != nil {
			t.Fatal(err)
		}
		if got["priority"] != want {
			t.Errorf("of priority %d %v is sent", priority, got["priority"])
		}
	}
}

func TestTheModelIsNamedAsItIs(t *testing.T) {
	const name = `org/"llama" \ 3 <é>`
	g, err := New(config.Workload{Endpoint: config.Chat, PromptTokens: fixed(1), OutputTokens: fixed(1)}, name, "s", 1)
	if err != nil {
		t.Fatal(err)
	}
	if b := parse(t, g.Next()); b.Model != name {
		t.Errorf("the model is %q", b.Model)
	}
}

func TestMaxTokensOfMadePrompts(t *testing.T) {
	lognormal := config.Length{Lognormal: &config.LognormalTokens{Median: 10, Sigma: 1, Min: 1, Max: 77}}
	for name, c := range map[string]struct {
		workload       config.Workload
		prompt, output int
	}{
		"fixed":     {config.Workload{Endpoint: config.Completions, PromptTokens: fixed(5), OutputTokens: fixed(6)}, 5, 6},
		"uniform":   {config.Workload{Endpoint: config.Completions, PromptTokens: uniform(5, 50), OutputTokens: uniform(6, 60)}, 50, 60},
		"lognormal": {config.Workload{Endpoint: config.Completions, PromptTokens: lognormal, OutputTokens: lognormal}, 77, 77},
		"chat":      {config.Workload{Endpoint: config.Chat, PromptTokens: fixed(5), OutputTokens: fixed(6)}, 0, 6},
	} {
		g := generator(t, c.workload, "s", 1)
		if prompt, output := g.MaxTokens(); prompt != c.prompt || output != c.output {
			t.Errorf("%s: %d and %d, want %d and %d", name, prompt, output, c.prompt, c.output)
		}
		for range 200 {
			if r := g.Next(); r.PromptTokens > c.prompt || r.OutputTokens > c.output {
				t.Errorf("%s: %d and %d are asked for, which is more than %d and %d", name, r.PromptTokens, r.OutputTokens, c.prompt, c.output)
			}
		}
	}
}
