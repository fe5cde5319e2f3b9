package discovery

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// targets are those of a configuration with the given target.
func targets(t *testing.T, text string) []config.Target {
	t.Helper()
	cfg, err := config.Parse([]byte(text+"\nprobes: [{name: p, arms: [{target: t}], ladder: {rates: [1]}}]\n"), filepath.Join(t.TempDir(), "c.yml"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Targets
}

// newSet is a set of the targets of a configuration, under way.
func newSet(t *testing.T, text string) *Set {
	t.Helper()
	s := New(prometheus.NewRegistry(), slog.New(slog.DiscardHandler), nil)
	t.Cleanup(s.Stop)
	s.reload(t, text)
	return s
}

func (s *Set) reload(t *testing.T, text string) {
	t.Helper()
	begin, err := s.Prepare(targets(t, text))
	if err != nil {
		t.Fatal(err)
	}
	begin()
}

// has waits until the target t has the replicas.
func (s *Set) has(t *testing.T, want ...string) {
	t.Helper()
	var replicas []string
	for range 6000 {
		var changes func() []prober.Change
		replicas, changes = s.Watch(t.Context(), "t")
		changes()
		if slices.Equal(replicas, want) && s.Count("t") == len(want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the replicas are %q, want %q", replicas, want)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// A file that is written anew is noticed at once: its refresh_interval is 5 m.
func TestFileDiscovery(t *testing.T) {
	file := filepath.Join(t.TempDir(), "replicas.json")
	write(t, file, `[{"targets": ["127.0.0.1:8001", "127.0.0.1:8000"]}]`)
	s := newSet(t, fmt.Sprintf("targets: [{name: t, file_sd_configs: [{files: [%q]}]}]", file))
	s.has(t, "http://127.0.0.1:8000", "http://127.0.0.1:8001")
	write(t, file, `[{"targets": ["127.0.0.1:8001"]}]`)
	s.has(t, "http://127.0.0.1:8001")
	write(t, file, "this is no list of targets") // and changes nothing
	write(t, file, `[{"targets": ["127.0.0.1:8002"]}]`)
	s.has(t, "http://127.0.0.1:8002")
}

func TestHTTPDiscovery(t *testing.T) {
	var answer atomic.Value
	answer.Store(`[{"targets": ["a:8000"], "labels": {"__scheme__": "https"}}]`)
	inventory := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer key" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer.Load().(string))
	}))
	defer inventory.Close()
	s := newSet(t, fmt.Sprintf(
		"targets: [{name: t, http_sd_configs: [{url: %q, refresh_interval: 50ms, authorization: {credentials: key}}]}]", inventory.URL))
	s.has(t, "https://a:8000")
	answer.Store(`[{"targets": ["a:8000", "b:8000"]}]`)
	s.has(t, "http://a:8000", "http://b:8000")
}

// Through a reload, what is as before goes on, what changed begins anew, and what
// is gone has ended.
func TestReload(t *testing.T) {
	const one = "{name: t, static_configs: [{targets: ['a:1']}], relabel_configs: [{source_labels: [__address__], regex: 'a:.+', action: keep}]}"
	s := newSet(t, "targets: ["+one+", {name: gone, static_configs: [{targets: ['a:1']}]}, {name: listed, replicas: ['http://a']}]")
	s.has(t, "http://a:1")
	before, gone := s.target("t"), s.target("gone")
	s.reload(t, "targets: ["+one+"]")
	if s.target("t") != before || before.ctx.Err() != nil {
		t.Error("the discovery of an unchanged target began anew")
	}
	if s.target("gone") != nil || s.Count("gone") != 0 || gone.ctx.Err() == nil {
		t.Error("the discovery of a target that is gone goes on")
	}
	s.reload(t, "targets: ["+strings.Replace(one, "a:.+", ".+", 1)+"]")
	if s.target("t") == before || before.ctx.Err() == nil {
		t.Error("the discovery of a changed target goes on as before")
	}
	s.has(t, "http://a:1")
}

// Outside of Kubernetes there is no account of a pod's: what cannot be set up is
// refused, and all goes on as before.
func TestWhatCannotBeSetUpIsRefused(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	s := newSet(t, "targets: [{name: t, static_configs: [{targets: ['a:1']}]}]")
	_, err := s.Prepare(targets(t, "targets: [{name: t, kubernetes_sd_configs: [{role: pod}]}]"))
	if err == nil || !strings.HasPrefix(err.Error(), `setting up the kubernetes discovery of target "t": `) {
		t.Errorf("the error is %v", err)
	}
	s.has(t, "http://a:1")
}

func TestATargetThatIsNotDiscoveredHasNoReplicas(t *testing.T) {
	s := newSet(t, "targets: [{name: t, static_configs: [{targets: ['a:1']}]}]")
	replicas, changes := s.Watch(t.Context(), "another")
	if len(replicas) != 0 || len(changes()) != 0 || s.Count("another") != 0 {
		t.Errorf("it has %q", replicas)
	}
}
