package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/version"

	"vllm_prober/internal/config"
	"vllm_prober/internal/live"
	"vllm_prober/prober"
)

// apiRoot is where the API is.
const apiRoot = "/api/v1/"

// api answers programs, in the manner of Prometheus's own API.
type api struct {
	board  *live.Board
	config func() *config.Config
	runs   *runs
	now    cached // what now answers, for many who ask
}

func newAPI(o Options, r *runs) *api {
	return &api{board: o.Board, config: o.Config, runs: r}
}

// response is every answer: data where it went well, and else the error.
type response struct {
	Status    string    `json:"status"`
	Data      any       `json:"data,omitempty"`
	ErrorType errorType `json:"errorType,omitempty"` //nolint:tagliatelle // as Prometheus has it
	Error     string    `json:"error,omitempty"`
}

// errorType is what was wrong, for programs.
type errorType string

// The types of errors.
const (
	badData     errorType = "bad_data"
	notFound    errorType = "not_found"
	unavailable errorType = "unavailable"
	internal    errorType = "internal"
)

// failure is an error that says which status it is answered with.
type failure struct {
	status int
	kind   errorType
	err    error
}

func (f *failure) Error() string { return f.err.Error() }

func badParameter(name, format string, args ...any) error {
	return &failure{http.StatusBadRequest, badData, fmt.Errorf("parameter %q: "+format, append([]any{name}, args...)...)}
}

func (a *api) register(mux *http.ServeMux, slots chan struct{}) {
	answers := map[string]func(*http.Request) (any, error){
		"now":              a.answerNow,
		"probes":           a.answerProbes,
		"probes/{probe}":   a.answerProbe,
		"verdicts":         a.answerVerdicts,
		"runs":             a.answerRuns,
		"runs/{id}":        a.answerRun,
		"runs/{id}/steps":  a.answerSteps,
		"runs/{id}/log":    a.answerLog,
		"compare":          a.answerCompare,
		"status/config":    a.answerConfig,
		"status/buildinfo": answerBuild,
	}
	known := strings.Join(slices.Sorted(maps.Keys(answers)), ", ")
	answers["{rest...}"] = func(q *http.Request) (any, error) {
		return nil, &failure{http.StatusNotFound, notFound, fmt.Errorf("there is no %s: below %s there are %s", q.URL.Path, apiRoot, known)}
	}
	for path, answer := range answers {
		mux.HandleFunc(apiRoot+path, limit(slots, refuse, func(w http.ResponseWriter, q *http.Request) {
			if q.Method != http.MethodGet && q.Method != http.MethodHead {
				w.Header().Set("Allow", "GET, HEAD")
				write(w, http.StatusMethodNotAllowed, response{Status: "error", ErrorType: badData, Error: "the API only reads: use GET"})
				return
			}
			data, err := answer(q)
			if err != nil {
				fail(w, err)
				return
			}
			write(w, http.StatusOK, response{Status: "success", Data: data})
		}))
	}
}

// refuse answers a request beyond the limit.
func refuse(w http.ResponseWriter) {
	fail(w, &failure{http.StatusServiceUnavailable, unavailable, errors.New(tooMany)})
}

func fail(w http.ResponseWriter, err error) {
	said := &failure{http.StatusInternalServerError, internal, err}
	if f, ok := errors.AsType[*failure](err); ok {
		said = f
	} else if errors.Is(err, errNoRun) {
		said = &failure{http.StatusNotFound, notFound, err}
	}
	write(w, said.status, response{Status: "error", ErrorType: said.kind, Error: said.Error()})
}

// write writes an answer, all of it or an error.
func write(w http.ResponseWriter, status int, r response) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // it is no HTML, and <secret> is to be read as it is
	if err := e.Encode(r); err != nil && r.Data != nil {
		fail(w, fmt.Errorf("writing the answer: %w", err))
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client may be gone
}

// probeAnswer is a probe with its schedule and state.
type probeAnswer struct {
	Name      string `json:"name"`
	Heartbeat bool   `json:"heartbeat"`
	// Schedule says in words when its runs begin.
	Schedule string        `json:"schedule"`
	Arms     []prober.Arm  `json:"arms"`
	SLO      sloAnswer     `json:"slo"`
	State    live.State    `json:"state"`
	Progress live.Progress `json:"progress"`
	// LatestRun is the latest run that has ended and made a step.
	LatestRun *runAnswer `json:"latest_run,omitempty"`
}

// sloAnswer is an SLO; what is left out is no limit.
type sloAnswer struct {
	TTFT       float64 `json:"ttft_seconds,omitempty"`
	TPOT       float64 `json:"tpot_seconds,omitempty"`
	E2E        float64 `json:"e2e_seconds,omitempty"`
	Attainment float64 `json:"attainment_ratio"`
}

// runAnswer is a run in a list.
type runAnswer struct {
	prober.Run
	EndedAt    time.Time         `json:"ended_at,omitzero"`
	Outcome    prober.RunOutcome `json:"outcome,omitempty"`
	Err        string            `json:"error,omitempty"`
	StepsEnded int               `json:"steps_ended"`
	StepsValid int               `json:"steps_valid"`
}

// Seconds is how long the run took.
func (r *runAnswer) Seconds() float64 { return r.EndedAt.Sub(r.StartedAt).Seconds() }

func runAnswerOf(r *prober.RunResult) *runAnswer {
	answer := &runAnswer{Run: r.Run, EndedAt: r.EndedAt, Outcome: r.Outcome, Err: r.Err, StepsEnded: len(r.Results)}
	for i := range r.Results {
		if r.Results[i].Valid() {
			answer.StepsValid++
		}
	}
	return answer
}

