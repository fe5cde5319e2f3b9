package results_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/live"
	"vllm_prober/internal/results"
	"vllm_prober/internal/web"
)

// Ten thousand records open in less than a second, a page of history is made of them
// in less than a tenth, and whoever pages through all of them makes no memory grow.
// The limits are what is promised: it takes a hundredth of them.
func TestTenThousandRuns(t *testing.T) {
	const runs = 10_000
	if raceEnabled {
		t.Skip("the race detector takes the time that is measured here")
	}
	folder := results.ManyRuns(t, runs)
	began := time.Now()
	s, err := results.Open(folder, results.Retention{Runs: runs}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	opened := time.Since(began)
	if opened > time.Second || s.Runs() != runs {
		t.Errorf("opening %d runs took %s", s.Runs(), opened)
	}

	probe := config.DefaultProbe()
	probe.Name = "p"
	cfg := &config.Config{Probes: []config.Probe{probe}}
	board := live.NewBoard()
	board.Set([]*live.Probe{board.NewProbe("p")})
	mux := http.NewServeMux()
	web.Register(mux, web.Options{Board: board, Config: func() *config.Config { return cfg }, Records: &s.Reader})
	get := func(path string) (string, time.Duration) {
		began := time.Now()
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%s: status %d: %s", path, w.Code, w.Body)
		}
		return w.Body.String(), time.Since(began)
	}
	var times []time.Duration
	links := 0
	var heap []uint64
	for path := "/runs"; path != ""; {
		page, took := get(path)
		times = append(times, took)
		links += strings.Count(page, `<th scope="row"><a href=`)
		path = ""
		if _, after, more := strings.Cut(page, `rel="next" href=".`); more {
			path, _, _ = strings.Cut(after, `"`)
		}
		if len(times)%50 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			heap = append(heap, m.HeapAlloc/1000)
		}
	}
	slices.Sort(times)
	usual := times[len(times)/2] // the machine may have been busy with others for one of them
	t.Logf("opened in %s, then %d pages in %s each, at most %s; the heap had, in kB, %d", opened, len(times), usual, times[len(times)-1], heap)
	if links != runs {
		t.Errorf("the pages list %d runs", links)
	}
	if usual > 100*time.Millisecond {
		t.Errorf("a page took %s", usual)
	}
	if most := heap[0] + 20_000; heap[len(heap)-1] > most {
		t.Errorf("the heap grew from %d kB to %d kB", heap[0], heap[len(heap)-1])
	}
}
