package replica_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/replica"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// world is a bubble of synthetic time with simulated replicas and one probe.
type world struct {
	prober.Silent

	cfg        *config.Config
	parameters simulator.Parameters
	// replicas answer by name. A test may put something before them, and change it
	// while the run goes on.
	replicas []*swappable
	wrap     func(context.Context, http.Handler) http.Handler
	// pulse is that of the guard's heartbeat, and may be nil.
	pulse func() (prober.Pulse, bool)
	// during runs within the bubble beside the run, whose end ends ctx.
	during func(ctx context.Context)

	began time.Time // of the bubble
	mu    sync.Mutex
	trips []prober.Trip
	seen  []prober.Observation
}

// swappable is a handler that can be swapped for another.
type swappable struct{ handler atomic.Pointer[http.Handler] }

func (s *swappable) set(h http.Handler) { s.handler.Store(&h) }

func (s *swappable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*s.handler.Load()).ServeHTTP(w, r)
}

func (w *world) GuardTripped(t prober.Trip) { w.trips = append(w.trips, t) }

func (w *world) RequestEnded(_ prober.Step, o *prober.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, *o)
}

// newWorld has n replicas that run batch requests at a time, as is declared, and
// a probe of one step at a rate, of the field report's requests.
func newWorld(n, batch int, rate float64) *world {
	target := config.DefaultTarget()
	target.Name, target.BatchSize = "t", batch
	for i := range n {
		target.Replicas = append(target.Replicas, fmt.Sprintf("http://replica-%d", i))
	}
	probe := config.DefaultProbe()
	probe.Name, probe.Arms, probe.Seed = "p", []config.Arm{{Target: "t"}}, 1
	probe.Workload.PromptTokens = config.Length{Fixed: simulator.FieldReportPrompt}
	probe.Workload.OutputTokens = config.Length{Fixed: simulator.FieldReportOutput}
	probe.Ladder = config.Ladder{Rates: []float64{rate}, Warmup: 5 * time.Second, Window: 20 * time.Second, Drain: 10 * time.Second, Repeats: 1}
	w := &world{
		cfg:        &config.Config{Targets: []config.Target{target}, Probes: []config.Probe{probe}},
		parameters: simulator.FieldReport(),
	}
	w.parameters.MaxNumSeqs = batch
	for range n {
		w.replicas = append(w.replicas, &swappable{})
	}
	return w
}

func (w *world) probe() *config.Probe { return &w.cfg.Probes[0] }

// headStart is what a bubble has before the run begins.
const headStart = 100 * time.Millisecond

// run makes one run in synthetic time.
func (w *world) run(t *testing.T) (result *prober.RunResult, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w.began = time.Now()
		network := map[string]*simulator.PipeListener{}
		var servers []*http.Server
		ctx, end := context.WithCancel(t.Context())
		for i, r := range w.replicas {
			r.set(simulator.NewReplica(ctx, simulator.Options{Parameters: w.parameters}))
			l := simulator.NewPipeListener()
			network[fmt.Sprintf("replica-%d:80", i)] = l
			var handler http.Handler = r
			if w.wrap != nil {
				handler = w.wrap(ctx, handler)
			}
			s := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
			servers = append(servers, s)
			go func() { _ = s.Serve(l) }()
		}
		dial := func(ctx context.Context, n, address string) (netConn, error) {
			return network[address].DialContext(ctx, n, address)
		}
		watcher, werr := replica.NewWatcher(w.cfg, *w.probe(), dial, slog.New(slog.DiscardHandler))
		if werr != nil {
			t.Fatal(werr)
		}
		watcher.Feel(w.pulse)
		p, perr := prober.New(w.cfg, *w.probe(), prober.Options{
			Observer: w, Logger: slog.New(slog.DiscardHandler), Synthetic: true, Dial: dial, Watcher: watcher,
		})
		if perr != nil {
			t.Fatal(perr)
		}
		if w.during != nil {
			go w.during(ctx)
		}
		time.Sleep(headStart)
		result, err = p.Run(t.Context())
		end()
		time.Sleep(10 * time.Second) // idle connections end
		for _, s := range servers {
			_ = s.Close()
		}
		synctest.Wait()
	})
	return result, err
}

