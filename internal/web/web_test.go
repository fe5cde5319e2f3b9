package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/live"
	"vllm_prober/internal/results"
	"vllm_prober/internal/schedule"
	"vllm_prober/prober"
)

// hostile is what a replica could say of itself, and somebody write into an error.
const hostile = `<script>alert("x")</script>&amp;'"`

// noon is when a test's runs begin.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

var (
	small = prober.Arm{Target: "bs16", Replicas: 4, GPUs: 4, BatchSize: 16}
	large = prober.Arm{Target: "bs32", Replicas: 4, GPUs: 4, BatchSize: 32}
)

// site is pages and API over a board and records of its own.
type site struct {
	board   *live.Board
	ladder  *live.Probe
	beat    *live.Probe
	store   *results.Store
	cfg     *config.Config
	handler *http.ServeMux
}

// configuration has a ladder with two arms and a heartbeat.
func configuration() *config.Config {
	cfg := &config.Config{}
	for _, arm := range []prober.Arm{small, large} {
		target := config.DefaultTarget()
		target.Name, target.BatchSize = arm.Target, arm.BatchSize
		target.Replicas = []string{"http://a", "http://b", "http://c", "http://d"}
		cfg.Targets = append(cfg.Targets, target)
	}
	ladder := config.DefaultProbe()
	ladder.Name, ladder.Arms = "ladder", []config.Arm{{Target: "bs16"}, {Target: "bs32"}}
	ladder.Ladder.Rates = []float64{10, 20}
	ladder.Schedule.Interval = time.Hour
	ladder.SLO.TTFT = 500 * time.Millisecond
	beat := config.DefaultProbe()
	beat.Name, beat.Arms, beat.Heartbeat = "beat", []config.Arm{{Target: "bs16", Replicas: 1}}, &config.Heartbeat{Rate: 1, Window: time.Minute}
	cfg.Probes = []config.Probe{ladder, beat}
	return cfg
}

// newSite returns a site without a run; kept says whether it has records.
func newSite(tb testing.TB, kept bool) *site {
	tb.Helper()
	s := &site{board: live.NewBoard(), cfg: configuration(), handler: http.NewServeMux()}
	s.ladder, s.beat = s.board.NewProbe("ladder"), s.board.NewProbe("beat")
	s.board.Set([]*live.Probe{s.ladder, s.beat})
	o := Options{Board: s.board, Config: func() *config.Config { return s.cfg }}
	if kept {
		var err error
		if s.store, err = results.Open(tb.TempDir(), results.Retention{}, slog.New(slog.DiscardHandler)); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(s.store.Close)
		o.Records = &s.store.Reader
	}
	Register(s.handler, o)
	return s
}

// aStep is a step of a run: it saturates the small arm from 20 requests per second on.
func aStep(run prober.Run, number int, arm prober.Arm, rate float64) *prober.StepResult {
	r := &prober.StepResult{
		Step: prober.Step{
			RunID: run.ID, Probe: run.Probe, Number: number, Known: 4, Arm: arm, RequestRate: rate, StartedAt: run.StartedAt,
			Warmup: 10 * time.Second, Window: 30 * time.Second,
		},
		EndedAt: run.StartedAt.Add(time.Duration(number) * time.Minute), Throughput: rate, Goodput: rate - 1, Saturated: prober.Unsaturated,
		Outcomes: map[prober.Phase]map[prober.Outcome]int{prober.Window: {prober.OK: 300}},
		Latencies: &prober.Latencies{
			TTFT: prober.Distribution{Count: 300, Mean: 0.09 + rate/1000, P50: 0.09, P99: 0.12}, TPOT: prober.Distribution{Count: 300, Mean: 0.03},
		},
		Replicas: []prober.ReplicaResult{{InForce: prober.InForce{Verdict: prober.DidNotBind, Detail: "at most 4 ran"}}},
	}
	if arm == small && rate >= 20 {
		r.Saturated, r.Throughput = prober.Saturated, 15
		r.Replicas[0].InForce = prober.InForce{Verdict: prober.NotInForce, Detail: "50 ran"}
		r.Failures = []prober.Failure{{Outcome: prober.HTTP503, Count: 3, Example: hostile}, {Outcome: prober.Aborted, Count: 2}}
	}
	return r
}

