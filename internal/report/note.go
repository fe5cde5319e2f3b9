package report

import (
	"strings"

	"vllm_prober/prober"
)

// Note says in words what a reader of a step's figures has to know.
func Note(r *prober.StepResult) string { return english.note(r) }

func (s speaker) note(r *prober.StepResult) string {
	var notes []string
	add := func(key string, v values) { notes = append(notes, s.say(key, v)) }
	for _, b := range r.Broken {
		v := values{"detail": quote(b.Detail)}
		switch b.Promise {
		case prober.PromiseGuard:
			add("note.guard", v)
		case prober.PromiseNoRestart:
			add("note.restarted", v)
		default:
			v["promise"] = b.Promise
			add("note.broken", v)
		}
	}
	if r.Unfinished > 0 {
		add("note.unfinished", values{"unfinished": r.Unfinished})
	}
	var failures []tally
	for _, f := range r.Failures {
		if f.Outcome != prober.Aborted {
			failures = append(failures, tally{f.Outcome, f.Count})
		}
	}
	if len(failures) > 0 {
		add("note.failures", values{"failures": failures})
	}
	notes = append(notes, s.replicaNotes(r)...)
	notes = append(notes, s.gpuNotes(r)...)
	if r.CachedTokens > 0 {
		add("note.cached", values{"tokens": r.CachedTokens})
	}
	return strings.Join(notes, "; ")
}
