package report

import (
	"fmt"
	"maps"
	"slices"

	"vllm_prober/internal/document"
	"vllm_prober/prober"
)

// finding is a sentence that has not been put into a language: a rule, the values of
// its message, and the verdicts that it follows from, as they are recorded.
type finding struct {
	rule     string
	values   values
	evidence string
}

// topic is some rules that are read together. Each says what it finds, and nothing
// where it does not apply.
type topic struct {
	title string
	rules []func(*reading) []finding
}

// topics are all rules, in the order in which their sentences are read.
var topics = []topic{
	{"topic.trust", []func(*reading) []finding{ranToEnd, validity}},
	{"topic.load", []func(*reading) []finding{saturation, capacity, sloKept, scaling}},
	{"topic.latency", []func(*reading) []finding{calm, queue}},
	{"topic.batch", []func(*reading) []finding{inForce}},
	{"topic.differences", []func(*reading) []finding{experiment, betweenArms}},
	{"topic.before", []func(*reading) []finding{sinceBefore}},
	{"topic.beware", []func(*reading) []finding{warmUp, drain, foreignTraffic, failures, cutRequests, caches}},
	{"topic.energy", []func(*reading) []finding{energy, throttling}},
}

// findings are what the rules of a topic find in a run.
func (t topic) findings(d *reading) (all []finding) {
	for _, rule := range t.rules {
		all = append(all, merged(rule(d))...)
	}
	return all
}

// merged says once what is the same of several arms.
func merged(found []finding) (all []finding) {
	for _, f := range found {
		arms, _ := f.values["arms"].([]prober.Arm)
		at := slices.IndexFunc(all, func(other finding) bool {
			return len(arms) > 0 && other.rule == f.rule && sameButArms(other.values, f.values)
		})
		if at < 0 {
			all = append(all, f)
			continue
		}
		before, _ := all[at].values["arms"].([]prober.Arm)
		all[at].values["arms"] = slices.Concat(before, arms)
		if f.evidence != all[at].evidence {
			all[at].evidence += "; " + f.evidence
		}
	}
	return all
}

func sameButArms(a, b values) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	delete(a, "arms")
	delete(b, "arms")
	if len(a) != len(b) {
		return false
	}
	for key := range a {
		if english.show(a[key]) != english.show(b[key]) {
			return false
		}
	}
	return true
}

// sentences puts findings into a language.
func (s speaker) sentences(found []finding) (all []document.Sentence) {
	for _, f := range found {
		all = append(all, document.Sentence{Rule: f.rule, Text: s.say(f.rule, f.values), Evidence: f.evidence})
	}
	return all
}

// ranToEnd says whether the run made all of its steps.
func ranToEnd(d *reading) []finding {
	if d.Outcome == prober.RunSuccess && d.Err == "" {
		return []finding{{"run.success", values{"steps": len(d.result.Results)}, "outcome: success"}}
	}
	if d.Outcome == "" {
		made, planned := progress(d.result)
		return []finding{{"run.under_way", values{"made": made, "planned": planned}, "outcome: not ended"}}
	}
	return []finding{{"run.incomplete", values{"reason": ending{d.Outcome, d.Err}}, fmt.Sprintf("outcome: %q", d.Outcome)}}
}

// validity says how many steps are withheld, and why.
func validity(d *reading) []finding {
	withheld, broken := 0, map[prober.Promise]int{}
	for i := range d.result.Results {
		r := &d.result.Results[i]
		if !r.Valid() {
			withheld++
		}
		seen := map[prober.Promise]bool{}
		for _, b := range r.Broken {
			if !seen[b.Promise] {
				broken[b.Promise]++
			}
			seen[b.Promise] = true
		}
	}
	steps := len(d.result.Results)
	if steps == 0 {
		return nil
	}
	var reasons []tally
	for _, p := range prober.Promises() {
		if n := broken[p]; n > 0 {
			reasons = append(reasons, tally{p, n})
		}
	}
	v := values{"steps": steps, "withheld": withheld, "reasons": reasons}
	says := fmt.Sprintf("valid: %d of %d", steps-withheld, steps)
	rule := "valid.some"
	switch withheld {
	case 0:
		rule = "valid.all"
	case steps:
		rule = "valid.none"
	}
	found := []finding{{rule, v, says}}
	if n := len(d.aborted); n > 0 {
		found = append(found, finding{"valid.repeated", values{"steps": n}, fmt.Sprintf("repeated: %d", n)})
	}
	return found
}
