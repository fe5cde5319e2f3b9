package workload

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"vllm_prober/internal/config"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// said are the requests of one round through a file, by what they ask.
func said(t *testing.T, w config.Workload, n int) map[string]Request {
	t.Helper()
	g := generator(t, w, "s", 1)
	found := map[string]Request{}
	for range n {
		r := g.Next()
		b := parse(t, r)
		text := string(b.Prompt)
		if b.Prompt == nil {
			text = fmt.Sprint(b.Messages)
		}
		found[text] = r
	}
	if len(found) != n {
		t.Errorf("%d prompts are asked in the first %d requests: each should come once", len(found), n)
	}
	return found
}

func TestATextFileHasAPromptALine(t *testing.T) {
	path := write(t, "prompts.txt", "Say \"hello\".\n\n  Zähle bis zehn.\t\r\n   \n<b> & more")
	w := config.Workload{Endpoint: config.Completions, PromptsFile: path, OutputTokens: fixed(9)}
	found := said(t, w, 3)
	for _, want := range []string{`Say "hello".`, "Zähle bis zehn.", "<b> & more"} {
		at := slices.IndexFunc(slices.Collect(keys(found)), func(raw string) bool {
			var text string
			return json.Unmarshal([]byte(raw), &text) == nil && text == want
		})
		if at < 0 {
			t.Errorf("%q is not asked: %v", want, found)
		}
	}
	for _, r := range found {
		if r.PromptTokens != 0 || r.OutputTokens != 9 || !r.ExactOutput || r.Path != "/v1/completions" {
			t.Errorf("asked is %+v", r)
		}
	}

	w.Endpoint = config.Chat
	if _, ok := said(t, w, 3)["[{user Zähle bis zehn.}]"]; !ok {
		t.Error("the prompt is not asked in chat")
	}
}

func keys(m map[string]Request) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

func TestAJSONFileHasAnObjectALine(t *testing.T) {
	path := write(t, "prompts.JSONL", `{"prompt": "a", "output_tokens": 3}
{"prompt": [5, 6, 7]}

{"prompt": "b"}
`)
	found := said(t, config.Workload{Endpoint: config.Completions, PromptsFile: path, OutputTokens: fixed(9)}, 3)
	for raw, want := range map[string]Request{
		`"a"`:       {PromptTokens: 0, OutputTokens: 3},
		`[5, 6, 7]`: {PromptTokens: 3, OutputTokens: 9},
		`"b"`:       {PromptTokens: 0, OutputTokens: 9},
	} {
		got, ok := found[raw]
		if !ok || got.PromptTokens != want.PromptTokens || got.OutputTokens != want.OutputTokens {
			t.Errorf("for %s asked is %+v", raw, got)
		}
		if b := parse(t, got); b.MaxTokens != want.OutputTokens || b.MinTokens != want.OutputTokens {
			t.Errorf("for %s the body is %s", raw, got.Body)
		}
	}

	path = write(t, "chat.jsonl", `{"prompt": "a"}
{"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "y"}]}], "output_tokens": 2}
`)
	g := generator(t, config.Workload{Endpoint: config.Chat, PromptsFile: path, OutputTokens: fixed(9)}, "s", 1)
	bodies := string(g.Next().Body) + string(g.Next().Body)
	for _, want := range []string{
		`"messages":[{"content":"a","role":"user"}]`,
		`"messages":[{"role": "system", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "y"}]}],"max_tokens":2`,
	} {
		if !strings.Contains(bodies, want) {
			t.Errorf("%s is not in %s", want, bodies)
		}
	}
}

// Every prompt comes once before any comes again, in the order that the seed
// says, and never with the same salt.
func TestPromptsOfAFileComeAgain(t *testing.T) {
	var text strings.Builder
	const n = 20
	for i := range n {
		fmt.Fprintf(&text, "prompt %d\n", i)
	}
	w := config.Workload{Endpoint: config.Completions, PromptsFile: write(t, "p.txt", text.String()), OutputTokens: fixed(1)}
	order := func(seed uint64, salts map[string]bool) (asked []string) {
		g := generator(t, w, "s", seed)
		for range 2 * n {
			b := parse(t, g.Next())
			salts[b.CacheSalt] = true
			asked = append(asked, string(b.Prompt))
		}
		return asked
	}
	salts := map[string]bool{}
	asked := order(1, salts)
	if len(salts) != 2*n {
		t.Errorf("%d requests have %d salts", 2*n, len(salts))
	}
	if !slices.Equal(asked[:n], asked[n:]) || len(slices.Compact(slices.Sorted(slices.Values(asked[:n])))) != n {
		t.Errorf("asked is %v", asked)
	}
	if !slices.Equal(asked, order(1, salts)) || slices.Equal(asked, order(2, salts)) || slices.IsSorted(asked[:n]) {
		t.Error("the order does not follow from the seed")
	}
}

