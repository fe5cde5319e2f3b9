package web

import (
	"fmt"
	"html/template"
	"net/http"
	"time"

	"vllm_prober/internal/document"
	"vllm_prober/internal/live"
	"vllm_prober/internal/report"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// runView is what a run has found: all of its page but what goes on and its log.
type runView struct {
	Run      *prober.RunResult
	Summary  *runAnswer
	Prober   results.Version
	Verdicts []verdict
	// Report is the run's report, part by part, in the order of the report.
	Report []part
	// Configuration is what the run was made with where the report does not say it;
	// empty where no records are kept.
	Configuration string
}

// part is a section of the report as HTML.
type part struct {
	ID, Title string
	HTML      template.HTML
}

// partOf writes a section for a page, where it has an id.
func partOf(s document.Section, words document.Words, id string) (part, error) {
	text, err := s.Fragment(words, id, 2)
	return part{id, s.Title, text}, err
}

func runViewOf(r *results.Record) (*runView, error) {
	result := r.Result()
	v := &runView{
		Run: result, Summary: runAnswerOf(result), Prober: r.Prober, Verdicts: verdictsOf(result),
	}
	if len(result.Results) == 0 {
		v.Configuration = r.Configuration
	} else {
		whole := report.Of([]*results.Record{r}, report.English)
		for i, section := range whole.Sections {
			written, err := partOf(section, whole.Words, fmt.Sprintf("part-%d", i))
			if err != nil {
				return nil, err
			}
			v.Report = append(v.Report, written)
		}
	}
	return v, nil
}

func (p *pages) run(w http.ResponseWriter, q *http.Request) error {
	board, id := p.board.Version(), q.PathValue("id")
	on := p.making(id) // before what it has found: of a run that ends meanwhile the script looks again
	v, err := p.view(id)
	if err != nil {
		return err
	}
	view := struct {
		*runView
		Live   string
		Now    []nowView
		Log    []live.Line
		Choice choice
	}{runView: v, Log: p.board.Log(v.Run.Probe, v.Run.ID)}
	if on != nil {
		view.Live, view.Now = liveOf(v.Run.Probe), []nowView{nowOf(on, time.Now())}
	}
	if v.Summary.StepsValid > 0 {
		if view.Choice, err = p.choose(v.Run.Probe, id, nil); err != nil {
			return err
		}
	}
	return p.show(w, q, http.StatusOK, "run", frame{Board: board, Title: "Run " + id, Here: "runs", Live: on != nil, View: view})
}

// making is the probe whose run of an id is under way; nil where it is not.
func (p *pages) making(id string) *live.Probe {
	for _, on := range p.board.Probes() {
		if current := on.Current(); current != nil && current.ID == id {
			return on
		}
	}
	return nil
}

// view is what a run has found; of one that has ended it is made once.
func (p *pages) view(id string) (*runView, error) {
	return p.runViews.get(id, p.board.Results(), func() (*runView, error) {
		record, err := p.runs.run(id)
		if err != nil {
			return nil, err
		}
		return runViewOf(record)
	})
}

// liveOf is where the live part of a probe is, from a page one level down.
func liveOf(probe string) string { return "../now?depth=1&probe=" + probe }
