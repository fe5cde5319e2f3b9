package compare

import (
	"cmp"
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
	steps := map[prober.Arm][]Step{}
	for _, run := range runs {
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
	slices.SortFunc(arms, func(a, b prober.Arm) int {
		return cmp.Or(a.GPUs-b.GPUs, a.BatchSize-b.BatchSize, cmp.Compare(a.Target, b.Target), a.Replicas-b.Replicas)
	})
	sides := make([]Side, len(arms))
	for i, arm := range arms {
		sides[i] = Side{Name: name, Steps: steps[arm]}
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

// Definitions says in what two records' definitions differ that makes their figures
// those of different things: the workload, the arrivals, and what is good.
func Definitions(a, b *results.Record) []Finding {
	x, errX := definition(a)
	y, errY := definition(b)
	if errX != nil || errY != nil { // of a release that knew other keys
		return nil
	}
	var differ []string
	for name, equal := range map[string]bool{
		"workload": reflect.DeepEqual(x.Workload, y.Workload),
		"pacing":   reflect.DeepEqual(x.Pacing, y.Pacing),
		"slo":      reflect.DeepEqual(x.SLO, y.SLO),
	} {
		if !equal {
			differ = append(differ, name)
		}
	}
	if len(differ) == 0 {
		return nil
	}
	slices.Sort(differ)
	return []Finding{{Kind: Differ, Text: fmt.Sprintf(
		"the definitions of %s and %s differ in %s: what is compared is not the same", a.ID, b.ID, strings.Join(differ, " and "),
	)}}
}

func definition(r *results.Record) (config.Probe, error) {
	cfg, err := config.Parse([]byte(r.Configuration), r.ID)
	if err != nil {
		return config.Probe{}, err
	}
	for _, p := range cfg.Probes {
		if p.Name == r.Probe {
			return p, nil
		}
	}
	return config.Probe{}, fmt.Errorf("run %s: its configuration has no probe %q", r.ID, r.Probe)
}
