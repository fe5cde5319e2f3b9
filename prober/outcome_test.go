package prober_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// simulated is a replica on which every request meets a fault.
func simulated(fault simulator.Fault, change func(*simulator.Options)) server {
	return func(ctx context.Context) http.Handler {
		o := simulator.Options{Parameters: simulator.FieldReport()}
		if fault != simulator.NoFault {
			o.Faults = []simulator.FaultShare{{Fault: fault, Share: 1}}
		}
		if change != nil {
			change(&o)
		}
		return simulator.NewReplica(ctx, o)
	}
}

// Every fault has one outcome, each request is counted once under it, and only
// what is ok enters a latency.
func TestOutcomes(t *testing.T) {
	tests := map[simulator.Fault]prober.Outcome{
		simulator.NoFault:         prober.OK,
		simulator.Drop:            prober.Truncated,
		simulator.BadRequest:      prober.HTTP4xx,
		simulator.Unauthorized:    prober.HTTP4xx,
		simulator.TooManyRequests: prober.HTTP429,
		simulator.InternalError:   prober.HTTP5xx,
		simulator.Unavailable:     prober.HTTP503,
		simulator.StreamError:     prober.StreamError,
		simulator.Cut:             prober.Truncated,
		simulator.NoDone:          prober.Truncated,
		simulator.Short:           prober.ShortOutput,
		simulator.HangHeaders:     prober.TimeoutFirstToken,
		simulator.HangFirstToken:  prober.TimeoutFirstToken,
		simulator.Stall:           prober.TimeoutStall,
		simulator.Trickle:         prober.TimeoutTotal,
		simulator.NotStreamed:     prober.StreamError,
		simulator.Garbage:         prober.StreamError,
		simulator.Wedged:          prober.TimeoutFirstToken,
		simulator.Grouped:         prober.OK,
		simulator.Coalesced:       prober.OK,
		simulator.Split:           prober.OK,
		simulator.CRLF:            prober.OK,
		simulator.Comments:        prober.OK,
		simulator.NoUsage:         prober.OK,
		simulator.Reasoning:       prober.OK,
	}
	for _, fault := range simulator.Faults() {
		if _, ok := tests[fault]; !ok {
			t.Errorf("fault %q has no expectation", fault)
		}
	}
	for fault, want := range tests {
		for _, endpoint := range []config.Endpoint{config.Completions, config.Chat} {
			t.Run(string(fault)+" "+string(endpoint), func(t *testing.T) {
				w := newWorld(simulated(fault, nil))
				w.probe().Workload.Endpoint = endpoint
				w.probe().Workload.OutputTokens.Fixed = 9
				w.probe().Ladder.Rates = []float64{2}
				w.probe().Timeouts = config.Timeouts{
					Connect: time.Second, FirstToken: 2 * time.Second, Stall: 3 * time.Second, Total: 10 * time.Second,
				}
				result, err := w.run(t)
				if err != nil {
					t.Fatal(err)
				}
				r := result.Results[0]
				counts := r.Outcomes[prober.Window]
				if r.Offered == 0 || len(counts) != 1 || counts[want] != r.Offered {
					t.Errorf("of %d offered: %v, want all %s: %v", r.Offered, counts, want, r.Failures)
				}
				measured := 0
				if want == prober.OK {
					measured = r.Offered
					if r.OutputTokens != 9*measured {
						t.Errorf("%d output tokens of %d answers of 9", r.OutputTokens, measured)
					}
				}
				l := r.Latencies
				if l.TTFT.Count != measured || l.TPOT.Count != measured || l.E2E.Count != measured || measured == 0 && l.ITL.Count != 0 {
					t.Errorf("latencies of %d, %d, %d requests and %d gaps, want %d", l.TTFT.Count, l.TPOT.Count, l.E2E.Count, l.ITL.Count, measured)
				}
				if len(w.observations) != w.sent {
					t.Errorf("%d sent, %d ended", w.sent, len(w.observations))
				}
			})
		}
	}
}

func TestTimeoutsFireAtTheirTimes(t *testing.T) {
	for fault, want := range map[simulator.Fault]struct{ from, to time.Duration }{
		simulator.HangHeaders: {2 * time.Second, 2 * time.Second},
		// Frontend, two iterations of a token each, then 3 s of silence.
		simulator.Stall:   {3 * time.Second, 4 * time.Second},
		simulator.Trickle: {10 * time.Second, 10 * time.Second},
	} {
		w := newWorld(simulated(fault, nil))
		w.probe().Workload.OutputTokens.Fixed = 4
		w.probe().Ladder.Rates = []float64{1}
		w.probe().Timeouts = config.Timeouts{
			Connect: time.Second, FirstToken: 2 * time.Second, Stall: 3 * time.Second, Total: 10 * time.Second,
		}
		if _, err := w.run(t); err != nil {
			t.Fatal(err)
		}
		for _, o := range w.observations {
			if took := o.End - o.Intended; o.Phase == prober.Window && (took < want.from || took > want.to) {
				t.Errorf("%s: ended after %s, want %s to %s", fault, took, want.from, want.to)
			}
		}
	}
}

