package prober_test

import (
	"errors"
	"math"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s = %v, want %v ± %v", what, got, want, tolerance)
	}
}

// Against a server of constant latencies every figure of a step follows from the
// arrivals alone.
func TestStepAgainstAServerOfKnownTruth(t *testing.T) {
	const first, next, tokens = 80 * time.Millisecond, 20 * time.Millisecond, 64
	w := newWorld(steady(first, next))
	w.probe().SLO.TTFT = 100 * time.Millisecond
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	r := result.Results[0]
	if !r.Valid() {
		t.Fatalf("not valid: %v", r.Broken)
	}

	e2e := first + (tokens-1)*next
	offered, completed, lastMeasured := 0, 0, time.Duration(0)
	firstMeasured := time.Duration(-1)
	for at := range prober.Arrivals(config.Pacing{Process: config.Poisson}, 10, r.Seed) {
		if at >= 25*time.Second {
			break
		}
		if at >= 5*time.Second {
			offered++
			lastMeasured = at
			if firstMeasured < 0 {
				firstMeasured = at
			}
		}
		if end := at + e2e; end >= 5*time.Second && end < 25*time.Second {
			completed++
		}
	}
	if r.Offered != offered || r.Completed != completed || r.Good != completed {
		t.Errorf("offered %d, completed %d, good %d; want %d, %d, %d", r.Offered, r.Completed, r.Good, offered, completed, completed)
	}
	l := r.Latencies
	if l.TTFT.Count != offered || l.TPOT.Count != offered || l.E2E.Count != offered || l.ITL.Count != offered*(tokens-1) {
		t.Errorf("counts %d, %d, %d, %d; want %d measured", l.TTFT.Count, l.TPOT.Count, l.E2E.Count, l.ITL.Count, offered)
	}
	// The window of 20 s in parts of 0.625 s.
	intended, ended := make([]int, 32), make([]int, 32)
	for at := range prober.Arrivals(config.Pacing{Process: config.Poisson}, 10, r.Seed) {
		if at >= 25*time.Second {
			break
		}
		if in := at - 5*time.Second; in >= 0 {
			intended[in/(625*time.Millisecond)]++
		}
		if in := at + e2e - 5*time.Second; in >= 0 && in < 20*time.Second {
			ended[in/(625*time.Millisecond)]++
		}
	}
	b := r.Batches
	if !slices.Equal(b.TTFT.Count, intended) || !slices.Equal(b.E2E.Count, intended) || !slices.Equal(b.TPOT.Count, intended) {
		t.Errorf("the parts have %v requests, want %v", b.TTFT.Count, intended)
	}
	if !slices.Equal(b.Completed, ended) || !slices.Equal(b.Good, ended) {
		t.Errorf("%v completed in the parts and %v kept the SLO, want %v", b.Completed, b.Good, ended)
	}
	near(t, "the first part's sum of TPOT", b.TPOT.Sum[0], float64(intended[0])*next.Seconds(), 1e-6)
	const exact = 1e-9
	near(t, "mean TTFT", l.TTFT.Mean, first.Seconds(), exact)
	near(t, "max TTFT", l.TTFT.Max, first.Seconds(), exact)
	near(t, "mean TPOT", l.TPOT.Mean, next.Seconds(), exact)
	near(t, "mean ITL", l.ITL.Mean, next.Seconds(), exact)
	near(t, "p99 ITL", l.ITL.P99, next.Seconds(), next.Seconds()*0.0055)
	near(t, "mean E2E", l.E2E.Mean, e2e.Seconds(), exact)
	near(t, "throughput", r.Throughput, float64(completed)/20, exact)
	near(t, "output token throughput", r.OutputTokenThroughput, float64(completed)*tokens/20, exact)
	near(t, "bench throughput", r.BenchThroughput, float64(offered)/(lastMeasured-firstMeasured+e2e).Seconds(), exact)
	if r.PromptTokens != offered*128 || r.OutputTokens != offered*tokens {
		t.Errorf("tokens %d and %d, want %d and %d", r.PromptTokens, r.OutputTokens, offered*128, offered*tokens)
	}
}

