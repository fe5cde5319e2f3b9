package replica

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/expfmt"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
)

const readLimit = 5 * time.Second

// readOnce reads a replica once, in synthetic time.
func readOnce(t *testing.T, replica func(context.Context) http.Handler, target config.Target) (reading Reading) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		listener := simulator.NewPipeListener()
		server := &http.Server{Handler: replica(ctx), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		go func() { _ = server.Serve(listener) }()
		reader, err := NewReader(target, listener.DialContext, readLimit)
		if err != nil {
			t.Fatal(err)
		}
		reading = reader.Read(ctx, &url.URL{Scheme: "http", Host: "replica", Path: "/"})
		end()
		time.Sleep(10 * time.Second) // idle connections end
		_ = server.Close()
		synctest.Wait()
	})
	return reading
}

// simulated is a replica with an API key, before which before may answer.
func simulated(before func(http.ResponseWriter, *http.Request) bool) func(context.Context) http.Handler {
	return func(ctx context.Context) http.Handler {
		replica := simulator.NewReplica(ctx, simulator.Options{Parameters: simulator.FieldReport(), APIKey: "sk-secret"})
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if before == nil || !before(w, q) {
				replica.ServeHTTP(w, q)
			}
		})
	}
}

func withKey(key string) config.Target {
	target := config.DefaultTarget()
	target.HTTPClient.Authorization = &promconfig.Authorization{Type: "Bearer", Credentials: promconfig.Secret(key)}
	return target
}

func TestRead(t *testing.T) {
	got := readOnce(t, simulated(nil), withKey("sk-secret"))
	if got.Health != nil || got.Models != nil || got.Metrics != nil {
		t.Fatalf("%v, %v, %v", got.Health, got.Models, got.Metrics)
	}
	if got.Version != "0.32.0" || got.Model != simulator.DefaultModel || got.MaxModelLen != simulator.FieldReport().MaxModelLen {
		t.Errorf("%+v", got)
	}
	want := Rank{
		Running: known(0), Waiting: known(0), KVCacheUsage: known(0), Preemptions: known(0), PrefixQueries: known(0), PrefixHits: known(0),
	}
	if rank := got.Page.Ranks["0"]; len(got.Page.Ranks) != 1 || rank == nil || *rank != want {
		t.Errorf("got %s, want %+v", show(*got.Page), want)
	}
	if tokens := float64(simulator.BlockSize * simulator.FieldReport().KVBlocks); got.Page.CacheTokens != known(tokens) {
		t.Errorf("a cache of %+v tokens, want %g", got.Page.CacheTokens, tokens)
	}
}

// What a replica does not answer as it should says why, and takes nothing away from
// what it does.
func TestReadOfAReplicaThatIsNotWell(t *testing.T) {
	answer := func(path string, answer http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, q *http.Request) bool {
			if q.URL.Path == path {
				answer(w, q)
			}
			return q.URL.Path == path
		}
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
	}
	hang := func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() }
	another := withKey("sk-secret")
	another.Model = "llama"
	for name, tt := range map[string]struct {
		target                  config.Target
		before                  func(http.ResponseWriter, *http.Request) bool
		health, models, metrics string
		took                    time.Duration
	}{
		"a wrong key": {target: withKey("sk-wrong"), models: "GET /v1/models: status 401 Unauthorized"},
		"no engine": {
			before: answer("/health", func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "sk-secret", http.StatusServiceUnavailable)
			}),
			health: "GET /health: status 503 Service Unavailable",
		},
		"it hangs": {before: answer("/metrics", hang), metrics: "GET /metrics: no answer within 5s", took: readLimit},
		"it begins to answer and hangs": {before: answer("/metrics", func(w http.ResponseWriter, q *http.Request) {
			_, _ = io.WriteString(w, "vllm:num_requests_running 1\n")
			_ = http.NewResponseController(w).Flush()
			hang(w, q)
		}), metrics: "GET /metrics: no answer within 5s", took: readLimit},
		"another model":         {target: another, models: `GET /v1/models: it does not list model "llama"`},
		"no model yet":          {before: answer("/v1/models", text(`{"data":[]}`)), models: "it lists no model"},
		"models are no JSON":    {before: answer("/v1/models", text("sk-secret")), models: "GET /v1/models: the answer is not vLLM's"},
		"metrics of another":    {before: answer("/metrics", text("up 1\n")), metrics: "GET /metrics: the page has no metrics of a vLLM engine"},
		"a redirect is no 200":  {before: answer("/health", http.RedirectHandler("/", http.StatusFound).ServeHTTP), health: "status 302 Found"},
		"version has no answer": {before: answer("/version", http.NotFound)},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.target.HTTPClient.Authorization == nil {
				tt.target = withKey("sk-secret")
			}
			got := readOnce(t, simulated(tt.before), tt.target)
			for _, check := range []struct {
				err  error
				want string
			}{{got.Health, tt.health}, {got.Models, tt.models}, {got.Metrics, tt.metrics}} {
				said := ""
				if check.err != nil {
					said = check.err.Error()
				}
				if (said == "") != (check.want == "") || !strings.Contains(said, check.want) || strings.Contains(said, "sk-") {
					t.Errorf("got %q, want %q", said, check.want)
				}
			}
			if got.Took != tt.took || (got.Page == nil) != (got.Metrics != nil) {
				t.Errorf("it took %s, want %s; page %v", got.Took, tt.took, got.Page)
			}
		})
	}
}

// A replica, or a gateway before it, that can write protobuf is asked for it.
func TestReadOfProtobuf(t *testing.T) {
	page := toProtobuf(t, saved(t, "two-ranks.txt"))
	got := readOnce(t, simulated(func(w http.ResponseWriter, q *http.Request) bool {
		if q.URL.Path != "/metrics" {
			return false
		}
		format := expfmt.NegotiateAccept(q.Header, expfmt.DefaultAcceptedFormats()...)
		w.Header().Set("Content-Type", string(format))
		if format.FormatType() == expfmt.TypeProtoDelim {
			_, _ = w.Write(page)
		}
		return true
	}), withKey("sk-secret"))
	if want := pages()["two-ranks.txt"]; got.Metrics != nil || !reflect.DeepEqual(*got.Page, want) {
		t.Errorf("%v, want %s", got.Metrics, show(want))
	}
}

func TestReadOfWhatIsNotThere(t *testing.T) {
	reader, err := NewReader(config.DefaultTarget(), func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("connection refused")
	}, readLimit)
	if err != nil {
		t.Fatal(err)
	}
	got := reader.Read(t.Context(), &url.URL{Scheme: "http", Host: "replica", Path: "/"})
	for path, err := range map[string]error{"/health": got.Health, "/v1/models": got.Models, "/metrics": got.Metrics} {
		if err == nil || !strings.Contains(err.Error(), "GET "+path+": ") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
