package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options describe a replica.
type Options struct {
	// Model is the served model's name.
	Model      string
	Parameters Parameters
	// APIKey is demanded of every request where it is not empty.
	APIKey string
	// Faults befall requests, drawn from Seed.
	Faults []FaultShare
	Seed   uint64
}

// DefaultModel is the model's name where none is given.
const DefaultModel = "simulated"

// version is the release of vLLM whose HTTP surface a replica shows.
const version = "0.32.0"

// Replica is one vLLM-shaped server. It is an http.Handler.
type Replica struct {
	o       Options
	engine  *Engine
	dice    *faultDice
	prefix  prefixCache
	metrics *replicaMetrics
	mux     *http.ServeMux
	ids     atomic.Int64
	ended   context.Context
}

// NewReplica starts a replica, whose engine runs until ctx ends.
func NewReplica(ctx context.Context, o Options) *Replica {
	if o.Model == "" {
		o.Model = DefaultModel
	}
	r := &Replica{
		o: o, engine: NewEngine(ctx, o.Parameters), dice: newFaultDice(o.Faults, o.Seed),
		mux: http.NewServeMux(), ended: ctx,
	}
	r.prefix.limit = o.Parameters.KVBlocks
	r.metrics = newReplicaMetrics(r)
	r.mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	r.mux.HandleFunc("GET /ping", func(http.ResponseWriter, *http.Request) {})
	r.mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"version": version})
	})
	r.mux.Handle("GET /metrics", r.metrics.handler())
	r.mux.HandleFunc("GET /v1/models", r.guarded(r.models))
	r.mux.HandleFunc("POST /v1/completions", r.guarded(func(w http.ResponseWriter, q *http.Request) { r.generate(w, q, false) }))
	r.mux.HandleFunc("POST /v1/chat/completions", r.guarded(func(w http.ResponseWriter, q *http.Request) { r.generate(w, q, true) }))
	return r
}

// ServeHTTP implements http.Handler.
func (r *Replica) ServeHTTP(w http.ResponseWriter, q *http.Request) { r.mux.ServeHTTP(w, q) }

// SetFaults changes what befalls the requests that come from now on.
func (r *Replica) SetFaults(shares ...FaultShare) { r.dice.set(shares) }

// Engine is the replica's engine.
func (r *Replica) Engine() *Engine { return r.engine }

// guarded demands the API key, as vLLM does of all paths below /v1.
func (r *Replica) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		if r.o.APIKey != "" && q.Header.Get("Authorization") != "Bearer "+r.o.APIKey {
			writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "Unauthorized"})
			return
		}
		next(w, q)
	}
}

func (r *Replica) models(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []any{map[string]any{
		"id": r.o.Model, "object": "model", "created": time.Now().Unix(), "owned_by": "vllm", "root": r.o.Model,
		"parent": nil, "max_model_len": r.o.Parameters.MaxModelLen,
	}}})
}