// one is the only step of a run that went well.
func (w *world) one(t *testing.T) *prober.StepResult {
	t.Helper()
	result, err := w.run(t)
	if err != nil || len(result.Results) != 1 {
		t.Fatalf("%d steps, %v", len(result.Results), err)
	}
	return &result.Results[0]
}

// ask lets others ask a replica for n answers, all at once, and returns when all
// have come or ctx has ended.
func ask(ctx context.Context, h http.Handler, n, tokens int) {
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() {
			body, _ := json.Marshal(map[string]any{
				"model": simulator.DefaultModel, "prompt": make([]int, 10), "max_tokens": tokens, "min_tokens": tokens, "ignore_eos": true,
			})
			q := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/completions", bytes.NewReader(body))
			q.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, q)
			if w.Code != http.StatusOK {
				panic(w.Body.String())
			}
		})
	}
	wait.Wait()
}

// Below capacity all that is offered runs, by Little's law as many at a time as
// arrive in the time that each takes in the engine, and what the replicas counted
// is what the prober did.
func TestWhatTheReplicasSayOfAStep(t *testing.T) {
	w := newWorld(2, 50, 10)
	w.probe().Pacing.Process = config.Constant
	r := w.one(t)
	if !r.Valid() || len(r.Replicas) != 2 {
		t.Fatalf("%v; %d replicas", r.Broken, len(r.Replicas))
	}
	for i, each := range r.Replicas {
		if want := fmt.Sprintf("http://replica-%d", i); each.Replica != want {
			t.Errorf("replica %d is %s, want %s", i, each.Replica, want)
		}
		// Five requests a second each, for E2E less the wait for the iteration.
		littles := 5 * r.Latencies.E2E.Mean
		if each.Running == nil || each.Running.Mean < 0.85*littles || each.Running.Mean > 1.05*littles || each.Running.Max < each.Running.Mean {
			t.Errorf("running %+v, want about %.1f", each.Running, littles)
		}
		if each.Waiting == nil || each.KVCacheUsage == nil || each.Preemptions == nil || *each.Preemptions != 0 {
			t.Errorf("%+v", each)
		}
		const blocks = (simulator.FieldReportPrompt + simulator.FieldReportOutput + simulator.BlockSize - 1) / simulator.BlockSize
		if got, want := each.KVCacheUsage.Max, each.Running.Max*blocks/float64(w.parameters.KVBlocks); math.Abs(got-want) > 1e-9 {
			t.Errorf("KV cache usage %g, want %g of %g running", got, want, each.Running.Max)
		}
		if seconds := r.EndedAt.Sub(r.StartedAt).Seconds(); each.Samples < int(4*(seconds-2)) || each.Gaps != 0 {
			t.Errorf("%d samples and %d gaps in %.1f s", each.Samples, each.Gaps, seconds)
		}
		if each.Reconciliation.Verdict != prober.Reconciled || each.Reconciliation.Requests == 0 {
			t.Errorf("reconciliation %+v", each.Reconciliation)
		}
	}
	if r.Reconciliation.Verdict != prober.Reconciled || r.Reconciliation.Requests < 250 || r.Reconciliation.ForeignRequests != 0 {
		t.Errorf("reconciliation of the step %+v", r.Reconciliation)
	}
}

