package web

import (
	"fmt"
	"net/http"
	"slices"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/report"
	"vllm_prober/prober"
)

// answerCompare holds the arms of a run against the same ones of another, as
// `vllm_prober compare` does.
func (a *api) answerCompare(q *http.Request) (any, error) {
	query := q.URL.Query()
	for _, name := range []string{"base", "other"} {
		if query.Get(name) == "" {
			return nil, badParameter(name, "it is missing; allowed: the id of a run")
		}
	}
	base, err := a.runs.run(query.Get("base"))
	if err != nil {
		return nil, err
	}
	other, err := a.runs.run(query.Get("other"))
	if err != nil {
		return nil, err
	}
	tables := []*compare.Table{}
	for _, x := range compare.OfRuns(base.ID, []*prober.RunResult{base.Result()}) {
		for _, y := range compare.OfRuns(other.ID, []*prober.RunResult{other.Result()}) {
			if x.Arm() == y.Arm() {
				if run := compare.OnBothSides(x, y); run != "" {
					return nil, badParameter("other", fmt.Sprintf("it is %s, as base is; allowed: the id of another run", run))
				}
				t := compare.Between(x, y, compare.Effect)
				t.Findings = slices.Concat(compare.Definitions(base, other), t.Findings)
				tables = append(tables, t)
			}
		}
	}
	if len(tables) == 0 {
		err := fmt.Errorf("runs %s and %s have no arm in common with a valid step of both", base.ID, other.ID)
		return nil, &failure{http.StatusBadRequest, badData, err}
	}
	return map[string]any{"tables": report.InWords(tables)}, nil
}
