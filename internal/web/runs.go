package web

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"vllm_prober/internal/config"
	"vllm_prober/internal/live"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// runs finds runs: those under way and the latest ones on the board, all others in
// the records.
type runs struct {
	board   *live.Board
	records *results.Reader
	config  func() *config.Config
	// working is held while records are read, and while downloads and comparisons are made
	// of them: many readers at a time take no more of a measurement's processors than one.
	working sync.Mutex
}

// errNoRun is that of a run that is neither recorded nor on the board.
var errNoRun = errors.New("there is no such run")

// page is the newest runs that began before the run of an id, the newest first, as
// results.Reader.Page gives them. Without records they are those on the board.
func (r *runs) page(probe, before string, limit int) (page []*results.Record, more bool, err error) {
	if r.records != nil {
		r.working.Lock()
		defer r.working.Unlock()
		return r.records.Page(probe, before, limit)
	}
	for _, p := range r.board.Probes() {
		if probe != "" && p.Name() != probe {
			continue
		}
		for _, run := range onBoard(p) {
			if before == "" || run.ID < before {
				page = append(page, results.RecordOf(run))
			}
		}
	}
	slices.SortFunc(page, func(a, b *results.Record) int { return strings.Compare(b.ID, a.ID) })
	return page[:min(limit, len(page))], len(page) > limit, nil
}

// run is the run of an id. Its error is errNoRun where there is none. The board's runs
// are there even where the records lack them: the disk was full, or retention removed
// the latest run of a probe that has rested for long.
func (r *runs) run(id string) (*results.Record, error) {
	kept := "no records are kept"
	if r.records != nil {
		kept = "the records lack it"
		record, err := r.recorded(id)
		if _, missing := errors.AsType[*results.NotFoundError](err); !missing {
			return record, err
		}
	}
	for _, p := range r.board.Probes() {
		for _, run := range onBoard(p) {
			if run.ID == id {
				return r.defined(results.RecordOf(run))
			}
		}
	}
	return nil, fmt.Errorf("%w as %q: %s, and it is no probe's latest", errNoRun, id, kept)
}

// onBoard are the runs of a probe that the board has, the newest first.
func onBoard(p *live.Probe) (all []*prober.RunResult) {
	for _, run := range []*prober.RunResult{p.Current(), p.Last(), p.Latest()} {
		if run != nil && !slices.ContainsFunc(all, func(had *prober.RunResult) bool { return had.ID == run.ID }) {
			all = append(all, run)
		}
	}
	return all
}

// recorded is the run of an id in the records.
func (r *runs) recorded(id string) (*results.Record, error) {
	r.working.Lock()
	defer r.working.Unlock()
	return r.records.Run(id)
}

// defined gives a record of the board its definition: that in force, for a probe that
// changes begins anew on the board.
func (r *runs) defined(record *results.Record) (*results.Record, error) {
	cfg := r.config()
	p, has := cfg.Probe(record.Probe)
	if !has {
		return record, nil
	}
	var err error
	record.Configuration, err = results.Configuration(cfg, p)
	return record, err
}

// stepsOf are a record's steps without histograms.
func stepsOf(r *results.Record) []prober.StepResult {
	steps := make([]prober.StepResult, len(r.Steps))
	for i := range r.Steps {
		steps[i] = r.Steps[i].StepResult
	}
	return steps
}

// newest is the run that tells of a probe at present: the latest that has ended, or
// before there is one, the one under way. It is nil where there is neither.
func newest(p *live.Probe) *prober.RunResult {
	if latest := p.Latest(); latest != nil {
		return latest
	}
	if current := p.Current(); current != nil && len(current.Results) > 0 {
		return current
	}
	return nil
}