// Where the engine is idle at each arrival, none waits, and a prompt takes one iteration
// with one sequence; TTFT has the server around the engine, too.
func TestWhatRequestsSpentOnAnIdleEngine(t *testing.T) {
	w := newWorld(1, 50, 0.5)
	w.probe().Pacing.Process = config.Constant
	r := w.one(t)
	p := w.parameters
	prefill := (p.Base + p.PerSequence + p.PerSequenceSquared + simulator.FieldReportPrompt*p.PerPrefillToken).Seconds()
	queue, knowsQueue := r.SpentOf(func(r *prober.ReplicaResult) *prober.Spent { return r.Queue })
	took, knowsPrefill := r.SpentOf(func(r *prober.ReplicaResult) *prober.Spent { return r.Prefill })
	if !knowsQueue || !knowsPrefill || queue.Mean != 0 || math.Abs(took.Mean-prefill) > 1e-6 {
		t.Errorf("queue %+v (%t), prefill %+v (%t), want 0 and %g s", queue, knowsQueue, took, knowsPrefill, prefill)
	}
	if rest := r.Latencies.TTFT.Mean - queue.Mean - took.Mean; math.Abs(rest-p.Frontend.Seconds()) > 1e-4 {
		t.Errorf("%g s of TTFT are left, want %s", rest, p.Frontend)
	}
	if n := queue.Requests; n < r.Latencies.TTFT.Count || n > r.Latencies.TTFT.Count+1 {
		t.Errorf("%d requests, want the window's %d and the next one at the most", n, r.Latencies.TTFT.Count)
	}
}

// Where requests wait for slots, and no queue grows, what the replicas measured and
// the server around them make TTFT, but for requests at the window's edges.
func TestWhatRequestsSpentInAQueue(t *testing.T) {
	w := newWorld(2, 8, 10.5) // of 12 that they can do
	w.probe().Ladder.Warmup, w.probe().Ladder.Window = 20*time.Second, 200*time.Second
	r := w.one(t)
	queue, _ := r.SpentOf(func(r *prober.ReplicaResult) *prober.Spent { return r.Queue })
	prefill, _ := r.SpentOf(func(r *prober.ReplicaResult) *prober.Spent { return r.Prefill })
	ttft := r.Latencies.TTFT.Mean
	if rest := ttft - queue.Mean - prefill.Mean; r.Saturated == prober.Saturated || queue.Mean < 2*prefill.Mean || math.Abs(rest-w.parameters.Frontend.Seconds()) > 0.05*ttft {
		t.Errorf("saturated: %s; in the queue %+v, prefill %+v, and %g s left of %g", r.Saturated, queue, prefill, rest, ttft)
	}
}

// The verdict on the batch size is right whatever the load and whatever the
// replica really runs with.
func TestInForceOnTheSimulator(t *testing.T) {
	// A batch of 16 has a capacity of about 10 requests per second, one of 8 of 6.
	for name, tt := range map[string]struct {
		declared, really int
		rate             float64
		want             prober.InForceVerdict
		says             string
	}{
		"below capacity":                 {16, 16, 3, prober.DidNotBind, "at most "},
		"above capacity":                 {16, 16, 14, prober.Bound, "16 ran, and up to "},
		"more run, above capacity":       {16, 64, 14, prober.NotInForce, " ran"},
		"more could run, below capacity": {16, 64, 3, prober.DidNotBind, "at most "},
		"fewer run, above capacity":      {16, 8, 14, prober.NotInForce, "no more than 8 ran, and up to "},
		"fewer can run, below capacity":  {16, 8, 2, prober.DidNotBind, "at most "},
		"undeclared":                     {0, 16, 14, prober.InForceUnknown, "no batch_size is declared"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(1, tt.really, tt.rate)
			w.cfg.Targets[0].BatchSize = tt.declared
			r := w.one(t)
			if got, _ := r.InForce(); got.Verdict != tt.want || !strings.Contains(got.Detail, tt.says) {
				t.Errorf("got %+v, want %s with %q; %+v %+v", got, tt.want, tt.says, r.Replicas[0].Running, r.Replicas[0].Waiting)
			}
		})
	}
}

// Where the KV cache has room for less than a batch, who waits waits for that, and
// nothing is known of the batch size.
func TestAFullKVCacheSaysNothingOfTheBatchSize(t *testing.T) {
	w := newWorld(1, 16, 14)
	w.parameters.KVBlocks = 256
	w.parameters.MaxModelLen = 4096
	w.probe().Workload.PromptTokens.Fixed, w.probe().Workload.OutputTokens.Fixed = 480, 32 // 32 blocks, of which there are 8 times as many
	r := w.one(t)
	if got, _ := r.InForce(); got.Verdict != prober.InForceUnknown || !strings.Contains(got.Detail, "KV cache while at most 8 ran") {
		t.Errorf("got %+v; %+v %+v", got, r.Replicas[0].Running, r.Replicas[0].KVCacheUsage)
	}
}

