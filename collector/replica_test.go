package collector

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/common/config"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

const every = 15 * time.Second

// site is a bubble of synthetic time with replicas, and what asks them.
type site struct {
	*Replicas
	t        *testing.T
	ctx      context.Context
	servers  []*http.Server
	requests map[string]*atomic.Int64 // for /health, by replica

	mu      sync.Mutex
	network map[string]*simulator.PipeListener
	log     bytes.Buffer
}

// Write takes what is logged.
func (s *site) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(text)
}

func (s *site) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func inSite(t *testing.T, test func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		s := &site{t: t, ctx: ctx, network: map[string]*simulator.PipeListener{}, requests: map[string]*atomic.Int64{}}
		s.Replicas = NewReplicas(every, s.dial, slog.New(slog.NewTextHandler(s, nil)))
		test(s)
		s.Close()
		end()
		time.Sleep(10 * time.Second) // idle connections end
		for _, server := range s.servers {
			_ = server.Close()
		}
		synctest.Wait()
	})
}

func (s *site) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := strings.Cut(address, ":")
	s.mu.Lock()
	listener := s.network[host]
	s.mu.Unlock()
	if listener == nil {
		return nil, fmt.Errorf("dial %s: connection refused", address)
	}
	return listener.DialContext(ctx, network, address)
}