// query is the body of a request, as far as the simulator heeds it.
type query struct {
	Model         string          `json:"model"`
	Prompt        json.RawMessage `json:"prompt"`
	Messages      []message       `json:"messages"`
	MaxTokens     int             `json:"max_tokens"`
	MaxCompletion int             `json:"max_completion_tokens"`
	Stream        bool            `json:"stream"`
	StreamOptions struct {
		IncludeUsage         bool `json:"include_usage"`
		ContinuousUsageStats bool `json:"continuous_usage_stats"`
	} `json:"stream_options"`
	CacheSalt string `json:"cache_salt"`
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// maxBody bounds a request's body.
const maxBody = 16 << 20

func (r *Replica) generate(w http.ResponseWriter, q *http.Request, chat bool) {
	var body query
	if err := json.NewDecoder(http.MaxBytesReader(w, q.Body, maxBody)).Decode(&body); err != nil {
		writeError(w, http.StatusBadRequest, "BadRequestError", "the body is not the JSON of a request: "+err.Error())
		return
	}
	prompt, err := body.promptTokens()
	output := max(body.MaxTokens, body.MaxCompletion)
	if output == 0 {
		output = 16 // vLLM's own default for completions
	}
	switch limit := r.o.Parameters.MaxModelLen; {
	case body.Model != r.o.Model:
		writeError(w, http.StatusNotFound, "NotFoundError",
			fmt.Sprintf("The model `%s` does not exist. Valid aliases: %s.", body.Model, r.o.Model))
		return
	case err != nil:
		writeError(w, http.StatusBadRequest, "BadRequestError", err.Error())
		return
	case len(prompt)+output > limit:
		writeError(w, http.StatusBadRequest, "BadRequestError",
			fmt.Sprintf("%d prompt tokens and %d output tokens pass the model's context of %d.", len(prompt), output, limit))
		return
	}
	fault := r.dice.roll()
	if r.refused(w, q, fault) {
		return
	}

	id := q.Header.Get("X-Request-Id")
	if id == "" {
		id = fmt.Sprintf("%016x", r.ids.Add(1))
	}
	cached := r.prefix.take(body.CacheSalt, prompt)
	a := &answer{
		w: w, query: body, chat: chat, fault: fault, id: id, model: r.o.Model,
		prompt: len(prompt), cached: cached, output: output,
	}
	began := time.Now()
	time.Sleep(r.o.Parameters.Frontend)
	s := r.engine.Submit(len(prompt), cached, output)
	defer r.engine.Abort(s)
	if body.Stream && fault != NotStreamed {
		a.stream(q.Context(), s)
	} else {
		a.whole(q.Context(), s)
	}
	r.metrics.observe(began, s, a)
}

// refused plays the faults that come before the engine, and says whether one did.
func (r *Replica) refused(w http.ResponseWriter, q *http.Request, fault Fault) bool {
	switch fault {
	case Drop:
		panic(http.ErrAbortHandler) // net/http's way to cut a connection
	case BadRequest:
		writeError(w, http.StatusBadRequest, "BadRequestError", "a simulated bad request")
	case Unauthorized:
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "Unauthorized"})
	case TooManyRequests:
		writeError(w, http.StatusTooManyRequests, "RateLimitError", "a simulated rate limit")
	case InternalError:
		writeError(w, http.StatusInternalServerError, "InternalServerError", "a simulated failure of the engine")
	case Unavailable:
		writeError(w, http.StatusServiceUnavailable, "ServiceUnavailable", "a simulated overload")
	case HangHeaders, Wedged:
		r.hang(q.Context())
	default:
		return false
	}
	return true
}

// hang waits until the client or the simulator gives up.
func (r *Replica) hang(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-r.ended.Done():
	}
	panic(http.ErrAbortHandler)
}

// promptTokens is the prompt as token ids. Text has no tokenizer here: each word
// is a token, whose id is a hash of it.
func (q *query) promptTokens() ([]int, error) {
	var ids []int
	if len(q.Messages) == 0 && json.Unmarshal(q.Prompt, &ids) == nil {
		if len(ids) == 0 {
			return nil, fmt.Errorf("the prompt is empty")
		}
		return ids, nil
	}
	var text string
	for _, m := range q.Messages {
		text += m.Role + " " + m.Content + " "
	}
	if len(q.Messages) == 0 && json.Unmarshal(q.Prompt, &text) != nil {
		return nil, fmt.Errorf("the prompt is neither text nor a list of token ids")
	}
	for _, word := range strings.Fields(text) {
		id := 0
		for _, c := range []byte(word) {
			id = id*31 + int(c)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("the prompt is empty")
	}
	return ids, nil
}

// prefixCache remembers the full blocks of the prompts that came, each by all
// that stands before it, as vLLM's automatic prefix caching does.
type prefixCache struct {
	limit  int // blocks; reaching it empties the cache
	mu     sync.Mutex
	blocks map[uint64]struct{}
}

// take returns how many of the prompt's tokens are held, and holds it from now
// on. The last token is always computed, so a prompt is never held whole.
func (c *prefixCache) take(salt string, prompt []int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocks == nil || len(c.blocks) >= c.limit {
		c.blocks = map[uint64]struct{}{}
	}
	hash := uint64(14695981039346656037) // FNV-1a
	mix := func(x uint64) { hash = (hash ^ x) * 1099511628211 }
	for _, b := range []byte(salt) {
		mix(uint64(b))
	}
	cached, holding := 0, true
	for i, id := range prompt {
		mix(uint64(id))
		if (i+1)%BlockSize != 0 || i+1 == len(prompt) {
			continue
		}
		if _, held := c.blocks[hash]; held && holding {
			cached = i + 1
		} else {
			holding = false
			c.blocks[hash] = struct{}{}
		}
	}
	return cached
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client may be gone; nobody is left to tell
}

func writeError(w http.ResponseWriter, status int, kind, text string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{
		"message": text, "type": kind, "param": nil, "code": status,
	}})
}
