package simulator

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
	routes  map[string]route
	ids     atomic.Int64
	ended   context.Context
}

// route is what a path answers.
type route struct {
	methods []string
	serve   http.HandlerFunc
}

// NewReplica starts a replica, whose engine runs until ctx ends.
func NewReplica(ctx context.Context, o Options) *Replica {
	if o.Model == "" {
		o.Model = DefaultModel
	}
	r := &Replica{o: o, engine: NewEngine(ctx, o.Parameters), dice: newFaultDice(o.Faults, o.Seed), ended: ctx}
	r.prefix.limit = o.Parameters.KVBlocks
	r.metrics = newReplicaMetrics(r)
	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	alive := func(http.ResponseWriter, *http.Request) {}
	r.routes = map[string]route{
		"/health":  {get, alive},
		"/ping":    {append(get, post...), alive},
		"/metrics": {get, r.metrics.serve},
		"/version": {get, func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, marshal(map[string]string{"version": version}))
		}},
		"/v1/models":           {get, r.models},
		"/v1/completions":      {post, func(w http.ResponseWriter, q *http.Request) { r.generate(w, q, false) }},
		"/v1/chat/completions": {post, func(w http.ResponseWriter, q *http.Request) { r.generate(w, q, true) }},
	}
	return r
}

// ServeHTTP implements http.Handler.
func (r *Replica) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	w.Header().Set("Server", "uvicorn")
	w.Header().Set("Vary", "Origin")
	route, known := r.routes[q.URL.Path]
	switch {
	case strings.HasPrefix(q.URL.Path, "/v1/") && !r.admits(q):
		unauthorized(w)
	case !known:
		detail(w, http.StatusNotFound)
	case !slices.Contains(route.methods, q.Method):
		w.Header().Set("Allow", strings.Join(route.methods, ", "))
		detail(w, http.StatusMethodNotAllowed)
	default:
		route.serve(w, q)
	}
}

// admits says whether a request has the API key, which vLLM demands of all paths
// below /v1 and of none of the others here.
func (r *Replica) admits(q *http.Request) bool {
	scheme, key, _ := strings.Cut(q.Header.Get("Authorization"), " ")
	return r.o.APIKey == "" || strings.EqualFold(scheme, "Bearer") && key == r.o.APIKey
}

// SetFaults changes what befalls the requests that come from now on.
func (r *Replica) SetFaults(shares ...FaultShare) { r.dice.set(shares) }

// Engine is the replica's engine.
func (r *Replica) Engine() *Engine { return r.engine }

func (r *Replica) models(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, marshal(map[string]any{"object": "list", "data": []any{map[string]any{
		"id": r.o.Model, "object": "model", "created": time.Now().Unix(), "owned_by": "vllm", "root": r.o.Model,
		"parent": nil, "max_model_len": r.o.Parameters.MaxModelLen,
	}}}))
}

func (r *Replica) generate(w http.ResponseWriter, q *http.Request, chat bool) {
	began := time.Now()
	body, refusal := readQuery(q, chat, r.o.Model, r.o.Parameters.MaxModelLen)
	if refusal != nil {
		refusal.write(w)
		return
	}
	fault := r.dice.roll()
	if r.refused(w, q, fault) {
		return
	}
	switch {
	case fault == NotStreamed:
		body.Stream = false
	case fault == NoUsage && body.StreamOptions != nil:
		body.StreamOptions.ContinuousUsageStats = false
	}

	id := q.Header.Get("X-Request-ID")
	if id == "" {
		id = fmt.Sprintf("%016x", r.ids.Add(1))
	}
	cached := r.prefix.take(body.salt(), body.ids)
	time.Sleep(r.o.Parameters.Frontend)
	s := r.engine.queue(&Sequence{Prompt: len(body.ids), Cached: cached, Output: body.output, stuck: fault == Wedged})
	defer r.engine.Abort(s)
	a := &answer{
		chunks: newChunks(body, chat, id, r.o.Model, cached),
		w:      w, fault: fault, metrics: r.metrics, began: began,
	}
	if body.Stream {
		a.stream(q.Context(), s)
	} else {
		a.all(q.Context(), s)
	}
	r.metrics.observe(s, a)
}

// refused plays the faults that come before the engine, and says whether one did.
func (r *Replica) refused(w http.ResponseWriter, q *http.Request, fault Fault) bool {
	switch fault {
	case Drop:
		panic(http.ErrAbortHandler) // net/http's way to cut a connection
	case Unauthorized:
		unauthorized(w)
	case BadRequest:
		(&problem{http.StatusBadRequest, "a simulated bad request", badRequest, ""}).write(w)
	case TooManyRequests:
		(&problem{http.StatusTooManyRequests, "a simulated rate limit", "Too Many Requests", ""}).write(w)
	case InternalError:
		(&problem{http.StatusInternalServerError, "a simulated failure of the engine", "InternalServerError", ""}).write(w)
	case Unavailable:
		(&problem{http.StatusServiceUnavailable, "a simulated overload", "Service Unavailable", ""}).write(w)
	case HangHeaders:
		select {
		case <-q.Context().Done():
		case <-r.ended.Done():
		}
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}
