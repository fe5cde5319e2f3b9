package replica_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/replica"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// page is what a replica answers: its health, and when it says that it started.
type page struct {
	health int
	start  string // of process_start_time_seconds; empty where it tells none
	tokens int
}

// TestRenewed lets a replica go through pages, one a second, and expects the wait
// for its new engine to end at the last of them.
func TestRenewed(t *testing.T) {
	old := page{http.StatusOK, "1.7e9", 500}
	starting, made := page{http.StatusServiceUnavailable, "1.7000001e9", 0}, page{http.StatusOK, "1.7000001e9", 0}
	for name, c := range map[string]struct {
		before page
		after  []page
		lacks  string // empty means that it is renewed with the last page
	}{
		"at once":                         {old, []page{made}, ""},
		"after the old one":               {old, []page{old, old, made}, ""},
		"only once it is ready":           {old, []page{starting, starting, made}, ""},
		"not while the old one answers":   {old, []page{old, old}, "still runs the engine that started at 2023-11-14T22:13:20Z"},
		"not while it is unhealthy":       {old, []page{old, starting}, "GET /health: status 503"},
		"told by its counts":              {page{200, "", 500}, []page{{200, "", 510}, {200, "", 0}}, ""},
		"nothing tells":                   {page{200, "", 0}, []page{{200, "", 0}}, "do not tell when it started"},
		"nothing tells, but it was away":  {page{200, "", 0}, []page{{200, "", 0}, {503, "", 0}, {200, "", 0}}, ""},
		"it was away, and comes back new": {page{health: 0}, []page{{health: 0}, made}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now().Add(time.Hour) // of the wait
				l := simulator.NewPipeListener()
				s := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					now := c.before
					if i := int(time.Since(began) / time.Second); i >= 0 && !time.Now().Before(began) {
						now = c.after[min(i, len(c.after)-1)]
					}
					now.serve(w, r)
				})}
				go func() { _ = s.Serve(l) }()
				target := config.DefaultTarget()
				target.Name, target.Replicas = "t", []string{"http://replica"}
				probe := config.DefaultProbe()
				probe.Arms = []config.Arm{{Target: "t"}}
				w, err := replica.NewWatcher(&config.Config{Targets: []config.Target{target}}, probe, l.DialContext, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				place := prober.Place{Target: "t", Replicas: []*url.URL{{Scheme: "http", Host: "replica", Path: "/"}}}
				before := w.Engines(t.Context(), place)
				time.Sleep(time.Until(began))
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(len(c.after))*time.Second)
				defer cancel()
				err = w.Renewed(ctx, place, before)
				switch waited := time.Since(began); {
				case c.lacks == "" && (err != nil || waited != time.Duration(len(c.after)-1)*time.Second):
					t.Errorf("after %s: %v", waited, err)
				case c.lacks != "" && (err == nil || !strings.Contains(err.Error(), "replica http://replica: ") || !strings.Contains(err.Error(), c.lacks)):
					t.Errorf("the error is %v", err)
				}
				time.Sleep(10 * time.Second) // idle connections end
				_ = s.Close()
				synctest.Wait()
			})
		})
	}
}

func (p page) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case p.health == 0:
		panic(http.ErrAbortHandler)
	case r.URL.Path == "/health":
		w.WriteHeader(p.health)
	default:
		if p.start != "" {
			fmt.Fprintf(w, "process_start_time_seconds %s\n", p.start)
		}
		fmt.Fprintf(w, "vllm:generation_tokens_total %d\n", p.tokens)
	}
}