// What others asked of a replica within a step is known to the request and to the
// token.
func TestForeignTrafficIsCounted(t *testing.T) {
	w := newWorld(2, 50, 6)
	w.probe().Ladder.Drain = time.Minute
	w.during = func(ctx context.Context) {
		time.Sleep(15 * time.Second)
		ask(ctx, w.replicas[1], 5, 20)
	}
	r := w.one(t)
	got := r.Reconciliation
	// What is cut at the step's end may be as many requests less.
	cut := r.Outcomes[prober.Drain][prober.Aborted]
	if got.Verdict != prober.ForeignTraffic || got.ForeignRequests > 5 || got.ForeignRequests < 5-cut || got.ForeignTokens > 100 {
		t.Errorf("got %+v with %d cut, want 5 requests and 100 tokens of others", got, cut)
	}
	if r.Replicas[0].Reconciliation.Verdict != prober.Reconciled || r.Replicas[1].Reconciliation.Verdict != prober.ForeignTraffic {
		t.Errorf("replicas: %+v, %+v", r.Replicas[0].Reconciliation, r.Replicas[1].Reconciliation)
	}
	if !r.Valid() {
		t.Errorf("the step is invalid: %v", r.Broken)
	}
}

// A replica that begins anew in the middle of a step makes it no measurement.
func TestARestartInvalidatesTheStep(t *testing.T) {
	w := newWorld(1, 50, 4)
	w.during = func(ctx context.Context) {
		time.Sleep(15 * time.Second)
		w.replicas[0].set(simulator.NewReplica(ctx, simulator.Options{Parameters: w.parameters}))
	}
	r := w.one(t)
	if r.Reconciliation.Verdict != prober.Restarted || len(r.Broken) != 1 || r.Broken[0].Promise != prober.PromiseNoRestart || r.Latencies != nil {
		t.Errorf("%+v, %v", r.Reconciliation, r.Broken)
	}
}

// A proxy that spreads requests over several replicas is found out by their
// counts, which go up and down.
func TestSeveralReplicasBehindOneURL(t *testing.T) {
	w := newWorld(1, 50, 8)
	var turn atomic.Int64
	w.wrap = func(ctx context.Context, first http.Handler) http.Handler {
		second := simulator.NewReplica(ctx, simulator.Options{Parameters: w.parameters})
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if turn.Add(1)%3 == 0 {
				second.ServeHTTP(rw, r)
				return
			}
			first.ServeHTTP(rw, r)
		})
	}
	r := w.one(t)
	if r.Reconciliation.Verdict != prober.SeveralReplicas || !r.Valid() {
		t.Errorf("%+v, %v", r.Reconciliation, r.Broken)
	}
}

// A replica whose /metrics answers slowly, or not at all, holds nothing up.
func TestAReplicaThatDoesNotAnswerLeavesGaps(t *testing.T) {
	for name, tt := range map[string]struct {
		answer      func(http.ResponseWriter, *http.Request)
		least, most int // samples
	}{
		"hangs":    {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, 0},
		"has none": {http.NotFound, 0, 0},
		"is no page": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "vllm:num_requests_running many")
		}, 0, 0},
		"tells nothing": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "up 1") }, 80, 150},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(1, 16, 3)
			w.wrap = func(_ context.Context, h http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/metrics" {
						tt.answer(rw, r)
						return
					}
					h.ServeHTTP(rw, r)
				})
			}
			r := w.one(t)
			each := r.Replicas[0]
			if !r.Valid() || each.Running != nil || each.Preemptions != nil || each.Reconciliation.Verdict != prober.NotReconciled ||
				each.InForce.Verdict != prober.InForceUnknown {
				t.Errorf("%+v, %v", each, r.Broken)
			}
			if each.Samples < tt.least || each.Samples > tt.most || (each.Gaps > 80) != (tt.most == 0) {
				t.Errorf("%d samples, %d gaps", each.Samples, each.Gaps)
			}
			if took := r.Latencies.TTFT.Max; took > 1 {
				t.Errorf("a first token took %g s", took)
			}
		})
	}
}