// serve puts a handler on the network and returns its URL.
func (s *site) serve(name string, h http.Handler) string {
	listener, count := simulator.NewPipeListener(), &atomic.Int64{}
	counted := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/health" {
			count.Add(1)
		}
		h.ServeHTTP(w, q)
	})
	server := &http.Server{Handler: counted, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() { _ = server.Serve(listener) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.network[name], s.requests[name], s.servers = listener, count, append(s.servers, server)
	return "http://" + name
}

func (s *site) simulated(name string) (*simulator.Replica, string) {
	replica := simulator.NewReplica(s.ctx, simulator.Options{Parameters: simulator.FieldReport()})
	return replica, s.serve(name, replica)
}

func (s *site) set(targets ...config.Target) {
	s.t.Helper()
	if err := s.Set(targets); err != nil {
		s.t.Fatal(err)
	}
}

func targetOf(name string, replicas ...string) config.Target {
	t := config.DefaultTarget()
	t.Name, t.Replicas = name, replicas
	return t
}

// up holds a check of a replica of target t against what is wanted: 1, 0, or -1 for
// a series that is not there.
func (s *site) up(replica, check string, want float64) {
	s.t.Helper()
	got, found := valueOf(s.t, s.Replicas, "vllm_prober_replica_up", fmt.Sprintf(`{check=%q,replica="http://%s",target="t"}`, check, replica))
	if !found {
		got = -1
	}
	if got != want {
		s.t.Errorf("replica %s: up of %s is %g, want %g; log:\n%s", replica, check, got, want, s.logged())
	}
}

func TestReplicas(t *testing.T) {
	inSite(t, func(s *site) {
		_, url := s.simulated("r")
		s.set(targetOf("t", url+"/"), targetOf("none"))
		time.Sleep(every)
		expected := `
# HELP vllm_prober_collector_duration_seconds How long the latest collection of a collector took.
# TYPE vllm_prober_collector_duration_seconds gauge
vllm_prober_collector_duration_seconds{collector="replica"} 0
# HELP vllm_prober_collector_success Whether the latest collection of a collector got all that it asked for.
# TYPE vllm_prober_collector_success gauge
vllm_prober_collector_success{collector="replica"} 1
# HELP vllm_prober_replica_info What a replica runs.
# TYPE vllm_prober_replica_info gauge
vllm_prober_replica_info{block_size="16",kv_cache_tokens="TOKENS",max_model_len="LENGTH",model="simulated",replica="http://r",target="t",version="0.32.0"} 1
# HELP vllm_prober_replica_kv_cache_usage_ratio Share of an engine's KV cache in use.
# TYPE vllm_prober_replica_kv_cache_usage_ratio gauge
vllm_prober_replica_kv_cache_usage_ratio{engine="0",replica="http://r",target="t"} 0
# HELP vllm_prober_replica_preemptions_total Requests that lost their slot.
# TYPE vllm_prober_replica_preemptions_total counter
vllm_prober_replica_preemptions_total{engine="0",replica="http://r",target="t"} 0
# HELP vllm_prober_replica_prefix_cache_hits_total Tokens that an engine's prefix cache held.
# TYPE vllm_prober_replica_prefix_cache_hits_total counter
vllm_prober_replica_prefix_cache_hits_total{engine="0",replica="http://r",target="t"} 0
# HELP vllm_prober_replica_prefix_cache_queries_total Tokens that an engine's prefix cache was asked for.
# TYPE vllm_prober_replica_prefix_cache_queries_total counter
vllm_prober_replica_prefix_cache_queries_total{engine="0",replica="http://r",target="t"} 0
# HELP vllm_prober_replica_requests_running Requests in an engine's slots.
# TYPE vllm_prober_replica_requests_running gauge
vllm_prober_replica_requests_running{engine="0",replica="http://r",target="t"} 0
# HELP vllm_prober_replica_requests_waiting Requests in an engine's queue.
# TYPE vllm_prober_replica_requests_waiting gauge
vllm_prober_replica_requests_waiting{engine="0",replica="http://r",target="t"} 0
# HELP vllm_prober_replica_up Whether a replica answered /health, /v1/models and /metrics when it was last asked, and whether the requests of the probes got tokens.
# TYPE vllm_prober_replica_up gauge
vllm_prober_replica_up{check="health",replica="http://r",target="t"} 1
vllm_prober_replica_up{check="metrics",replica="http://r",target="t"} 1
vllm_prober_replica_up{check="models",replica="http://r",target="t"} 1
`
		expected = strings.NewReplacer(
			"TOKENS", fmt.Sprint(simulator.BlockSize*simulator.FieldReport().KVBlocks), "LENGTH", fmt.Sprint(simulator.FieldReport().MaxModelLen),
		).Replace(expected)
		asked := "vllm_prober_replica_last_reading_timestamp_seconds"
		at, found := valueOf(t, s, asked, `{replica="http://r",target="t"}`)
		if age := unix(time.Now()) - at; !found || age < 0 || age > every.Seconds() {
			t.Errorf("%s is %g s old, %t", asked, age, found)
		}
		if err := testutil.CollectAndCompare(without{s, asked}, strings.NewReader(expected)); err != nil {
			t.Error(err)
		}
	})
}

// without is a collector without one of its metrics.
type without struct {
	prometheus.Collector
	name string
}

func (w without) Collect(metrics chan<- prometheus.Metric) {
	all := make(chan prometheus.Metric)
	go func() {
		w.Collector.Collect(all)
		close(all)
	}()
	for m := range all {
		if !strings.Contains(m.Desc().String(), w.name) {
			metrics <- m
		}
	}
}

// Each data-parallel rank has its own series, and an engine that has no name has none.
func TestReplicasKeepTheirEngines(t *testing.T) {
	inSite(t, func(s *site) {
		page := func(text string) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if q.URL.Path == "/metrics" {
					fmt.Fprint(w, text)
				}
			})
		}
		s.set(targetOf("t",
			s.serve("ranks", page("vllm:num_requests_running{engine=\"0\"} 1\nvllm:num_requests_running{engine=\"1\"} 2\n")),
			s.serve("old", page("vllm:num_requests_running 3\nvllm:gpu_prefix_cache_hit_rate 0.5\n"))))
		time.Sleep(every)
		for series, want := range map[string]float64{
			`{engine="0",replica="http://ranks",target="t"}`: 1, `{engine="1",replica="http://ranks",target="t"}`: 2,
			`{engine="",replica="http://old",target="t"}`: 3,
		} {
			if got, found := valueOf(t, s, "vllm_prober_replica_requests_running", series); !found || got != want {
				t.Errorf("%s is %g, %t, want %g", series, got, found, want)
			}
		}
		if got, _ := valueOf(t, s, "vllm_prober_replica_prefix_cache_hit_ratio", `{engine="",replica="http://old",target="t"}`); got != 0.5 {
			t.Errorf("hit ratio %g", got)
		}
		s.up("ranks", "models", 0) // the answer is empty
	})
}

