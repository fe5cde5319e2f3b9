package replica_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/replica"
	"vllm_prober/prober"
)

// limit is the address of a limit of a guard.
func limit(g *config.Guard, name config.GuardLimit) **float64 {
	return map[config.GuardLimit]**float64{
		config.WaitingRequests: &g.WaitingRequests, config.ForeignRequestsRunning: &g.ForeignRequestsRunning,
		config.KVCacheUsageRatio: &g.KVCacheUsageRatio, config.PreemptionsPerSecond: &g.PreemptionsPerSecond,
		config.ErrorRatio: &g.ErrorRatio,
	}[name]
}

// The prober's own load passes no limit on the load of others, however much of it
// waits and however strict the limit is.
func TestTheGuardKnowsItsOwnLoad(t *testing.T) {
	for name, rate := range map[string]float64{"below capacity": 4, "above capacity": 20} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(2, 16, 2*rate)
			g := &w.probe().Guard
			g.WaitingRequests, g.ForeignRequestsRunning, g.PreemptionsPerSecond, g.ErrorRatio = new(0.), new(0.), new(0.), new(0.)
			r := w.one(t)
			if r.Guard != nil || len(w.trips) != 0 || !r.Valid() {
				t.Errorf("%v, %v", r.Guard, r.Broken)
			}
		})
	}
}

// others ask each replica for a hundred long answers at the given time.
func others(w *world, at time.Duration) func(context.Context) {
	return func(ctx context.Context) {
		time.Sleep(at)
		for _, r := range w.replicas {
			go ask(ctx, r, 100, 100)
		}
	}
}

// When others come in the middle of a step, all of the prober's requests are gone
// within two seconds, nothing of the step is counted, and the guard does what it
// is to do.
func TestTheGuardAbortsAStep(t *testing.T) {
	const arrival = 15 * time.Second
	for name, tt := range map[string]struct {
		limit   config.GuardLimit
		allowed float64
		action  config.GuardAction
		// steps are the request rates of the steps that are made, and guarded says
		// which of them the guard aborts.
		rates   []float64
		guarded []bool
		fails   string
	}{
		"foreign requests run":  {config.ForeignRequestsRunning, 8, config.AbortRun, []float64{3}, []bool{true}, "the guard aborted the run: foreign_requests_running is "},
		"foreign requests wait": {config.WaitingRequests, 8, config.AbortRun, []float64{3}, []bool{true}, "the guard aborted the run: waiting_requests is "},
		"the KV cache fills":    {config.KVCacheUsageRatio, 0.015, config.AbortRun, []float64{3}, []bool{true}, "the guard aborted the run: kv_cache_usage_ratio is "},
		// The others are gone after the first of the two steps.
		"the step alone":  {config.WaitingRequests, 8, config.AbortStep, []float64{3, 4}, []bool{true, false}, ""},
		"the step again":  {config.WaitingRequests, 8, config.Wait, []float64{3, 3, 4}, []bool{true, false, false}, ""},
		"a limit of none": {config.WaitingRequests, 1000, config.AbortRun, []float64{3, 4}, []bool{false, false}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(1, 16, 3)
			w.probe().Ladder.Rates = []float64{3, 4}
			w.probe().Ladder.Cooldown = time.Minute
			g := &w.probe().Guard
			*limit(g, tt.limit), g.Action = &tt.allowed, tt.action
			w.during = others(w, arrival)
			result, err := w.run(t)
			if (err != nil) != (tt.fails != "") || err != nil && !strings.HasPrefix(err.Error(), tt.fails) {
				t.Fatalf("the run ended with %v, want %q", err, tt.fails)
			}
			var rates []float64
			var guarded []bool
			for i := range result.Results {
				r := &result.Results[i]
				rates, guarded = append(rates, r.RequestRate), append(guarded, r.Guard != nil)
				if r.Guard != nil {
					aborted(t, r, tt.limit, tt.allowed, tt.action)
				}
				if r.Repeated != (tt.action == config.Wait && i == 1) {
					t.Errorf("step %d is repeated: %t", i, r.Repeated)
				}
			}
			if !slices.Equal(rates, tt.rates) || !slices.Equal(guarded, tt.guarded) {
				t.Fatalf("steps at %v, aborted %v", rates, guarded)
			}
			if tt.guarded[0] {
				w.goneBy(t, arrival+2*time.Second)
			}
			if trips := map[bool]int{true: 1}[tt.guarded[0]]; len(w.trips) != trips {
				t.Errorf("told were %v", w.trips)
			}
		})
	}
}

