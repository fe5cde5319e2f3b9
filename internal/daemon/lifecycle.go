package daemon

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// answer is what a lifecycle endpoint says, in plain text.
type answer struct {
	status int
	text   string
}

// addLifecycle adds the endpoints that change what the daemon does. Where they are
// not enabled they say so; to read the file again is no more than its owner wants,
// and always is. None of them is for the pages of other sites, which a browser would
// let ask in the name of whoever looks at them.
func (d *Daemon) addLifecycle(mux *http.ServeMux) {
	sameSite := http.NewCrossOriginProtection()
	for path, act := range map[string]func(probe string) answer{
		"reload": d.reload, "run": d.runNow, "pause": d.pause, "resume": d.resume, "abort": d.abort,
	} {
		if !d.o.Lifecycle && path != "reload" {
			act = func(string) answer {
				return answer{http.StatusForbidden, "the lifecycle endpoints are not enabled: start vllm_prober with --web.enable-lifecycle"}
			}
		}
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			mux.Handle(method+" /-/"+path, sameSite.Handler(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				said := act(q.URL.Query().Get("probe"))
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				w.WriteHeader(said.status)
				fmt.Fprintln(w, said.text)
			})))
		}
	}
}

func (d *Daemon) reload(string) answer {
	if err := d.Reload(); err != nil {
		const failed = "reload failed, the configuration before it stays in force"
		d.o.Logger.Error(failed, "err", err)
		return answer{http.StatusInternalServerError, failed + ":\n" + err.Error()}
	}
	return answer{http.StatusOK, "configuration in force"}
}

// runNow lets a probe make a run as soon as its replicas are free, whatever its
// schedule says, and also while it is paused. Its budget holds.
func (d *Daemon) runNow(name string) answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, refusal := d.named(name)
	if p == nil {
		return refusal
	}
	if p.definition.probe.Heartbeat != nil {
		return answer{http.StatusConflict, fmt.Sprintf("probe %q is a heartbeat, which is always under way", name)}
	}
	if now := time.Now(); !p.account.Affords(now, p.firstStep()) {
		return answer{http.StatusConflict, fmt.Sprintf(
			"the budget of probe %q, of which %s are spent, does not bear the first step; it is renewed at %s",
			name, p.spent(now), p.account.Renewed(now).Format(time.RFC3339))}
	}
	switch p.ask() {
	case running:
		return answer{http.StatusConflict, fmt.Sprintf("a run of probe %q is under way", name)}
	case waiting:
		return answer{http.StatusConflict, fmt.Sprintf("a run of probe %q waits for its turn", name)}
	}
	p.log.Info("run asked for")
	return answer{http.StatusAccepted, fmt.Sprintf("a run of probe %q begins as soon as its replicas are free", name)}
}

// abort cuts the run under way of a probe.
func (d *Daemon) abort(name string) answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, refusal := d.named(name)
	if p == nil {
		return refusal
	}
	if !p.prober.Abort("the run was aborted by /-/abort") {
		return answer{http.StatusConflict, fmt.Sprintf("no run of probe %q is under way", name)}
	}
	return answer{http.StatusOK, fmt.Sprintf("the run of probe %q is aborted", name)}
}

// pause keeps one probe, or all without a name, from beginning runs.
func (d *Daemon) pause(name string) answer { return d.setPaused(name, true, "paused") }

// resume lets one probe, or all without a name, begin runs again.
func (d *Daemon) resume(name string) answer { return d.setPaused(name, false, "resumed") }

func (d *Daemon) setPaused(name string, paused bool, done string) answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == "" {
		for _, p := range d.probes {
			p.setPaused(paused)
		}
		return answer{http.StatusOK, "all probes are " + done + ": " + d.names()}
	}
	p, refusal := d.named(name)
	if p == nil {
		return refusal
	}
	p.setPaused(paused)
	return answer{http.StatusOK, fmt.Sprintf("probe %q is %s", name, done)}
}

// named is the probe of that name, or what to say where there is none.
func (d *Daemon) named(name string) (*probe, answer) {
	if name == "" {
		return nil, answer{http.StatusBadRequest, "say which probe, as ?probe=NAME: " + d.names()}
	}
	p := d.probes[name]
	if p == nil {
		return nil, answer{http.StatusNotFound, fmt.Sprintf("there is no probe %q, but: %s", name, d.names())}
	}
	return p, answer{}
}

func (d *Daemon) names() string { return strings.Join(slices.Sorted(maps.Keys(d.probes)), ", ") }
