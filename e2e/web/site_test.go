package web

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
	"vllm_prober/internal/daemon"
	"vllm_prober/internal/results"
	"vllm_prober/internal/simulator"
)

// site is a daemon that probes simulated replicas, with a history.
type site struct {
	url string
	// run is the id of the newest run of the history, before that of one before its level
	// changed, bad that of one with hostile texts where there is one, refused that of one
	// without a step.
	run, before, bad, refused string

	cfg     *config.Config
	daemon  *daemon.Daemon
	handler http.Handler
	server  *httptest.Server
}

// traits are what a site can be beside the usual.
type traits struct {
	resting bool // its ladder makes no run of its own
	hostile bool // servers and configuration have texts that mean harm
}

// newSite starts a daemon whose ladder begins at once and takes a minute.
func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteOf(t, traits{})
}

func newSiteOf(t *testing.T, is traits) *site {
	t.Helper()
	cfg := &config.Config{}
	for _, target := range []struct {
		name      string
		batchSize int
	}{{"batch-16", 16}, {"batch-32", 32}, {"canary", 16}} {
		fleet, err := simulator.Start("127.0.0.1", 0, 2, simulator.Options{Model: "llama-3.1-8b", Parameters: simulator.FieldReport()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(fleet.Close)
		c := config.DefaultTarget()
		c.Name, c.BatchSize, c.Replicas = target.name, target.batchSize, fleet.URLs
		if is.hostile {
			c.Labels = map[string]string{"team": hostile}
		}
		cfg.Targets = append(cfg.Targets, c)
	}
	ladder := config.DefaultProbe()
	ladder.Name, ladder.Arms = "ladder", []config.Arm{{Target: "batch-16"}, {Target: "batch-32"}}
	ladder.Ladder = config.Ladder{
		Rates: []float64{8, 24, 40}, Warmup: time.Second, Window: 5 * time.Second, Drain: 20 * time.Second, Cooldown: 500 * time.Millisecond, Repeats: 1,
	}
	ladder.Workload.OutputTokens = config.Length{Fixed: simulator.FieldReportOutput}
	ladder.Pacing = config.Pacing{Process: config.Constant}
	ladder.SLO.TTFT, ladder.SLO.TPOT = 500*time.Millisecond, 50*time.Millisecond
	ladder.Schedule.Interval = time.Hour
	if is.resting {
		ladder.Schedule.Interval = 0
		ladder.Schedule.Cron = fmt.Sprintf("0 0 1 %d *", time.Now().AddDate(0, 6, 0).Month())
	}
	ladder.MaxSendLag = 2 * time.Second // what is looked at here is no measurement
	beat := config.DefaultProbe()
	beat.Schedule, beat.Ladder, beat.Guard = config.Schedule{}, config.Ladder{}, config.Guard{}
	beat.Name, beat.Arms, beat.Heartbeat = "canary", []config.Arm{{Target: "canary"}}, &config.Heartbeat{Rate: 2, Window: 5 * time.Second}
	beat.Workload.OutputTokens = config.Length{Fixed: 16}
	beat.MaxSendLag = 2 * time.Second
	cfg.Probes = []config.Probe{ladder, beat}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	store, err := results.Open(t.TempDir(), results.Retention{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	s := &site{cfg: cfg}
	s.record(t, store, cfg, is.hostile)
	s.daemon = daemon.New(daemon.Options{
		Load: func() (*config.Config, error) { return cfg, nil }, Registry: prometheus.NewRegistry(), Logger: quiet, Records: store,
	})
	if err := s.daemon.Apply(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.daemon.Shutdown(t.Context()) }) // the test's context has ended: at once
	s.handler = s.daemon.Handler()
	s.serve(t, "127.0.0.1:0")
	return s
}

// serve answers at an address.
func (s *site) serve(t *testing.T, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewUnstartedServer(s.handler)
	s.server.Listener.Close()
	s.server.Listener = listener
	s.server.Start()
	s.url = s.server.URL
	t.Cleanup(s.server.Close)
}

// view is a page that is looked at, by the name of its pictures.
type view struct{ name, path string }

// pages are all pages. Those come first that are of the newest run of the history, until
// the run under way ends.
func (s *site) pages() []view {
	return []view{
		{"probe", "/probes/ladder"},
		{"overview", "/"},
		{"run", "/runs/" + s.run},
		{"compare", s.comparison()},
		{"heartbeat", "/probes/canary"},
		{"runs", "/runs"},
		{"configuration", "/configuration"},
	}
}

// comparison is that of the newest run with one before the change of its level.
func (s *site) comparison() string { return "/compare?base=" + s.before + "&other=" + s.run }