// makes lets a probe's run begin at a time, make its four steps, the last of them
// invalid, and end. It is recorded where there are records.
func (s *site) makes(tb testing.TB, at time.Time) *prober.RunResult {
	tb.Helper()
	run := prober.Run{ID: at.Format("20060102T150405Z") + "-abcd", Probe: "ladder", Seed: 42, Steps: 4, StartedAt: at}
	result := &prober.RunResult{
		Run: run, EndedAt: at.Add(5 * time.Minute), Outcome: prober.RunSuccess,
		Models:  []prober.ArmModel{{Arm: small, Model: hostile, Versions: []string{"0.32.0"}}},
		Answers: []prober.Answer{{Arm: small, Capacity: &prober.Estimate{Value: 16.57, Lower: 16, Upper: 18}, Steps: 2}},
	}
	observers := prober.Observers{}
	if s.store != nil {
		recorder, err := s.store.Recorder(s.cfg, s.cfg.Probes[0])
		if err != nil {
			tb.Fatal(err)
		}
		observers = append(observers, recorder)
	}
	observers = append(observers, s.ladder)
	observers.RunStarted(run)
	for number, step := range []*prober.StepResult{
		aStep(run, 1, small, 10), aStep(run, 2, large, 10), aStep(run, 3, small, 20), aStep(run, 4, large, 20),
	} {
		if number == 3 {
			step.Latencies, step.Saturated = nil, prober.Undetermined
			step.Broken = []prober.Broken{{Promise: prober.PromiseCPU, Detail: hostile}}
		}
		observers.StepStarted(step.Step)
		observers.StepEnded(step)
		result.Results = append(result.Results, *step)
	}
	observers.RunEnded(result)
	return result
}

func (s *site) get(path string) *httptest.ResponseRecorder { return s.do(http.MethodGet, path) }

func (s *site) do(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// data is what the API answers with success.
func data[T any](t *testing.T, s *site, path string) (d T) {
	t.Helper()
	w := s.get(path)
	var answer struct {
		Status string          `json:"status"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %v in %s", path, err, w.Body)
	}
	if w.Code != http.StatusOK || answer.Status != "success" || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%s: status %d: %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(answer.Data, &d); err != nil {
		t.Fatalf("%s: %v in %s", path, err, answer.Data)
	}
	return d
}

// More requests than may be in flight are refused at once, and those are served that
// come when there is room again.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := make(chan struct{}, 2)
		ctx, release := context.WithCancel(t.Context())
		handler := limit(slots, refuse, func(http.ResponseWriter, *http.Request) { <-ctx.Done() })
		ask := func() int {
			w := httptest.NewRecorder()
			handler(w, httptest.NewRequest(http.MethodGet, "/", nil))
			return w.Code
		}
		for range 2 {
			go ask()
		}
		synctest.Wait()
		w := httptest.NewRecorder()
		handler(w, httptest.NewRequest(http.MethodGet, "/", nil))
		var said response
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
			t.Fatal(err)
		}
		if w.Code != http.StatusServiceUnavailable || said.ErrorType != unavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("status %d: %+v", w.Code, said)
		}
		release()
		synctest.Wait()
		if code := ask(); code != http.StatusOK {
			t.Errorf("afterwards: status %d", code)
		}
	})
}

// The limit holds for pages and API together.
func TestPagesAndAPIShareTheLimit(t *testing.T) {
	s, full := newSite(t, false), make(chan struct{}, 1)
	full <- struct{}{}
	mux := http.NewServeMux()
	o := Options{Board: s.board, Config: func() *config.Config { return s.cfg }}
	newAPI(o, &runs{}).register(mux, full)
	newPages(o, &runs{}).register(mux, full)
	s.handler = mux
	for _, path := range []string{"/", "/runs", "/static/style.css", "/api/v1/now", "/api/v1/nothing"} {
		w := s.get(path)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d", path, w.Code)
		}
		if isJSON := w.Header().Get("Content-Type") == "application/json"; isJSON != strings.HasPrefix(path, "/api/") {
			t.Errorf("%s: refused as %s", path, w.Header().Get("Content-Type"))
		}
	}
}

func TestParts(t *testing.T) {
	var p parts[int]
	made := 0
	get := func(name string, version uint64) int {
		v, err := p.get(name, version, func() (int, error) { made++; return made, nil })
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for i, c := range []struct {
		name    string
		version uint64
		want    int
	}{{"a", 1, 1}, {"a", 1, 1}, {"b", 1, 2}, {"a", 1, 1}, {"a", 2, 3}, {"b", 1, 2}, {"b", 2, 4}, {"a", 2, 3}} {
		if got := get(c.name, c.version); got != c.want {
			t.Errorf("%d: got %d, want %d", i, got, c.want)
		}
	}
	p.final = func(v int) bool { return v == 3 }
	if a, b := get("a", 9), get("b", 9); a != 3 || b != 5 {
		t.Errorf("what is final is %d, what is not %d", a, b)
	}
	if _, err := p.get("c", 2, func() (int, error) { return 0, errors.New("no") }); err == nil {
		t.Error("an error is kept from the caller")
	}
	for i := range 10 * mostParts {
		get(string(rune('A'+i)), 2)
		if len(p.made) > mostParts {
			t.Fatalf("%d parts are kept", len(p.made))
		}
	}
}

// skips tells of a start that was left out, in words that are not to be trusted.
func (s *site) skips() { s.ladder.RunsSkipped(schedule.Busy, 2, hostile) }
