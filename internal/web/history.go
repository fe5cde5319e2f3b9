package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// history is a page of runs, the newest first.
type history struct {
	Probe string
	Runs  []*runAnswer
	// Before is the id that the next page of older runs follows; empty on the last.
	Before string
	// First says that it begins with the newest run.
	First bool
}

// Older is the query of the next page.
func (h *history) Older() string {
	query := url.Values{"before": {h.Before}}
	if h.Probe != "" {
		query.Set("probe", h.Probe)
	}
	return "?" + query.Encode()
}

func (p *pages) history(probe, before string, size int) (*history, error) {
	return p.histories.get(fmt.Sprintf("%s/%s/%d", probe, before, size), p.board.Results(), func() (*history, error) {
		records, more, err := p.runs.page(probe, before, size)
		if err != nil {
			return nil, err
		}
		h := &history{Probe: probe, First: before == ""}
		for _, r := range records {
			h.Runs = append(h.Runs, runAnswerOf(r.Result()))
		}
		if more {
			h.Before = records[len(records)-1].ID
		}
		return h, nil
	})
}

// listView is a list of runs, and the probes that it can be of.
type listView struct {
	*history
	Probes []string
}

// list shows the runs of all probes, or of one.
func (p *pages) list(w http.ResponseWriter, q *http.Request) error {
	board := p.board.Version()
	probe, before, size, err := paging(q)
	if err != nil {
		return err
	}
	h, err := p.history(probe, before, size)
	if err != nil {
		return err
	}
	v := listView{history: h}
	for _, c := range p.config().Probes {
		if c.Heartbeat == nil {
			v.Probes = append(v.Probes, c.Name)
		}
	}
	title := "Runs"
	if probe != "" {
		title += " of " + probe
	}
	return p.show(w, q, http.StatusOK, "runs", frame{Board: board, Title: title, Here: "runs", View: v})
}

// probeView is a probe's page.
type probeView struct {
	Live      string
	Now       []nowView
	Schedule  []scheduleRow
	Heartbeat bool
	Verdicts  []verdict
	Report    []part
	// Run is the one that the verdicts and the report are of.
	Run     *runAnswer
	History *history
	// Charts follow the runs or, of a heartbeat, the windows.
	Charts []drawing
}

// ofProbe are the parts of its latest run's report that a probe's page has.
var ofProbe = []string{"Throughput", "Latency", "Arms side by side"}

// charted is how many runs a probe's page follows.
const charted = 100

func (p *pages) probe(w http.ResponseWriter, q *http.Request) error {
	board, name := p.board.Version(), q.PathValue("probe")
	on := p.board.Probe(name)
	c, has := p.config().Probe(name)
	if on == nil || !has {
		return noProbe(name)
	}
	v := probeView{
		Live: liveOf(c.Name), Now: []nowView{nowOf(on, time.Now())}, Heartbeat: c.Heartbeat != nil,
		Schedule: []scheduleRow{scheduleOf(c, on)},
	}
	if run := newest(on); run != nil {
		shown, err := p.view(run.ID)
		if err != nil {
			return err
		}
		v.Verdicts, v.Run = shown.Verdicts, shown.Summary
		v.Report = slices.DeleteFunc(slices.Clone(shown.Report), func(p part) bool { return !slices.Contains(ofProbe, p.Title) })
	}
	if v.Heartbeat {
		v.Charts = windowCharts(on.Windows())
	} else {
		var err error
		if v.History, err = p.history(c.Name, "", defaultPage); err != nil {
			return err
		}
		if v.Charts, err = p.charts.get(c.Name, p.board.Ended(), func() ([]drawing, error) {
			records, _, err := p.runs.page(c.Name, "", charted)
			return historyCharts(records), err
		}); err != nil {
			return err
		}
	}
	return p.show(w, q, http.StatusOK, "probe", frame{Board: board, Title: "Probe " + c.Name, Here: c.Name, Live: true, View: v})
}
