package web

import (
	"net/http"
	"slices"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/live"
)

// overviewView is what goes on, and what was found last.
type overviewView struct {
	Live string // where the live part is
	// Now is what is under way, or waits for its turn.
	Now      []nowView
	Schedule []scheduleRow
	Verdicts []verdict
	// Kept says that runs are recorded.
	Kept bool
}

// scheduleRow is a probe with its schedule.
type scheduleRow struct {
	Name, Words string
	Heartbeat   bool
	State       live.State
	Last        *runAnswer // that has ended
	Skipped     []skipped
}

// skipped counts the starts that were left out for one reason.
type skipped struct {
	Reason string
	Count  int
}

func (p *pages) overview(w http.ResponseWriter, q *http.Request) error {
	board, now := p.board.Version(), time.Now()
	v := overviewView{Live: "now", Kept: p.runs.records != nil}
	for _, c := range p.config().Probes {
		on := p.board.Probe(c.Name)
		if on == nil { // a reload is going on
			continue
		}
		if underWay(on) {
			v.Now = append(v.Now, nowOf(on, now))
		}
		v.Schedule = append(v.Schedule, scheduleOf(c, on))
		if run := newest(on); run != nil {
			v.Verdicts = append(v.Verdicts, verdictsOf(run)...)
		}
	}
	return p.show(w, q, http.StatusOK, "overview", frame{Board: board, Title: "Overview", Here: "overview", Live: true, View: v})
}

func scheduleOf(c config.Probe, on *live.Probe) scheduleRow {
	row := scheduleRow{Name: c.Name, Words: inWords(c), Heartbeat: c.Heartbeat != nil, State: on.State()}
	if last := on.Last(); last != nil {
		row.Last = runAnswerOf(last)
	}
	row.Skipped = skippedOf(row.State)
	return row
}

// underWay says whether a probe does anything at the moment.
func underWay(p *live.Probe) bool { return p.State().Activity != live.Idle }

// now is the live part alone, of all probes that do something or of one, for the script to put into the
// page that shows it.
func (p *pages) now(w http.ResponseWriter, q *http.Request) error {
	board := p.board.Version()
	probes := slices.DeleteFunc(p.board.Probes(), func(on *live.Probe) bool { return !underWay(on) })
	if name := q.URL.Query().Get("probe"); name != "" {
		one := p.board.Probe(name)
		if one == nil {
			return noProbe(name)
		}
		probes = []*live.Probe{one}
	}
	at := time.Now()
	var views []nowView
	for _, on := range probes {
		views = append(views, nowOf(on, at))
	}
	w.Header().Set("Cache-Control", "no-store")
	// The page that shows it is at another depth; the script leaves links as they are.
	return p.execute(w, http.StatusOK, "now", map[string]any{
		"Board": board, "Now": views, "Root": root(q.URL.Query().Get("depth")),
	})
}

// root is the relative address of the first page from a page at a depth.
func root(depth string) string {
	if depth == "1" {
		return "../"
	}
	return "./"
}