// The load goes on until the last measured request has ended, and no longer.
func TestLoadGoesOnThroughTheDrain(t *testing.T) {
	w := newWorld(steady(3*time.Second, 10*time.Millisecond))
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	lastMeasuredEnd, lastIntended := time.Duration(0), time.Duration(0)
	for _, o := range w.observations {
		if o.Phase == prober.Window {
			lastMeasuredEnd = max(lastMeasuredEnd, o.End)
		}
		lastIntended = max(lastIntended, o.Intended)
	}
	if gap := lastMeasuredEnd - lastIntended; gap < 0 || gap > time.Second {
		t.Errorf("the last request was sent at %s, the last measured one ended at %s", lastIntended, lastMeasuredEnd)
	}
	if got := result.Results[0].Outcomes[prober.Drain][prober.Aborted]; got == 0 {
		t.Error("no request of the drain was cut, so the server was seen emptying")
	}
	if got := result.Results[0].Failures; len(got) != 0 {
		t.Errorf("what the step's end cut is told as a failure: %v", got)
	}
}

func TestDrainLimitCutsAndSaysSo(t *testing.T) {
	w := newWorld(steady(50*time.Second, time.Millisecond))
	w.probe().Timeouts.FirstToken = time.Minute
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	r := result.Results[0]
	if took := r.EndedAt.Sub(r.StartedAt); took != 55*time.Second {
		t.Errorf("took %s, want 5s + 20s + 30s", took)
	}
	// Those intended in the first 5 s of the window's 20 end within the drain.
	if r.Unfinished == 0 || r.Unfinished+r.Latencies.TTFT.Count != r.Offered {
		t.Errorf("unfinished %d of %d, finished %d", r.Unfinished, r.Offered, r.Latencies.TTFT.Count)
	}
}

func TestCapOnRequestsInFlightInvalidatesTheStep(t *testing.T) {
	w := newWorld(steady(2*time.Second, time.Millisecond))
	w.probe().MaxInFlight = 5
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	r := result.Results[0]
	if r.Valid() || r.Broken[0].Promise != prober.PromiseInFlightCap || r.Dropped == 0 || r.Latencies != nil {
		t.Errorf("broken %v, dropped %d, latencies %v", r.Broken, r.Dropped, r.Latencies)
	}
	if len(w.observations)+r.Dropped < r.Offered {
		t.Errorf("%d sent and %d dropped of %d offered", len(w.observations), r.Dropped, r.Offered)
	}
}

func TestStopLetsRequestsInFlightEnd(t *testing.T) {
	w := newWorld(steady(2*time.Second, time.Millisecond))
	w.during = func(p *prober.Prober) {
		time.Sleep(10 * time.Second)
		p.Stop()
	}
	result, err := w.run(t)
	if err == nil || result.Err == "" {
		t.Error("a stopped run succeeded")
	}
	for _, o := range w.observations {
		if o.Outcome != prober.OK {
			t.Errorf("a request that was in flight ended as %s: %s", o.Outcome, o.Err)
		}
		if o.Intended > 10*time.Second {
			t.Errorf("a request was sent at %s, after the stop", o.Intended)
		}
	}
	if r := result.Results[0]; r.Valid() || r.Broken[0].Promise != prober.PromiseComplete {
		t.Errorf("an interrupted step is valid: %v", r.Broken)
	}
}

func TestArmsShareArrivalsAndTakeTurns(t *testing.T) {
	w := newWorld(steady(50*time.Millisecond, time.Millisecond), steady(50*time.Millisecond, time.Millisecond))
	w.probe().Arms = []config.Arm{{Target: "t", Replicas: 1}, {Target: "t"}}
	w.probe().Ladder.Rates = []float64{5, 10}
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	byRate := map[float64]map[int][]prober.Observation{}
	for i, r := range result.Results {
		if want := []float64{5, 5, 10, 10}[i]; r.RequestRate != want {
			t.Errorf("step %d is at %g requests per second, want %g", i+1, r.RequestRate, want)
		}
		if byRate[r.RequestRate] == nil {
			byRate[r.RequestRate] = map[int][]prober.Observation{}
		}
		byRate[r.RequestRate][r.Arm.GPUs] = r.Measured
	}
	for rate, measured := range byRate {
		a, b := measured[1], measured[2]
		if len(a) == 0 || len(a) != len(b) {
			t.Fatalf("%d and %d measured at %g requests per second", len(a), len(b), rate)
		}
		for i := range a {
			if a[i].Intended != b[i].Intended {
				t.Fatalf("request %d is intended at %s and %s", i, a[i].Intended, b[i].Intended)
			}
		}
	}
}