// A step that is aborted a second time is not made a third time.
func TestAStepIsRepeatedOnce(t *testing.T) {
	w := newWorld(1, 16, 3)
	w.probe().Ladder.Rates = []float64{3, 4}
	w.probe().Guard.WaitingRequests, w.probe().Guard.Action = new(8.), config.Wait
	w.probe().Ladder.Cooldown = time.Minute // in which the others go
	w.during = func(ctx context.Context) {
		time.Sleep(15 * time.Second)
		ask(ctx, w.replicas[0], 100, 100)
		// The first step has ended after 18 s, a minute later comes the second one.
		time.Sleep(90*time.Second - time.Since(w.began))
		ask(ctx, w.replicas[0], 100, 100)
	}
	result, err := w.run(t)
	if err != nil || len(result.Results) != 3 {
		t.Fatalf("%d steps, %v", len(result.Results), err)
	}
	first, second, third := &result.Results[0], &result.Results[1], &result.Results[2]
	if first.Guard == nil || first.Repeated || second.Guard == nil || !second.Repeated || second.Number != first.Number {
		t.Errorf("guard %v, then %v", first.Guard, second.Guard)
	}
	if third.Guard != nil || third.RequestRate != 4 || third.Number != 2 || third.Repeated {
		t.Errorf("after them: %v at %g", third.Guard, third.RequestRate)
	}
	if len(w.trips) != 2 || w.trips[0] != *first.Guard || w.trips[1] != *second.Guard {
		t.Errorf("told were %v", w.trips)
	}
}

// aborted checks the result of a step that the guard aborted.
func aborted(t *testing.T, r *prober.StepResult, limit config.GuardLimit, allowed float64, action config.GuardAction) {
	t.Helper()
	if r.Guard.Limit != limit || r.Guard.Allowed != allowed || r.Guard.Value <= allowed || r.Guard.Action != action || r.Guard.Replica != "http://replica-0" {
		t.Errorf("the guard says %+v", r.Guard)
	}
	if len(r.Broken) != 1 || r.Broken[0].Promise != prober.PromiseGuard || !strings.Contains(r.Broken[0].Detail, r.Guard.String()) {
		t.Errorf("broken is %v", r.Broken)
	}
	if r.Completed != 0 || r.Good != 0 || r.Throughput != 0 || r.Goodput != 0 || r.OutputTokenThroughput != 0 || r.BenchThroughput != 0 ||
		r.OutputTokens != 0 || r.Unfinished != 0 || r.Latencies != nil || r.Measured != nil || len(r.Failures) != 0 {
		t.Errorf("something of the step is counted: %+v", r)
	}
}

// goneBy checks that the first step's requests had all ended by then, since the
// beginning of the bubble.
func (w *world) goneBy(t *testing.T, limit time.Duration) {
	t.Helper()
	first, ids := w.seen[0].ID, map[string]bool{}
	step := first[:strings.LastIndex(first, "-")+1]
	last := time.Duration(0)
	for _, o := range w.seen {
		if ids[o.ID] {
			t.Errorf("two requests have the id %s", o.ID)
		}
		ids[o.ID] = true
		if strings.HasPrefix(o.ID, step) && !strings.HasPrefix(o.ID, step+"repeated") {
			last = max(last, o.End)
		}
	}
	const settling = time.Second / 4
	if last += headStart + settling; last > limit {
		t.Errorf("the last request ended after %s, want %s or sooner", last, limit)
	}
}

// Requests of the prober's own that fail pass a limit too, of the step as a whole.
func TestTheGuardCountsErrors(t *testing.T) {
	w := newWorld(1, 16, 10)
	w.probe().Guard.ErrorRatio, w.probe().Guard.Action = new(0.5), config.AbortRun
	w.wrap = func(_ context.Context, h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				http.Error(rw, "overloaded", http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(rw, r)
		})
	}
	result, err := w.run(t)
	if err == nil || err.Error() != "the guard aborted the run: error_ratio is 1, more than 0.5" {
		t.Fatal(err)
	}
	// Ten requests take about a second to come, and two looks half of one.
	r := &result.Results[0]
	if took := r.EndedAt.Sub(r.StartedAt); took > 3*time.Second || r.Guard.Replica != "" {
		t.Errorf("after %s: %+v", took, r.Guard)
	}
	if len(r.Failures) != 1 || r.Failures[0].Outcome != prober.HTTP503 {
		t.Errorf("the failures that were the reason are not told: %v", r.Failures)
	}
}