func TestMaxTokensOfAFile(t *testing.T) {
	for name, c := range map[string]struct {
		text           string
		prompt, output int
	}{
		"texts":                        {`{"prompt": "a"}`, 0, 9},
		"an answer longer than others": {`{"prompt": "a", "output_tokens": 50}` + "\n" + `{"prompt": "a"}`, 0, 50},
		"all answers shorter":          {`{"prompt": "a", "output_tokens": 5}`, 0, 5},
		// 3 + 9 tokens are the most at once, though 20 are answered elsewhere.
		"the longest together": {`{"prompt": [1, 2], "output_tokens": 8}` + "\n" + `{"prompt": [1, 2, 3]}` + "\n" + `{"prompt": [1], "output_tokens": 10}`, 3, 9},
	} {
		w := config.Workload{Endpoint: config.Completions, PromptsFile: write(t, "p.jsonl", c.text), OutputTokens: uniform(1, 9)}
		if prompt, output := generator(t, w, "s", 1).MaxTokens(); prompt != c.prompt || output != c.output {
			t.Errorf("%s: %d and %d, want %d and %d", name, prompt, output, c.prompt, c.output)
		}
	}
}

func TestMistakesInAFileOfPrompts(t *testing.T) {
	const shape = `not an object with "prompt" or "messages", and perhaps "output_tokens": `
	for _, c := range []struct {
		endpoint   config.Endpoint
		file, text string
		want       string // after the path
	}{
		{config.Completions, "p.txt", "", " holds no prompt"},
		{config.Completions, "p.txt", "\n \n\t\n", " holds no prompt"},
		{config.Completions, "p.txt", "a\n\nb\xff\n", ":3: the line has bytes that are no UTF-8"},
		{config.Completions, "p.jsonl", "{\"prompt\": \"a\xff\"}", ":1: the line has bytes that are no UTF-8"},
		{config.Completions, "p.jsonl", "{\"prompt\": \"a\"}\nb\n", ":2: " + shape + "invalid character 'b' looking for beginning of value"},
		{config.Completions, "p.jsonl", "\n{\"prompt\": ", ":2: " + shape + "unexpected EOF"},
		{config.Completions, "p.jsonl", `["a"]`, ":1: " + shape + "it is a JSON array"},
		{config.Completions, "p.jsonl", `{"prompt": "a"} {"prompt": "b"}`, ":1: " + shape + "more follows the object"},
		{config.Completions, "p.jsonl", `{"prompt": "a"}]`, ":1: " + shape + "more follows the object"},
		{config.Completions, "p.jsonl", `{"prompt": "a", "max_tokens": 5}`, ":1: " + shape + `json: unknown field "max_tokens"`},
		{config.Completions, "p.jsonl", `{"prompt": "a", "output_tokens": "5"}`, ":1: " + shape + `"output_tokens" is a JSON string`},
		{config.Completions, "p.jsonl", `{"prompt": "a", "output_tokens": 1.5}`, ":1: " + shape + `"output_tokens" is a JSON number 1.5`},
		{config.Completions, "p.jsonl", `{"prompt": "a", "output_tokens": 0}`, `:1: "output_tokens" is 0, allowed is 1 to 10000000`},
		{config.Completions, "p.jsonl", `{"prompt": "a", "output_tokens": 10000001}`, `:1: "output_tokens" is 10000001, allowed is 1 to 10000000`},
		{config.Completions, "p.jsonl", `null`, `:1: one of "prompt" and "messages" is needed`},
		{config.Completions, "p.jsonl", `{"output_tokens": 5}`, `:1: one of "prompt" and "messages" is needed`},
		{config.Chat, "p.jsonl", `{"prompt": "a", "messages": [{"role": "user"}]}`, `:1: one of "prompt" and "messages" is needed`},
		{config.Completions, "p.jsonl", `{"messages": [{"role": "user", "content": "a"}]}`, `:1: "messages" are for endpoint: chat`},
		{config.Chat, "p.jsonl", `{"messages": "a"}`, `:1: "messages" are no list of messages, or are empty`},
		{config.Chat, "p.jsonl", `{"messages": []}`, `:1: "messages" are no list of messages, or are empty`},
		{config.Chat, "p.jsonl", `{"messages": null}`, `:1: "messages" are no list of messages, or are empty`},
		{config.Chat, "p.jsonl", `{"messages": [{"role": "user"}, {"content": "a"}]}`, `:1: one of "messages" has no "role"`},
		{config.Chat, "p.jsonl", `{"prompt": [1]}`, ":1: a prompt of token ids is for endpoint: completions"},
		{config.Completions, "p.jsonl", `{"prompt": ""}`, `:1: "prompt" is neither a text nor a list of token ids, or is empty`},
		{config.Completions, "p.jsonl", `{"prompt": null}`, `:1: "prompt" is neither a text nor a list of token ids, or is empty`},
		{config.Completions, "p.jsonl", `{"prompt": []}`, `:1: "prompt" is neither a text nor a list of token ids, or is empty`},
		{config.Completions, "p.jsonl", `{"prompt": ["a", "b"]}`, `:1: "prompt" is neither a text nor a list of token ids, or is empty`},
		{config.Completions, "p.jsonl", `{"prompt": [1, null]}`, `:1: "prompt" is neither a text nor a list of token ids, or is empty`},
		{config.Completions, "p.jsonl", `{"prompt": [1, -1]}`, `:1: "prompt" is neither a text nor a list of token ids, or is empty`},
		{config.Completions, "p.jsonl", `{"prompt": [1.5]}`, `:1: "prompt" is neither a text nor a list of token ids, or is empty`},
	} {
		path := write(t, c.file, c.text)
		_, err := New(config.Workload{Endpoint: c.endpoint, PromptsFile: path, OutputTokens: fixed(1)}, "m", "s", 1)
		if want := "prompts_file " + path + c.want; err == nil || err.Error() != want {
			t.Errorf("for %q the error is\n%v\nwant\n%s", c.text, err, want)
		}
	}
	_, err := New(config.Workload{PromptsFile: "missing.txt"}, "m", "s", 1)
	if err == nil || !strings.Contains(err.Error(), "reading prompts_file: open missing.txt") {
		t.Errorf("the error is %v", err)
	}
}