// One that hangs and one that is down hold up neither the others nor a scrape, and
// what they do not say is not there.
func TestReplicasThatAreNotWell(t *testing.T) {
	inSite(t, func(s *site) {
		_, good := s.simulated("good")
		hung := s.serve("hung", http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() }))
		s.set(targetOf("t", hung, good, "http://down"))
		time.Sleep(2 * time.Second) // all are being asked
		s.up("good", "metrics", 1)
		s.up("hung", "health", -1)
		s.up("down", "health", 0)
		time.Sleep(answerLimit)
		began := time.Now()
		for _, check := range []string{"health", "models", "metrics"} {
			s.up("good", check, 1)
			s.up("hung", check, 0)
			s.up("down", check, 0)
			s.up("hung", "stream", -1)
		}
		if n := testutil.CollectAndCount(s, "vllm_prober_replica_requests_running"); n != 1 {
			t.Errorf("%d replicas tell how many requests they run, want 1", n)
		}
		if n := testutil.CollectAndCount(s, "vllm_prober_replica_info"); n != 1 {
			t.Errorf("%d replicas tell what they run, want 1", n)
		}
		if got, _ := valueOf(t, s, "vllm_prober_collector_duration_seconds", `{collector="replica"}`); got != answerLimit.Seconds() {
			t.Errorf("the latest collection took %g s, want %s", got, answerLimit)
		}
		if got, found := valueOf(t, s, "vllm_prober_collector_success", `{collector="replica"}`); !found || got != 0 {
			t.Errorf("success %g, %t", got, found)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("scrapes took %s", took)
		}

		// It is told once, with its reason, and once more when that is over.
		time.Sleep(3 * every)
		if n := strings.Count(s.logged(), "replica=http://hung check=health err=\"GET /health: no answer within 5s\""); n != 1 {
			t.Errorf("told %d times, want 1:\n%s", n, s.logged())
		}
		s.simulated("down")
		time.Sleep(every)
		s.up("down", "health", 1)
		if !strings.Contains(s.logged(), `msg="a replica answers again" target=t replica=http://down check=health`) {
			t.Errorf("the log is\n%s", s.logged())
		}
	})
}

// Each is asked once in an interval, not all at the same time, and not by scrapes.
func TestReplicasAreAskedOnTheirInterval(t *testing.T) {
	inSite(t, func(s *site) {
		var urls []string
		for i := range 20 {
			_, url := s.simulated(fmt.Sprintf("r%d", i))
			urls = append(urls, url)
		}
		s.set(targetOf("t", urls...))
		synctest.Wait()
		time.Sleep(2 * time.Second)
		times := map[float64]bool{}
		for i := range urls {
			at, found := valueOf(t, s, "vllm_prober_replica_last_reading_timestamp_seconds", fmt.Sprintf(`{replica="http://r%d",target="t"}`, i))
			times[at] = found
		}
		if len(times) < 10 {
			t.Errorf("20 replicas were asked at %d different times", len(times))
		}
		time.Sleep(3 * every)
		for name, n := range s.requests {
			if n.Load() != 4 {
				t.Errorf("%s was asked %d times in three intervals and a bit, want 4", name, n.Load())
			}
		}
	})
}

// What nobody has renewed for long is no longer told, but for when that was.
func TestStaleReadingsGo(t *testing.T) {
	inSite(t, func(s *site) {
		_, url := s.simulated("r")
		s.set(targetOf("t", url))
		time.Sleep(2 * time.Second)
		s.Close() // nobody asks any more
		time.Sleep(staleAfter*every - 3*time.Second)
		s.up("r", "health", 1)
		time.Sleep(5 * time.Second)
		s.up("r", "health", -1)
		for name, want := range map[string]int{
			"vllm_prober_replica_requests_running": 0, "vllm_prober_replica_info": 0, "vllm_prober_replica_last_reading_timestamp_seconds": 1,
		} {
			if n := testutil.CollectAndCount(s, name); n != want {
				t.Errorf("%d series of %s, want %d", n, name, want)
			}
		}
		if got, _ := valueOf(t, s, "vllm_prober_collector_success", `{collector="replica"}`); got != 0 {
			t.Error("a collection that nobody has made was a success")
		}
	})
}

