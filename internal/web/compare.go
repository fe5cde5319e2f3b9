package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/document"
	"vllm_prober/internal/report"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// comparison is the arms of a run held against the same ones of another.
type comparison struct {
	base, other *results.Record
	arms        []report.ArmTable
}

// compare holds the runs that a request names against each other, as
// `vllm_prober compare` does.
func (r *runs) compare(q *http.Request) (c comparison, err error) {
	query := q.URL.Query()
	for _, name := range []string{"base", "other"} {
		if query.Get(name) == "" {
			return c, badParameter(name, "it is missing; allowed: the id of a run")
		}
	}
	if c.base, err = r.run(query.Get("base")); err != nil {
		return c, err
	}
	if c.other, err = r.run(query.Get("other")); err != nil {
		return c, err
	}
	if c.base.ID == c.other.ID {
		return c, badParameter("other", "it is %s, as base is; allowed: the id of another run", c.other.ID)
	}
	r.working.Lock()
	defer r.working.Unlock()
	differ, others := compare.Definitions(c.base, c.other), compare.OfRuns(c.other.ID, []*prober.RunResult{c.other.Result()})
	for _, x := range compare.OfRuns(c.base.ID, []*prober.RunResult{c.base.Result()}) {
		for _, y := range others {
			if x.Arm() == y.Arm() {
				t := compare.Between(x, y, compare.Effect)
				t.Findings = slices.Concat(differ, t.Findings)
				c.arms = append(c.arms, report.ArmTable{Arm: x.Arm(), Table: t})
			}
		}
	}
	if len(c.arms) == 0 {
		err := fmt.Errorf("runs %s and %s have no arm in common with a valid step of both", c.base.ID, c.other.ID)
		return c, &failure{http.StatusBadRequest, badData, err}
	}
	return c, nil
}

func (a *api) answerCompare(q *http.Request) (any, error) {
	c, err := a.runs.compare(q)
	if err != nil {
		return nil, err
	}
	tables := make([]*compare.Table, len(c.arms))
	for i := range c.arms {
		tables[i] = c.arms[i].Table
	}
	return map[string]any{"tables": report.InWords(tables)}, nil
}

// compareView is two runs side by side.
type compareView struct {
	Base, Other *runAnswer
	Choice      choice
	Arms        []part
}

// choice is the runs that a run can be compared to.
type choice struct {
	Other string // the run
	Base  string // what is chosen
	Runs  []*runAnswer
}

// choose lists runs of a probe that a run can be held against: the newest or, where none
// of these is from before it, those before it. base is what was chosen; where it is nil,
// the choice is the run before.
func (p *pages) choose(probe, other string, base *runAnswer) (choice, error) {
	c := choice{Other: other}
	for _, from := range []string{"", other} {
		h, err := p.history(probe, from, defaultPage)
		if err != nil {
			return c, err
		}
		runs := slices.DeleteFunc(slices.Clone(h.Runs), func(r *runAnswer) bool { return r.ID == other || r.StepsValid == 0 })
		before := slices.IndexFunc(runs, func(r *runAnswer) bool { return r.ID < other })
		if before >= 0 {
			c.Base = runs[before].ID
		}
		if before >= 0 || from == "" {
			c.Runs = runs
		}
		if before >= 0 || h.Before == "" { // or there is no older run
			break
		}
	}
	if base != nil {
		c.Base = base.ID
		if !slices.ContainsFunc(c.Runs, func(r *runAnswer) bool { return r.ID == base.ID }) {
			c.Runs = append(c.Runs, base)
			slices.SortFunc(c.Runs, func(a, b *runAnswer) int { return strings.Compare(b.ID, a.ID) })
		}
	}
	return c, nil
}

// namesOf are the names of two runs in headings: when they began, no longer than it takes
// to tell them apart.
func namesOf(base, other time.Time) (string, string) {
	const day, minute, second = "2006\u201101\u201102", "01\u201102 15:04", "15:04:05"
	layout := minute
	switch base, other = base.UTC(), other.UTC(); {
	case base.Format(minute) != other.Format(minute):
	case base.Format(day) != other.Format(day):
		layout = day
	default:
		layout = second
	}
	return base.Format(layout), other.Format(layout)
}

func (p *pages) compare(w http.ResponseWriter, q *http.Request) error {
	board := p.board.Version()
	c, err := p.runs.compare(q)
	if err != nil {
		return err
	}
	v := compareView{Base: runAnswerOf(c.base.Result()), Other: runAnswerOf(c.other.Result())}
	if v.Choice, err = p.choose(c.other.Probe, c.other.ID, v.Base); err != nil {
		return err
	}
	base, other := namesOf(v.Base.StartedAt, v.Other.StartedAt)
	for i, section := range report.Between(c.arms, base, other) {
		written, err := partOf(section, document.Words{}, fmt.Sprintf("arm-%d", i))
		if err != nil {
			return err
		}
		v.Arms = append(v.Arms, written)
	}
	return p.show(w, q, http.StatusOK, "compare", frame{Board: board, Title: "Comparison", Here: "runs", View: v})
}