// Before a run the guard waits until its limits are kept, by whatever action.
func TestARunWaitsForTheGuard(t *testing.T) {
	for _, action := range config.GuardActions() {
		t.Run(string(action), func(t *testing.T) {
			w := newWorld(1, 16, 3)
			w.probe().Guard.WaitingRequests, w.probe().Guard.Action = new(4.), action
			// 48 answers of 100 tokens in a batch of 16: others wait for two thirds of it.
			var began time.Time
			w.wrap = func(ctx context.Context, h http.Handler) http.Handler {
				began = time.Now()
				go ask(ctx, h, 48, 100)
				return h
			}
			r := w.one(t)
			// An iteration of 16 takes 27.3 + 16·0.24 + 16²·0.01 = 33.7 ms, and two
			// batches of 100 are over before the last one has nobody waiting.
			batches := 2 * 100 * 33.7 * float64(time.Millisecond)
			if waited := r.StartedAt.Sub(began); waited < time.Duration(batches) || waited > time.Duration(2*batches) {
				t.Errorf("the step began after %s, want after %s", waited, time.Duration(batches))
			}
			if len(w.trips) != 1 || w.trips[0].Action != config.Wait || w.trips[0].Limit != config.WaitingRequests || w.trips[0].Value != 32 {
				t.Errorf("told were %v", w.trips)
			}
			if !r.Valid() {
				t.Errorf("%v", r.Broken)
			}
		})
	}
}

func TestARunDoesNotWaitForEver(t *testing.T) {
	w := newWorld(1, 16, 3)
	w.probe().Guard.ForeignRequestsRunning, w.probe().Guard.WaitAtMost = new(3.), 20*time.Second
	w.wrap = func(ctx context.Context, h http.Handler) http.Handler {
		go func() {
			for ctx.Err() == nil {
				ask(ctx, h, 5, 100)
			}
		}()
		return h
	}
	result, err := w.run(t)
	const want = "the guard waited for 20s, and foreign_requests_running is 5, more than 3 on http://replica-0: " +
		"probe at a quieter time, or raise guard.foreign_requests_running or guard.wait_at_most"
	if err == nil || err.Error() != want {
		t.Fatalf("got  %v\nwant %s", err, want)
	}
	if took := result.EndedAt.Sub(result.StartedAt); took < 20*time.Second || took > 22*time.Second || len(result.Results) != 0 {
		t.Errorf("%d steps after %s", len(result.Results), took)
	}
}

// What cannot be seen is not within its limit.
func TestTheGuardDoesNotTrustWhatItCannotSee(t *testing.T) {
	for name, tt := range map[string]struct {
		page int
		text string
		want string
	}{
		"no page":   {http.StatusNotFound, "", "kv_cache_usage_ratio cannot be seen: GET /metrics: status 404 Not Found on http://replica-0: let "},
		"no figure": {http.StatusOK, "vllm:num_requests_running 0\n", "kv_cache_usage_ratio cannot be seen: GET /metrics does not tell it on http://replica-0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(1, 16, 3)
			w.probe().Guard.KVCacheUsageRatio, w.probe().Guard.WaitAtMost = new(0.9), 0
			w.wrap = func(_ context.Context, h http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/metrics" {
						rw.WriteHeader(tt.page)
						_, _ = rw.Write([]byte(tt.text))
						return
					}
					h.ServeHTTP(rw, r)
				})
			}
			if _, err := w.run(t); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A guard with only limits of the step's own requests asks nothing before a run.
func TestAGuardWithoutLimitsOfReplicasLooksAtNone(t *testing.T) {
	w := newWorld(1, 16, 3)
	w.probe().Guard.ErrorRatio = new(0.5)
	w.wrap = func(_ context.Context, h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/metrics" {
				http.NotFound(rw, r)
				return
			}
			h.ServeHTTP(rw, r)
		})
	}
	if r := w.one(t); !r.Valid() {
		t.Errorf("%v", r.Broken)
	}
}

// A replica that stops to answer in the middle of a step is not known to be well:
// a guard ends the step, and without one nothing does.
func TestTheGuardDoesNotGoOnBlind(t *testing.T) {
	for name, limit := range map[string]*float64{"guarded": new(100.), "not guarded": nil} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(1, 16, 3)
			w.probe().Guard.ForeignRequestsRunning = limit
			w.wrap = func(_ context.Context, h http.Handler) http.Handler {
				began := time.Now()
				return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/metrics" && time.Since(began) > 15*time.Second {
						<-r.Context().Done()
						return
					}
					h.ServeHTTP(rw, r)
				})
			}
			r := w.one(t)
			if (r.Guard != nil) != (limit != nil) || r.Valid() != (limit == nil) {
				t.Fatalf("guard %v, broken %v", r.Guard, r.Broken)
			}
			if limit == nil {
				return
			}
			if want := "foreign_requests_running cannot be seen: GET /metrics: no answer within 1s on http://replica-0"; r.Guard.String() != want {
				t.Errorf("got %s", r.Guard)
			}
			// The last reading that is answered, two seconds, and the reading under way.
			w.goneBy(t, 15*time.Second+replica.BlindLimit+replica.ReadingLimit)
		})
	}
}
