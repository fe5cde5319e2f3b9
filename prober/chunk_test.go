package prober

import (
	"encoding/json"
	"testing"
)

func TestParseChunk(t *testing.T) {
	tests := map[string]struct {
		data string
		want chunk
	}{
		"completion": {
			`{"id":"cmpl-1","choices":[{"index":0,"text":" local","logprobs":null,"finish_reason":null,"token_ids":null}],"usage":{"prompt_tokens":4,"total_tokens":5,"completion_tokens":1}}`,
			chunk{tokens: 1, choices: true, usage: usage{known: true, prompt: 4, completion: 1}},
		},
		"last of a completion": {
			`{"choices":[{"text":"","finish_reason":"length"}],"usage":null}`,
			chunk{tokens: 1, choices: true, finished: true},
		},
		"final usage has no choices": {
			`{"choices":[],"usage":{"prompt_tokens":64,"total_tokens":67,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":16}},"system_fingerprint":"x"}`,
			chunk{usage: usage{known: true, prompt: 64, completion: 3, cached: 16}},
		},
		"role alone is no token": {
			`{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}`,
			chunk{choices: true},
		},
		"role with the first piece": {
			`{"choices":[{"delta":{"role":"assistant","content":"Hi"}}]}`,
			chunk{tokens: 1, choices: true},
		},
		"empty text can be a token": {
			`{"choices":[{"delta":{"content":""}}]}`,
			chunk{tokens: 1, choices: true},
		},
		"reasoning counts": {
			`{"choices":[{"delta":{"reasoning":"Hm","content":null}}]}`,
			chunk{tokens: 1, choices: true},
		},
		"token ids count": {
			`{"choices":[{"text":" a b c","token_ids":[5,6,7]}]}`,
			chunk{tokens: 3, choices: true},
		},
		"error": {
			`{"error": {"message": "Token id 10000 is out of vocabulary", "type": "BadRequestError", "code": 400}}`,
			chunk{failure: "Token id 10000 is out of vocabulary"},
		},
		"error of an old release": {
			`{"object":"error","message":"engine died","code":500}`,
			chunk{failure: "engine died"},
		},
		"error that is null": {`{"error":null,"choices":[]}`, chunk{}},
		"hostile text": {
			`{"choices":[{"text":"\\\"}],\"usage\":{\"completion_tokens\":9}"}]}`,
			chunk{tokens: 1, choices: true},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseChunk([]byte(tt.data))
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestParseChunkRefuses(t *testing.T) {
	for _, data := range []string{
		``, `[]`, `{`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":"b}`, `<html>`, `{"choices":{}}`,
		`{"usage":{"completion_tokens":-1}}`, `{"usage":{"completion_tokens":1.5}}`, `{"usage":{"completion_tokens":"1"}}`,
	} {
		if got, err := parseChunk([]byte(data)); err == nil {
			t.Errorf("%q was taken as %+v", data, got)
		}
	}
}

// FuzzParseChunk holds the scanner against encoding/json: of all valid JSON both
// must read the same usage, and the scanner must survive everything else.
func FuzzParseChunk(f *testing.F) {
	f.Add([]byte(`{"choices":[{"text":" a"}],"usage":{"prompt_tokens":4,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":2}}}`))
	f.Add([]byte(`{"choices":[],"usage":null,"x":[1,{"y":"\\\""},true]}`))
	f.Add([]byte(`{"error":{"message":"no"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseChunk(data)
		keys, unique := topLevelKeys(data)
		if !unique {
			return
		}
		var want struct {
			Choices []struct{} `json:"choices"`
			Usage   *struct {
				Completion *uint32 `json:"completion_tokens"`
			} `json:"usage"`
		}
		if json.Unmarshal(data, &want) != nil || err != nil {
			return
		}
		if keys["choices"] && got.choices != (len(want.Choices) > 0) {
			t.Errorf("choices: %v, encoding/json sees %d", got.choices, len(want.Choices))
		}
		if keys["usage"] && want.Usage != nil && want.Usage.Completion != nil && got.usage.known &&
			got.usage.completion != int(*want.Usage.Completion) {
			t.Errorf("completion tokens: %d, encoding/json sees %d", got.usage.completion, *want.Usage.Completion)
		}
	})
}

// topLevelKeys returns an object's keys, and whether each stands there once and
// in plain letters: encoding/json folds case and takes the last of two.
func topLevelKeys(data []byte) (map[string]bool, bool) {
	keys, unique := map[string]bool{}, true
	s := scanner{p: data}
	for more := s.enter('{', '}'); more; more = s.next('}') {
		key := s.key()
		for _, c := range key {
			if c < 'a' || c > 'z' {
				unique = false
			}
		}
		if keys[string(key)] {
			unique = false
		}
		keys[string(key)] = true
		if string(key) != "usage" {
			s.skip(0)
			continue
		}
		for more := s.enter('{', '}'); more; more = s.next('}') {
			if string(s.key()) != "completion_tokens" || keys["completion_tokens"] {
				unique = false
			}
			keys["completion_tokens"] = true
			s.skip(0)
		}
	}
	return keys, unique && !s.failed
}

func BenchmarkParseChunk(b *testing.B) {
	data := []byte(`{"id":"cmpl-abc-1","object":"text_completion","created":1795464685,"model":"tiny","choices":[{"index":0,"text":" local","logprobs":null,"finish_reason":null,"stop_reason":null,"prompt_token_ids":null,"token_ids":null}],"usage":{"prompt_tokens":4,"total_tokens":5,"completion_tokens":1}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseChunk(data); err != nil {
			b.Fatal(err)
		}
	}
}