// Whatever a file of prompts holds, its requests are JSON that asks what the file
// says, or the error names the line.
func FuzzPrompts(f *testing.F) {
	for _, text := range []string{
		"a\nb", `{"prompt": "a", "output_tokens": 3}`, `{"prompt": [1, 2]}`, `{"messages": [{"role": "user", "content": "x"}]}`,
		"\xff", `{"prompt": "\ud800"}`, `{"prompt": "a"}}`, "\u2028", `{"messages": [null]}`, `{"prompt": [4294967296]}`, "",
	} {
		for mode := range uint8(4) {
			f.Add([]byte(text), mode)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, mode uint8) {
		path, endpoint := "p.txt", config.Completions
		if mode&1 != 0 {
			path = "p.jsonl"
		}
		if mode&2 != 0 {
			endpoint = config.Chat
		}
		prompts, err := parsePrompts(text, path, endpoint)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "prompts_file "+path) || len(prompts) != 0 {
				t.Errorf("%d prompts, and the error %v", len(prompts), err)
			}
			return
		}
		g := &Generator{
			cfg:     config.Workload{Endpoint: endpoint, OutputTokens: fixed(2)},
			prompts: prompts, order: make([]int, len(prompts)), head: []byte("{"), tail: []byte("}"),
		}
		for i := range g.order {
			g.order[i] = i
		}
		most, answer := g.MaxTokens()
		for range prompts {
			r := g.Next()
			if !utf8.Valid(r.Body) {
				t.Fatalf("the body is no UTF-8: %q", r.Body)
			}
			b := parse(t, r)
			if (b.Prompt != nil) == (len(b.Messages) > 0) || (len(b.Messages) > 0) != (endpoint == config.Chat) {
				t.Errorf("for %s the body is %s", endpoint, r.Body)
			}
			if b.MaxTokens != r.OutputTokens || r.OutputTokens < 1 || r.PromptTokens+r.OutputTokens > most+answer {
				t.Errorf("asked is %+v of at most %d and %d", r, most, answer)
			}
			if r.PromptTokens > 0 && len(b.ids(t)) != r.PromptTokens {
				t.Errorf("promised are %d tokens: %s", r.PromptTokens, r.Body)
			}
		}
	})
}
