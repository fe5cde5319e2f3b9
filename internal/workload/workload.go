// Package workload makes the requests of a probe: prompts and answers of known
// lengths, the same again from the same seed.
package workload

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"

	"vllm_prober/internal/config"
)

// Request is one thing to ask of a vLLM server.
type Request struct {
	// Path is the endpoint's, from the replica's base URL on.
	Path string
	// Body is the request's JSON.
	Body []byte
	// PromptTokens and OutputTokens are the lengths that are asked for.
	// PromptTokens is 0 for text, whose length only the server's tokenizer knows.
	PromptTokens, OutputTokens int
	// ExactOutput says that the server was told to go on to OutputTokens, so
	// that an answer with fewer is short.
	ExactOutput bool
}

// The token ids of made prompts lie above the special tokens of the known
// tokenizers and below the end of the smallest vocabularies in use.
const (
	firstTokenID = 1000
	tokenIDs     = 3000
)

// Generator makes requests one after the other. It is not safe for use by
// several goroutines.
type Generator struct {
	cfg     config.Workload
	prompts []prompt // of a file; empty for made ones
	head    []byte   // the body up to what differs: {"model":…,
	tail    []byte   // extra_body's keys, each with its comma, and the closing brace
	salt    string
	rng     *rand.Rand
	prefix  []int // token ids that all prompts begin with
	words   string
	count   int
	order   []int // of the file's prompts
}

// New makes a generator of requests to the named model. Lengths and prompts
// follow from the seed; run is put into each request's cache salt, so that no
// run finds its prompts in a prefix cache that an earlier one has filled.
func New(cfg config.Workload, model, run string, seed uint64) (*Generator, error) {
	g := &Generator{cfg: cfg, salt: run, rng: rand.New(rand.NewPCG(seed, 0xda942042e4dd58b5))}
	name, err := json.Marshal(model)
	if err != nil {
		return nil, fmt.Errorf("model name %q: %w", model, err)
	}
	g.head = append(append([]byte(`{"model":`), name...), ',')
	if g.tail, err = marshalTail(cfg.ExtraBody); err != nil {
		return nil, err
	}
	if cfg.PromptsFile != "" {
		if g.prompts, err = readPrompts(cfg.PromptsFile, cfg.Endpoint); err != nil {
			return nil, err
		}
		g.order = g.rng.Perm(len(g.prompts))
	}
	// The prefix has its own stream of numbers: it is the same in every step of
	// a run, whatever else the step draws.
	shared := rand.New(rand.NewPCG(1, 0x2545f4914f6cdd1d))
	if cfg.Endpoint == config.Chat {
		g.words = string(appendWords(nil, shared, cfg.SharedPrefixTokens))
	} else {
		for range cfg.SharedPrefixTokens {
			g.prefix = append(g.prefix, firstTokenID+shared.IntN(tokenIDs))
		}
	}
	return g, nil
}

// marshalTail writes what follows the keys that the prober sets: temperature 0,
// unless extra holds another, and extra's keys.
func marshalTail(extra map[string]any) ([]byte, error) {
	all := map[string]any{"temperature": 0}
	for key, value := range extra {
		all[key] = value
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("extra_body has no form in JSON: %w", err)
	}
	text[0] = ','
	return text, nil
}

// MaxTokens bounds the lengths that Next can ask for. The prompt's bound is 0
// where it is text.
func (g *Generator) MaxTokens() (prompt, output int) {
	if len(g.prompts) == 0 {
		if g.cfg.Endpoint == config.Completions {
			prompt = g.cfg.PromptTokens.MaxTokens()
		}
		return prompt, g.cfg.OutputTokens.MaxTokens()
	}
	output = g.cfg.OutputTokens.MaxTokens()
	for _, p := range g.prompts {
		prompt, output = max(prompt, len(p.ids)), max(output, p.outputTokens)
	}
	return prompt, output
}

// Next makes the next request.
func (g *Generator) Next() Request {
	g.count++
	r := Request{Path: "/v1/completions", ExactOutput: true}
	if g.cfg.Endpoint == config.Chat {
		r.Path = "/v1/chat/completions"
	}
	var from *prompt
	if len(g.prompts) > 0 {
		from = &g.prompts[g.order[(g.count-1)%len(g.order)]]
		r.PromptTokens = len(from.ids)
		r.OutputTokens = from.outputTokens
	}
	if r.OutputTokens == 0 {
		r.OutputTokens = draw(g.cfg.OutputTokens, g.rng)
	}
	length := 0
	if from == nil {
		length = draw(g.cfg.PromptTokens, g.rng)
		if g.cfg.Endpoint == config.Completions {
			r.PromptTokens = length
		}
	}

	b := make([]byte, 0, 320+len(g.head)+len(g.tail)+6*length)
	b = append(b, g.head...)
	switch {
	case from != nil:
		b = append(b, from.json...)
	case g.cfg.Endpoint == config.Chat:
		b = append(b, `"messages":[{"role":"user","content":"`...)
		b = append(b, g.words...)
		b = appendWords(b, g.rng, length-g.cfg.SharedPrefixTokens)
		b = append(b, `"}]`...)
	default:
		b = append(b, `"prompt":[`...)
		for i := range length {
			if i > 0 {
				b = append(b, ',')
			}
			id := firstTokenID
			if i < len(g.prefix) {
				id = g.prefix[i]
			} else {
				id += g.rng.IntN(tokenIDs)
			}
			b = strconv.AppendInt(b, int64(id), 10)
		}
		b = append(b, ']')
	}
	b = append(b, `,"max_tokens":`...)
	b = strconv.AppendInt(b, int64(r.OutputTokens), 10)
	b = append(b, `,"min_tokens":`...)
	b = strconv.AppendInt(b, int64(r.OutputTokens), 10)
	b = append(b, `,"ignore_eos":true,"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}`...)
	b = append(b, `,"cache_salt":"`...)
	if g.cfg.SharedPrefixTokens > 0 {
		// One salt for all: the prefix is meant to be found again.
		b = append(b, "shared"...)
	} else {
		b = append(b, g.salt...)
		b = append(b, '-')
		b = strconv.AppendInt(b, int64(g.count), 10)
	}
	b = append(b, '"')
	r.Body = append(b, g.tail...)
	return r
}