// A new configuration leaves those alone that it leaves as they were.
func TestReplicasFollowTheConfiguration(t *testing.T) {
	inSite(t, func(s *site) {
		_, a := s.simulated("a")
		_, b := s.simulated("b")
		_, c := s.simulated("c")
		s.set(targetOf("t", a, b))
		time.Sleep(5 * time.Second)
		s.RequestEnded(prober.Step{Arm: prober.Arm{Target: "t"}, StartedAt: time.Now()},
			&prober.Observation{Replica: a, Outcome: prober.OK, FirstToken: 1, LastToken: 1})
		s.RequestEnded(prober.Step{Arm: prober.Arm{Target: "t"}, StartedAt: time.Now()},
			&prober.Observation{Replica: "http://gone", Outcome: prober.OK, FirstToken: 1, LastToken: 1})
		changed := targetOf("t", a, c)
		s.set(changed)
		s.up("a", "health", 1)
		s.up("a", "stream", 1)
		s.up("b", "health", -1)
		s.up("gone", "stream", -1)
		time.Sleep(5 * time.Second)
		s.up("c", "health", 1)
		if n := s.requests["a"].Load(); n != 1 {
			t.Errorf("a was asked %d times, want 1: nothing about it changed", n)
		}

		// Another way to ask asks anew; what requests have shown stays true.
		changed.HTTPClient.Authorization = &promconfig.Authorization{Type: "Bearer", Credentials: "k"}
		s.set(changed)
		s.up("a", "health", -1)
		s.up("a", "stream", 1)
		time.Sleep(5 * time.Second)
		s.up("a", "health", 1)
		if n := s.requests["a"].Load(); n != 2 {
			t.Errorf("a was asked %d times, want 2", n)
		}

		// With a mistake all stays as it was.
		wrong := targetOf("u", b)
		wrong.HTTPClient.TLSConfig.CAFile = "/nowhere"
		if err := s.Set([]config.Target{wrong}); err == nil || !strings.Contains(err.Error(), `target "u"`) {
			t.Errorf("a certificate that is not there: %v", err)
		}
		s.up("a", "health", 1)
	})
}

// A wedged engine answers /health and makes no tokens: a step of a probe shows it as
// soon as its first request has waited in vain, and the next one that it works again.
func TestAWedgedEngineIsSeenWithinAStep(t *testing.T) {
	inSite(t, func(s *site) {
		replica, url := s.simulated("r")
		target := targetOf("t", url)
		s.set(target)
		probe := config.DefaultProbe()
		probe.Name, probe.Arms, probe.Seed = "p", []config.Arm{{Target: "t"}}, 1
		probe.Pacing.Process = config.Constant
		probe.Ladder = config.Ladder{Rates: []float64{2}, Window: 10 * time.Second, Drain: 10 * time.Second, Repeats: 1}
		probe.Timeouts.FirstToken = 4 * time.Second
		p, err := prober.New(&config.Config{Targets: []config.Target{target}}, probe, prober.Options{
			Observer: s, Logger: slog.New(slog.DiscardHandler), Dial: s.dial, Synthetic: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		step := func(during func()) {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				if _, err := p.Run(s.ctx); err != nil {
					t.Error(err)
				}
			}()
			during()
			<-ended
		}
		step(func() { s.up("r", "stream", -1) })
		s.up("r", "stream", 1)

		replica.SetFaults(simulator.FaultShare{Fault: simulator.Wedged, Share: 1})
		step(func() {
			time.Sleep(4 * time.Second) // the first request is sent after half a second
			s.up("r", "stream", 1)
			time.Sleep(time.Second)
			s.up("r", "stream", 0)
		})
		for check, want := range map[string]float64{"health": 1, "models": 1, "metrics": 1, "stream": 0} {
			s.up("r", check, want)
		}

		replica.SetFaults()
		step(func() {})
		s.up("r", "stream", 1)
	})
}
