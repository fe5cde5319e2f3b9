package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// What a verdict does not say is not said.
func TestRulesClaimNoMore(t *testing.T) {
	cached := func(s *prober.StepResult) { s.CachedTokens = 16 }
	for _, c := range []struct {
		rule, why string
		record    *results.Record
	}{
		{"saturation.always", "it may bear the lowest", recorded(made(single, 1, unknown), made(single, 2, yes))},
		{"saturation.none", "it was saturated at one", recorded(made(single, 2, no), made(single, 4, yes), made(single, 8, no))},
		{"saturation.unknown", "that is told", recorded(made(single, 10, yes), made(single, 20, unknown))},
		{"latency.calm", "it was saturated between", recorded(made(single, 2, no), made(single, 4, yes), made(single, 8, no))},
		{"latency.calm", "TPOT grew threefold", recorded(made(single, 10, no), made(single, 20, no, took(0.04, 0.06)))},
		// TTFT grew sixfold, by 0.2 s, and TPOT twofold, by 1 s for 50 tokens
		{"latency.queue", "decoding took most of what was added", recorded(made(single, 10, no), made(single, 20, yes, took(0.24, 0.040)))},
		{"scaling.unknown", "it was seen to be saturated", recorded(made(single, 2, no), made(single, 4, yes), made(single, 8, no), made(four, 20, yes))},
		{"batch.no_cause", "both may be in force", recorded(made(single, 10, no, says(prober.DidNotBind, 9, 0)), made(other, 10, no, says(prober.DidNotBind, 9, 0)))},
		{"cache.hit", "the configuration cannot be read", changed(recorded(made(single, 10, no, cached)), func(r *results.Record) { r.Configuration = "probes: [" })},
		{"capacity.given_up", "it was found", changed(recorded(made(single, 10, no)), func(r *results.Record) {
			r.Answers = []prober.Answer{{Arm: single, Capacity: &prober.Estimate{Value: 16}, Err: "too many steps"}}
		})},
	} {
		d := read(c.record)
		for _, topic := range topics {
			for _, f := range topic.findings(d) {
				if f.rule == c.rule {
					t.Errorf("%s is said although %s: %v", c.rule, c.why, f)
				}
			}
		}
	}
}

// Two sentences about one arm do not share what merging them changes.
func TestSentencesOfTrafficAreApart(t *testing.T) {
	several := reconciled(prober.Reconciliation{Verdict: prober.SeveralReplicas, Detail: "counts fell"})
	foreign := reconciled(prober.Reconciliation{Verdict: prober.ForeignTraffic, ForeignShare: 0.08})
	d := read(recorded(made(single, 10, no, several), made(single, 20, no, foreign), made(other, 10, no, several)))
	arms := map[string]string{}
	for _, f := range topics[6].findings(d) {
		arms[f.rule] = fmt.Sprint(f.values["arms"])
	}
	if want := fmt.Sprint([]prober.Arm{single, other}); arms["traffic.several"] != want {
		t.Errorf("several: %s, want %s", arms["traffic.several"], want)
	}
	if want := fmt.Sprint([]prober.Arm{single}); arms["traffic.foreign"] != want {
		t.Errorf("foreign: %s, want %s", arms["traffic.foreign"], want)
	}
}

// A run's steps may be more than were planned.
func TestSearchesAddToTheSteps(t *testing.T) {
	known := func(number, known int) func(*prober.StepResult) {
		return func(s *prober.StepResult) { s.Number, s.Known = number, known }
	}
	r := changed(recorded(made(single, 10, no, known(1, 2)), made(single, 20, no, known(2, 2)), made(single, 30, no, known(3, 4))), func(r *results.Record) {
		r.Outcome, r.Run.Steps = "", 2
	})
	if f := ranToEnd(read(r)); f[0].values["made"] != 3 || f[0].values["planned"] != 4 {
		t.Errorf("%v", f)
	}
	var b bytes.Buffer
	if err := WriteList(&b, []*prober.RunResult{r.Result()}); err != nil || !strings.Contains(b.String(), "3/4") {
		t.Errorf("%v in\n%s", err, b.String())
	}
}
