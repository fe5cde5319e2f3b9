// Package results keeps a record of every run in a file, so that what was
// measured outlives the prober, and reads the records back.
package results

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/version"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// Schema is the version of the way in which records are kept. A new field leaves
// it as it is; what an older program would misread raises it.
const Schema = 1

// Record is all that is kept of a run. As JSON it is the run's result, as
// vllm_prober run writes it, and more.
type Record struct {
	Schema int `json:"schema"`
	beginning
	ending
	// Steps are those that have ended, in their order, invalid ones too.
	Steps []Step `json:"steps"`
}

// beginning is what is known of a run when it begins.
type beginning struct {
	prober.Run
	// Configuration is the probe's, with its targets, as YAML; secrets are hidden.
	Configuration string `json:"configuration"`
	// Prober is the program that made the run.
	Prober Version `json:"prober"`
}

// ending is what is known of a run once it has ended. Until then, and of a run
// that was cut, EndedAt is zero.
type ending struct {
	EndedAt time.Time         `json:"ended_at,omitzero"`
	Outcome prober.RunOutcome `json:"outcome,omitempty"`
	Models  []prober.ArmModel `json:"models,omitempty"`
	// Answers and Comparison are what the run's searches and its experiment found.
	Answers    []prober.Answer    `json:"answers,omitempty"`
	Comparison *prober.Comparison `json:"comparison,omitempty"`
	Err        string             `json:"error,omitempty"`
}

// Version is that of a program.
type Version struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
}

// thisProgram is the version of the program that runs.
func thisProgram() Version {
	return Version{Version: cmp.Or(version.Version, "unknown"), Revision: version.GetRevision()}
}

// Step is a step's result with the whole distributions of its latencies.
type Step struct {
	prober.StepResult
	// Histograms and Batches are nil where the latencies are withheld.
	Histograms *Histograms     `json:"histograms,omitempty"`
	Batches    *prober.Batches `json:"batches,omitempty"`
}

// Histograms are the latencies of a step's measured requests that were OK. Those
// of several steps can be merged without loss.
type Histograms struct {
	TTFT prober.Histogram `json:"ttft_seconds"`
	TPOT prober.Histogram `json:"tpot_seconds"`
	ITL  prober.Histogram `json:"itl_seconds"`
	E2E  prober.Histogram `json:"e2e_seconds"`
}

// stepOf is a step as it is kept.
func stepOf(r *prober.StepResult) Step {
	kept := Step{StepResult: *r, Batches: r.Batches}
	if r.Latencies == nil {
		return kept
	}
	kept.Histograms = &Histograms{}
	h := kept.Histograms
	for i := range r.Measured {
		o := &r.Measured[i]
		h.TTFT.Observe(o.TTFT(), 1)
		h.E2E.Observe(o.E2E(), 1)
		if d, has := o.TPOT(); has {
			h.TPOT.Observe(d, 1)
		}
	}
	if r.ITL != nil {
		h.ITL.Merge(r.ITL)
	}
	return kept
}

// endingOf is what is kept of a run when it has ended.
func endingOf(r *prober.RunResult) ending {
	return ending{
		EndedAt: r.EndedAt, Outcome: r.Outcome, Models: r.Models, Answers: r.Answers, Comparison: r.Comparison, Err: r.Err,
	}
}

// RecordOf is a run that is not recorded as a record, without what records alone have:
// the definition, the program's version and the histograms.
func RecordOf(r *prober.RunResult) *Record {
	record := &Record{Schema: Schema, beginning: beginning{Run: r.Run}, ending: endingOf(r), Steps: []Step{}}
	for i := range r.Results {
		record.Steps = append(record.Steps, Step{StepResult: r.Results[i], Batches: r.Results[i].Batches})
	}
	return record
}

// Result is the result of the run that is recorded.
func (r *Record) Result() *prober.RunResult {
	result := &prober.RunResult{
		Run: r.Run, EndedAt: r.EndedAt, Outcome: r.Outcome, Models: r.Models,
		Answers: r.Answers, Comparison: r.Comparison, Err: r.Err,
	}
	for i := range r.Steps {
		step := r.Steps[i].StepResult
		step.Batches = r.Steps[i].Batches
		result.Results = append(result.Results, step)
	}
	return result
}

// Definition is the probe that the run was made with. It cannot be read of a release
// that knew other keys.
func (r *Record) Definition() (config.Probe, error) {
	cfg, err := config.Parse([]byte(r.Configuration), r.ID)
	if err != nil {
		return config.Probe{}, err
	}
	p, has := cfg.Probe(r.Probe)
	if !has {
		return config.Probe{}, fmt.Errorf("run %s: its configuration has no probe %q", r.ID, r.Probe)
	}
	return p, nil
}

// Configuration is the definition of one of cfg's probes as it is recorded: a
// configuration of that probe, of the heartbeat that its guard heeds, and of their
// targets alone, with secrets hidden.
func Configuration(cfg *config.Config, probe config.Probe) (string, error) {
	one := config.Config{Probes: []config.Probe{probe}}
	for _, other := range cfg.Probes {
		if other.Name == probe.Guard.Heartbeat {
			one.Probes = append(one.Probes, other)
		}
	}
	one.Targets = cfg.TargetsOf(one.Probes...)
	text, err := one.YAML()
	if err != nil {
		return "", fmt.Errorf("probe %q, for its records: %w", probe.Name, err)
	}
	return string(text), nil
}

// stored is a record as it lies in the file.
type stored struct {
	id         string
	begin, end []byte
	steps      [][]byte
}

// decode reads a record.
func (s *stored) decode() (*Record, error) {
	r := &Record{Schema: Schema, Steps: []Step{}}
	if err := json.Unmarshal(s.begin, &r.beginning); err != nil {
		return nil, s.unreadable("beginning", err)
	}
	if s.end != nil {
		if err := json.Unmarshal(s.end, &r.ending); err != nil {
			return nil, s.unreadable("end", err)
		}
	}
	for i, text := range s.steps {
		var step Step
		if err := json.Unmarshal(text, &step); err != nil {
			return nil, s.unreadable(fmt.Sprintf("step %d", i+1), err)
		}
		r.Steps = append(r.Steps, step)
	}
	return r, nil
}

// histograms is where those of a step begin, which its batches alone follow. No string
// within the step can hold it, for its quotation marks would be escaped.
var histograms = []byte(`,"histograms":{`)

// brief reads a record without its histograms and batches.
func (s *stored) brief() (*Record, error) {
	short := *s
	short.steps = slices.Clone(s.steps)
	for i, text := range short.steps {
		if at := bytes.LastIndex(text, histograms); at >= 0 {
			short.steps[i] = append(bytes.Clone(text[:at]), '}')
		}
	}
	return short.decode()
}

func (s *stored) unreadable(part string, err error) error {
	return fmt.Errorf("reading the %s of run %s: %w: the file is damaged; put a backup in its place, or move it away to begin anew", part, s.id, err)
}