// The shape of the stream must not change what is counted.
func TestTokensAreCountedWhateverTheChunks(t *testing.T) {
	for fault, want := range map[simulator.Fault]struct{ gaps, coalesced int }{
		simulator.NoFault:   {8, 0},
		simulator.Grouped:   {6, 0}, // chunks of 3: the first one's tokens have no gap
		simulator.Coalesced: {8, 1},
		simulator.Split:     {8, 0},
	} {
		w := newWorld(simulated(fault, nil))
		w.probe().Workload.OutputTokens.Fixed = 9
		w.probe().Ladder.Rates = []float64{1}
		result, err := w.run(t)
		if err != nil {
			t.Fatal(err)
		}
		r := result.Results[0]
		if r.Latencies.ITL.Count != want.gaps*r.Offered {
			t.Errorf("%s: %d gaps of %d requests, want %d each", fault, r.Latencies.ITL.Count, r.Offered, want.gaps)
		}
		if (r.CoalescedReads > 0) != (want.coalesced > 0) {
			t.Errorf("%s: a share of %v of the reads is coalesced", fault, r.CoalescedReads)
		}
		sum := r.Latencies.ITL.Mean * float64(r.Latencies.ITL.Count)
		span := 0.0
		for _, o := range r.Measured {
			span += (o.LastToken - o.FirstToken).Seconds()
		}
		near(t, string(fault)+": sum of the gaps", sum, span, 1e-6)
	}
}

// oneRun makes a short run over real sockets and returns its observations.
func oneRun(t *testing.T, target config.Target) []prober.Observation {
	t.Helper()
	w := newWorld()
	target.Name, target.Model = "t", "m"
	w.cfg.Targets[0] = target
	w.probe().Ladder = config.Ladder{Rates: []float64{20}, Window: 300 * time.Millisecond, Drain: 5 * time.Second, Repeats: 1}
	w.probe().Timeouts.Connect = time.Second
	w.probe().Workload.OutputTokens.Fixed = 3
	p, err := prober.New(w.cfg, *w.probe(), prober.Options{Observer: w.recorder, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.observations) == 0 {
		t.Fatal("nothing was observed")
	}
	return w.observations
}

// gone is a handler that answers 404 to the list of models, which a named model
// can do without, and h to the rest.
func gone(h http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", http.NotFound)
	mux.HandleFunc("POST /", h)
	return mux
}

func TestTLSOutcome(t *testing.T) {
	s := httptest.NewTLSServer(steady(0, 0)(t.Context()))
	defer s.Close()
	s.Config.ErrorLog = nil
	target := config.DefaultTarget()
	target.Replicas = []string{s.URL}
	target.HTTPClient.TLSConfig = promconfig.TLSConfig{InsecureSkipVerify: true}
	for _, o := range oneRun(t, target) {
		if o.Outcome != prober.OK {
			t.Errorf("with TLS: %s: %s", o.Outcome, o.Err)
		}
		if o.FirstToken <= o.Sent || o.Sent == 0 {
			t.Errorf("with TLS: sent at %s, first token at %s", o.Sent, o.FirstToken)
		}
	}
}

// The prober's own errors hold no secret, even where the server repeats it.
func TestNoErrorShowsASecret(t *testing.T) {
	echo := httptest.NewServer(gone(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, `{"error":{"message":"who is `+r.Header.Get("Authorization")+r.Header.Get("X-Key")+`?"}}`, http.StatusForbidden)
	}))
	defer echo.Close()
	clients := map[string]promconfig.HTTPClientConfig{
		"bearer": {Authorization: &promconfig.Authorization{Type: "Bearer", Credentials: "sk-123"}},
		"basic":  {BasicAuth: &promconfig.BasicAuth{Username: "u", Password: "sk-123"}},
		"header": {HTTPHeaders: &promconfig.Headers{Headers: map[string]promconfig.Header{"X-Key": {Secrets: []promconfig.Secret{"sk-123"}}}}},
	}
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			target := config.DefaultTarget()
			target.Replicas, target.HTTPClient = []string{echo.URL}, client
			for _, o := range oneRun(t, target) {
				if o.Outcome != prober.HTTP4xx || !strings.Contains(o.Err, "<secret>") || strings.Contains(o.Err, "sk-123") ||
					strings.Contains(o.Err, "dTpzay0xMjM=") {
					t.Errorf("%s: %s", o.Outcome, o.Err)
				}
			}
		})
	}
}

func TestRefusedConnectionAndBadHandshake(t *testing.T) {
	// The list of models answers 404, and by the time of the requests the
	// server is another.
	for name, tt := range map[string]struct {
		scheme string
		close  bool
		want   prober.Outcome
	}{
		"refused":       {"http", true, prober.Connect},
		"no TLS spoken": {"https", false, prober.TLS},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.NotFoundHandler())
			defer s.Close()
			if tt.close {
				s.Close()
			}
			u, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			o := prober.Ask(t.Context(), tt.scheme+"://"+u.Host, time.Second)
			if o.Outcome != tt.want || o.Err == "" {
				t.Errorf("%s: %s, want %s", o.Outcome, o.Err, tt.want)
			}
		})
	}
}
