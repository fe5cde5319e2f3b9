// Package workload makes the requests of a probe: prompts and answers of known
// lengths, the same again from the same seed.
package workload

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
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
	lengths *rand.Rand
	content *rand.Rand // of made prompts
	prefix  []int      // token ids that all prompts begin with
	words   string     // and for chat, words
	count   int
	order   []int // of the file's prompts
}

// New makes a generator of requests to the named model. Lengths and prompts
// follow from the seed. The name of the step is put into each request's cache
// salt, so that no step finds its prompts in a prefix cache that an earlier one
// has filled; where the prompts share a prefix, and with it the salt, what comes
// after the prefix follows from seed and step.
func New(cfg config.Workload, model, step string, seed uint64) (*Generator, error) {
	g := &Generator{cfg: cfg, salt: step, lengths: rand.New(rand.NewPCG(seed, 0xda942042e4dd58b5))}
	stream := uint64(0x9fb21c651e98df25)
	if cfg.SharedPrefixTokens > 0 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(step))
		stream = h.Sum64()
	}
	g.content = rand.New(rand.NewPCG(seed, stream))
	name, err := json.Marshal(model)
	if err != nil {
		return nil, fmt.Errorf("model name %q: %w", model, err)
	}
	g.head = append(append([]byte(`{"model":`), name...), ',')
	if g.tail, err = marshalTail(cfg); err != nil {
		return nil, err
	}
	if cfg.PromptsFile != "" {
		if g.prompts, err = readPrompts(cfg.PromptsFile, cfg.Endpoint); err != nil {
			return nil, err
		}
		g.order = g.lengths.Perm(len(g.prompts))
	}
	// The prefix has its own stream of numbers: it is the same in every step of
	// every run, whatever else the step draws.
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

// marshalTail writes what all requests have in common: temperature 0, unless
// extra_body holds another, the priority, and extra_body's keys.
func marshalTail(cfg config.Workload) ([]byte, error) {
	all := map[string]any{"temperature": 0}
	if cfg.Priority != 0 { // a vLLM without priorities refuses every other
		all["priority"] = cfg.Priority
	}
	maps.Copy(all, cfg.ExtraBody)
	text, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("extra_body has no form in JSON: %w", err)
	}
	text[0] = ','
	return text, nil
}

// MaxTokens are the lengths of the longest request that Next can make. The
// prompt's is 0 where it is text.
func (g *Generator) MaxTokens() (prompt, output int) {
	if len(g.prompts) == 0 {
		if g.cfg.Endpoint == config.Completions {
			prompt = g.cfg.PromptTokens.MaxTokens()
		}
		return prompt, g.cfg.OutputTokens.MaxTokens()
	}
	for _, p := range g.prompts {
		asked := p.outputTokens
		if asked == 0 {
			asked = g.cfg.OutputTokens.MaxTokens()
		}
		if p.tokens+asked > prompt+output {
			prompt, output = p.tokens, asked
		}
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
		r.PromptTokens = from.tokens
		r.OutputTokens = from.outputTokens
	}
	if r.OutputTokens == 0 {
		r.OutputTokens = draw(g.cfg.OutputTokens, g.lengths)
	}
	length := 0
	if from == nil {
		length = draw(g.cfg.PromptTokens, g.lengths)
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
		b = appendWords(b, g.content, length-g.cfg.SharedPrefixTokens)
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
				id += g.content.IntN(tokenIDs)
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
	b = append(b, g.tail...)
	r.Body = b
	return r
}
