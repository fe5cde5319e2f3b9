package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// diary notes when runs began and ended, from the beginning of the test on.
type diary struct {
	prober.Silent
	epoch time.Time

	mu     sync.Mutex
	begins map[string][]time.Duration
	ends   map[string][]time.Duration
	last   map[string]*prober.RunResult
	steps  []*prober.StepResult // of all probes
	now    int                  // runs under way
	most   int
}

func newDiary() *diary {
	return &diary{
		epoch: time.Now(), begins: map[string][]time.Duration{}, ends: map[string][]time.Duration{}, last: map[string]*prober.RunResult{},
	}
}

func (d *diary) RunStarted(r prober.Run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begins[r.Probe] = append(d.begins[r.Probe], time.Since(d.epoch))
	d.now++
	d.most = max(d.most, d.now)
}

func (d *diary) RunEnded(r *prober.RunResult) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ends[r.Probe] = append(d.ends[r.Probe], time.Since(d.epoch))
	d.last[r.Probe] = r
	d.now--
}

func (d *diary) StepEnded(r *prober.StepResult) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps = append(d.steps, r)
}

// beats are the windows of the heartbeat that have ended.
func (d *diary) beats() []*prober.StepResult {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.steps), func(r *prober.StepResult) bool { return r.Probe != "beat" })
}

func (d *diary) begun(probe string) []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.begins[probe])
}

func (d *diary) ended(probe string) []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.ends[probe])
}

func (d *diary) result(probe string) *prober.RunResult {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last[probe]
}

// mostAtOnce is the largest number of runs that were under way at the same time.
func (d *diary) mostAtOnce() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.most
}

// journal is a log that tests read.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

// skip is one line of the log about starts that were left out.
type skip struct {
	Time   time.Time `json:"time"`
	Msg    string    `json:"msg"`
	Probe  string    `json:"probe"`
	Reason string    `json:"reason"`
	Count  int       `json:"count"`
	Next   string    `json:"next"`
}

// skips are the lines of the log about a probe's starts that were left out.
func (j *journal) skips(t *testing.T, probe string) []skip {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []skip
	for line := range bytes.Lines(j.b.Bytes()) {
		var s skip
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		if s.Msg == "run skipped" && s.Probe == probe {
			found = append(found, s)
		}
	}
	return found
}

// probeNamed is one with a step of 10 s at 2 requests per second.
func probeNamed(name string, interval time.Duration) config.Probe {
	p := config.DefaultProbe()
	p.Name, p.Schedule.Interval, p.Arms = name, interval, []config.Arm{{Target: "t"}}
	p.Workload.OutputTokens = config.Length{Fixed: 1}
	p.Pacing = config.Pacing{Process: config.Constant}
	p.Ladder = config.Ladder{Rates: []float64{2}, Window: 10 * time.Second, Drain: 10 * time.Second, Repeats: 1}
	return p
}

// withProbes is a configuration of the probes, with the targets that they name
// and "t". Each target has one replica of its own.
func withProbes(probes ...config.Probe) *config.Config {
	cfg := &config.Config{Probes: probes}
	names := []string{"t"}
	for _, p := range probes {
		for _, a := range p.Arms {
			names = append(names, a.Target)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		target := config.DefaultTarget()
		target.Name, target.Replicas = name, []string{"http://" + name}
		cfg.Targets = append(cfg.Targets, target)
	}
	return cfg
}

// bubble is a daemon in synthetic time, beside a simulated replica that answers
// at every address.
type bubble struct {
	*Daemon
	*diary
	*journal
	o       Options        // of its daemons
	cfg     *config.Config // what the next start or reload finds
	replica *simulator.Replica
	down    atomic.Bool  // no connection can be made
	looks   atomic.Int32 // how often /v1/models was asked for
}

func inBubble(t *testing.T, cfg *config.Config, test func(b *bubble)) {
	t.Helper()
	inBubbleFrom(t, time.Time{}, Options{}, cfg, test)
}

// inBubbleFrom lets the daemon start at a time; the synthetic one begins with the
// year 2000.
func inBubbleFrom(t *testing.T, start time.Time, o Options, cfg *config.Config, test func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(start))
		listener := simulator.NewPipeListener()
		ctx, end := context.WithCancel(t.Context())
		b := &bubble{cfg: cfg, diary: newDiary(), journal: &journal{}}
		b.replica = simulator.NewReplica(ctx, simulator.Options{Parameters: simulator.FieldReport()})
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			switch q.URL.Path {
			case "/metrics": // days of readings four times a second would take long
				http.NotFound(w, q)
				return
			case "/v1/models":
				b.looks.Add(1)
			}
			b.replica.ServeHTTP(w, q)
		})}
		go func() { _ = server.Serve(listener) }()

		o.Load = func() (*config.Config, error) { return b.cfg, nil }
		o.Observer = b.diary
		o.Logger = slog.New(slog.NewJSONHandler(b.journal, nil))
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			if b.down.Load() {
				return nil, syscall.ECONNREFUSED
			}
			return listener.DialContext(ctx, network, address)
		}
		o.Prober = prober.Options{Dial: dial, Synthetic: true}
		b.o = o
		b.start(t)
		test(b)
		b.Shutdown(ctx)
		end()
		time.Sleep(10 * time.Second) // idle connections end
		_ = server.Close()
		synctest.Wait()
	})
}

// start begins with a new daemon.
func (b *bubble) start(t *testing.T) {
	t.Helper()
	b.o.Registry = prometheus.NewRegistry()
	b.Daemon = New(b.o)
	if err := b.Apply(b.cfg); err != nil {
		t.Fatal(err)
	}
}

func (b *bubble) metricsPage() string {
	w := httptest.NewRecorder()
	b.page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// value is a series on the daemon's page of metrics.
func (b *bubble) value(t *testing.T, series string) float64 {
	t.Helper()
	for line := range strings.Lines(b.metricsPage()) {
		if text, found := strings.CutPrefix(line, series+" "); found {
			x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
	}
	t.Fatalf("there is no series %s", series)
	return 0
}