func (a *api) probeAnswerOf(cfg *config.Config, c config.Probe, p *live.Probe) probeAnswer {
	answer := probeAnswer{
		Name: c.Name, Heartbeat: c.Heartbeat != nil, Schedule: inWords(c), Arms: armsOf(cfg, c),
		SLO: sloAnswer{c.SLO.TTFT.Seconds(), c.SLO.TPOT.Seconds(), c.SLO.E2E.Seconds(), c.SLO.Attainment},
	}
	answer.State, answer.Progress = p.State(), p.Progress(time.Now())
	if latest := p.Latest(); latest != nil {
		answer.LatestRun = runAnswerOf(latest)
	}
	return answer
}

func (a *api) answerProbes(*http.Request) (any, error) {
	cfg, all := a.config(), []probeAnswer{}
	for _, c := range cfg.Probes {
		if p := a.board.Probe(c.Name); p != nil { // a reload may be going on
			all = append(all, a.probeAnswerOf(cfg, c, p))
		}
	}
	return map[string]any{"probes": all}, nil
}

func (a *api) answerProbe(q *http.Request) (any, error) {
	p, err := a.probe(q.PathValue("probe"))
	if err != nil {
		return nil, err
	}
	cfg := a.config()
	c, has := cfg.Probe(p.Name())
	if !has {
		return nil, noProbe(p.Name())
	}
	return a.probeAnswerOf(cfg, c, p), nil
}

// probe is the one of a name.
func (a *api) probe(name string) (*live.Probe, error) {
	if p := a.board.Probe(name); p != nil {
		return p, nil
	}
	return nil, noProbe(name)
}

func noProbe(name string) error {
	return &failure{http.StatusNotFound, notFound, fmt.Errorf("the configuration has no probe %q", name)}
}

// progressAnswer is what a probe does now.
type progressAnswer struct {
	Probe    string        `json:"probe"`
	Activity live.Activity `json:"activity"`
	live.Progress
}

// answerNow is asked again and again by those who watch, so it is made at most twice
// a second, for all of them.
func (a *api) answerNow(*http.Request) (any, error) {
	return a.now.get(time.Second/2, func() any {
		version, now, all := a.board.Version(), time.Now().UTC(), []progressAnswer{}
		for _, p := range a.board.Probes() {
			all = append(all, progressAnswer{p.Name(), p.State().Activity, p.Progress(now)})
		}
		return map[string]any{"at": now, "version": version, "probes": all}
	}), nil
}

func (a *api) answerVerdicts(q *http.Request) (any, error) {
	probes := a.board.Probes()
	if name := q.URL.Query().Get("probe"); name != "" {
		p, err := a.probe(name)
		if err != nil {
			return nil, err
		}
		probes = []*live.Probe{p}
	}
	all := []verdict{}
	for _, p := range probes {
		if run := newest(p); run != nil {
			all = append(all, verdictsOf(run)...)
		}
	}
	return map[string]any{"verdicts": all}, nil
}

const (
	defaultPage = 50
	longestPage = 500
)

// idForm is the form of the ids of runs.
var idForm = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

// paging reads the parameters of a list of runs.
func paging(q *http.Request) (probe, before string, size int, err error) {
	query := q.URL.Query()
	probe, before, size = query.Get("probe"), query.Get("before"), defaultPage
	if before != "" && !idForm.MatchString(before) {
		return "", "", 0, badParameter("before", "%q; allowed: the id of a run", before)
	}
	if text := query.Get("limit"); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 1 || size > longestPage {
			return "", "", 0, badParameter("limit", "%q; allowed: 1 to %d", text, longestPage)
		}
	}
	return probe, before, size, nil
}

func (a *api) answerRuns(q *http.Request) (any, error) {
	probe, before, size, err := paging(q)
	if err != nil {
		return nil, err
	}
	records, more, err := a.runs.page(probe, before, size)
	if err != nil {
		return nil, err
	}
	list := struct {
		Runs []*runAnswer `json:"runs"`
		// Before is the parameter of the next page; left out on the last.
		Before string `json:"next_before,omitempty"`
	}{Runs: []*runAnswer{}}
	for _, r := range records {
		list.Runs = append(list.Runs, runAnswerOf(r.Result()))
	}
	if more {
		list.Before = records[len(records)-1].ID
	}
	return list, nil
}

func (a *api) answerRun(q *http.Request) (any, error) { return a.runs.run(q.PathValue("id")) }

func (a *api) answerSteps(q *http.Request) (any, error) {
	r, err := a.runs.run(q.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"steps": stepsOf(r)}, nil
}

func (a *api) answerLog(q *http.Request) (any, error) {
	r, err := a.runs.run(q.PathValue("id"))
	if err != nil {
		return nil, err
	}
	lines := a.board.Log(r.Probe, r.ID)
	if lines == nil {
		lines = []live.Line{}
	}
	return map[string]any{"lines": lines}, nil
}

func (a *api) answerConfig(*http.Request) (any, error) {
	text, err := a.config().YAML()
	if err != nil {
		return nil, err
	}
	return map[string]any{"yaml": string(text)}, nil
}

func answerBuild(*http.Request) (any, error) {
	return map[string]any{
		"version": version.Version, "revision": version.GetRevision(), "branch": version.Branch, "go_version": runtime.Version(),
	}, nil
}
