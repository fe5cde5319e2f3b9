package compare

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"vllm_prober/internal/config"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// OfRuns are the sides of runs, one for each arm that has a valid step, in their order.
// name is that of all of them; where there are several, an arm's own is added.
func OfRuns(name string, runs []*prober.RunResult) []Side {
	var arms []prober.Arm
	steps, answers := map[prober.Arm][]Step{}, map[prober.Arm][]Step{}
	for _, run := range runs {
		for i := range run.Answers {
			if answer, has := OfAnswer(run, &run.Answers[i]); has {
				answers[answer.Arm] = append(answers[answer.Arm], answer)
			}
		}
		for i := range run.Results {
			r := &run.Results[i]
			if !r.Valid() {
				continue
			}
			if steps[r.Arm] == nil {
				arms = append(arms, r.Arm)
			}
			steps[r.Arm] = append(steps[r.Arm], OfStep(r))
		}
	}
	slices.SortFunc(arms, prober.Arm.Compare)
	sides := make([]Side, len(arms))
	for i, arm := range arms {
		sides[i] = Side{Name: name, Steps: steps[arm], Answers: answers[arm]}
		if len(arms) > 1 {
			sides[i].Name = fmt.Sprintf("%s:%s:%d", name, arm.Target, arm.Replicas)
		}
	}
	return sides
}

// Arm is the side's arm; of a side without steps, none.
func (s Side) Arm() prober.Arm {
	if len(s.Steps) == 0 {
		return prober.Arm{}
	}
	return s.Steps[0].Arm
}

// OnBothSides is a run of which both sides have steps of the same arm; empty where there
// is none. Such sides must not be compared: what is held against itself does not differ.
// A file of another tool is of one arm, by whatever name.
func OnBothSides(a, b Side) string {
	at := slices.IndexFunc(a.Steps, func(s Step) bool {
		return slices.ContainsFunc(b.Steps, func(other Step) bool { return other.Run == s.Run && (other.Arm == s.Arm || s.Foreign) })
	})
	if at < 0 {
		return ""
	}
	return a.Steps[at].Run
}

// Definitions says in what the definitions of records, of either side, differ from that
// of the first: where it makes their figures those of different things, which are the
// workload, the arrivals, and what is good.
func Definitions(records ...*results.Record) (found []Finding) {
	var first *config.Probe
	var id string
	var keys []string
	differ := map[string][]string{} // records by the keys
	for _, r := range records {
		probe, err := r.Definition()
		switch {
		case err != nil: // of a release that knew other keys
		case first == nil:
			first, id = &probe, r.ID
		default:
			if in := strings.Join(differences(first, &probe), " "); in != "" {
				if differ[in] == nil {
					keys = append(keys, in)
				}
				differ[in] = append(differ[in], r.ID)
			}
		}
	}
	for _, in := range keys {
		found = append(found, Finding{Kind: Differ, Detail: Differing{id, differ[in], strings.Fields(in)}})
	}
	return found
}

// Differing is that the definitions of some runs differ in some keys from that of
// another.
type Differing struct {
	Run          string
	Others, Keys []string
}

func (Differing) detail() {}

// differences are the keys in which two definitions ask for different things.
func differences(a, b *config.Probe) (keys []string) {
	if !reflect.DeepEqual(a.Pacing, b.Pacing) {
		keys = append(keys, "pacing")
	}
	if !reflect.DeepEqual(a.SLO, b.SLO) {
		keys = append(keys, "slo")
	}
	if !reflect.DeepEqual(a.Workload, b.Workload) {
		keys = append(keys, "workload")
	}
	return keys
}