func TestBalance(t *testing.T) {
	for balance, wantSlow := range map[config.Balance]float64{
		config.RoundRobin: 0.5,
		// 10 requests a second of which the fast replica takes 5 ms leave the slow
		// one only those that come while the fast one is at work.
		config.LeastInFlight: 0.1,
	} {
		t.Run(string(balance), func(t *testing.T) {
			var slow, all atomic.Int64
			count := func(s server, counters ...*atomic.Int64) server {
				h := s(t.Context())
				return plain(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPost {
						for _, c := range counters {
							c.Add(1)
						}
					}
					h.ServeHTTP(w, r)
				}))
			}
			w := newWorld(count(steady(10*time.Second, time.Millisecond), &slow, &all), count(steady(time.Millisecond, 0), &all))
			w.target().Balance = balance
			if _, err := w.run(t); err != nil {
				t.Fatal(err)
			}
			if share := float64(slow.Load()) / float64(all.Load()); share > wantSlow+0.01 {
				t.Errorf("the slow replica got %.2f of the requests, want %.2f", share, wantSlow)
			}
		})
	}
}

func TestSendLagIsInTheTTFT(t *testing.T) {
	o := prober.Observation{
		Intended: time.Second, Sent: 1300 * time.Millisecond, Connecting: 100 * time.Millisecond,
		FirstToken: 1500 * time.Millisecond, LastToken: 2500 * time.Millisecond, OutputTokens: 11,
	}
	tpot, _ := o.TPOT()
	if o.TTFT() != 500*time.Millisecond || o.SendLag() != 200*time.Millisecond || tpot != 100*time.Millisecond || o.E2E() != 1500*time.Millisecond {
		t.Errorf("TTFT %s, send lag %s, TPOT %s, E2E %s", o.TTFT(), o.SendLag(), tpot, o.E2E())
	}
}

func TestPreflightSaysWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		handler http.HandlerFunc
		change  func(*world)
		want    string
	}{
		"401": {
			func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, `{"error":"Unauthorized"}`, http.StatusUnauthorized)
			}, nil,
			`target "t": replica http://replica-a: GET /v1/models: status 401 Unauthorized: Unauthorized ` +
				`(vLLM's --api-key belongs into the target's http_client.authorization, or into the file of run --api-key-file)`,
		},
		"another port": {
			http.NotFound, nil,
			`target "t": replica http://replica-a: GET /v1/models: status 404 Not Found: 404 page not found (is this the base URL of a vLLM?)`,
		},
		"hangs": {
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil,
			`target "t": replica http://replica-a: GET /v1/models: no answer within 10s: is the server hung, or the wrong address?`,
		},
		"down": {
			nil, func(w *world) { w.target().Replicas = []string{"http://nowhere"} },
			`target "t": replica http://nowhere: GET /v1/models: no route to nowhere:80`,
		},
		"not vLLM": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, nil,
			`target "t": replica http://replica-a: GET /v1/models: the answer is not vLLM's: invalid character '<' looking for beginning of value`,
		},
		"other model": {
			models().ServeHTTP, func(w *world) { w.target().Model = "llama" },
			`target "t": replica http://replica-a: serves "m" and not model "llama": set the target's model to one that all its replicas serve`,
		},
		"too long": {
			models().ServeHTTP, func(w *world) { w.probe().Workload.PromptTokens.Fixed = 4090 },
			`target "t": model "m" takes max_model_len 4096 tokens, the workload may ask for 4090 + 64: shorten prompt_tokens or output_tokens`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if tt.handler != nil {
				w = newWorld(plain(tt.handler))
			}
			if tt.change != nil {
				tt.change(w)
			}
			result, err := w.run(t)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if len(result.Results) != 0 || errors.Is(err, nil) {
				t.Error("the run had steps")
			}
		})
	}
}
