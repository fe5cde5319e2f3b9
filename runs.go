package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"

	"vllm_prober/collector"
	"vllm_prober/internal/report"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// defaultStorage is the folder of the records unless told otherwise.
const defaultStorage = "data/"

// storageFlags say where records are kept, and which.
type storageFlags struct {
	path string
	age  model.Duration
	runs int
}

func (f *storageFlags) add(cmd *kingpin.CmdClause) {
	cmd.Flag("storage.path", "The folder that holds the records of runs; an empty one keeps none.").Default(defaultStorage).StringVar(&f.path)
	cmd.Flag("storage.retention.time", "How long a record is kept; 0 is for ever.").Default("90d").SetValue(&f.age)
	cmd.Flag("storage.retention.runs", "How many records are kept; 0 is all.").Default(strconv.Itoa(10_000)).IntVar(&f.runs)
}

// open opens the records for writing; it returns nil where none are to be kept.
func (f *storageFlags) open(logger *slog.Logger) (*results.Store, error) {
	if f.path == "" {
		logger.Warn("no records of runs are kept: --storage.path is empty")
		return nil, nil //nolint:nilnil // no store is no mistake
	}
	if f.runs < 0 {
		return nil, fmt.Errorf("--storage.retention.runs: %d; allowed: 0 for all, or more", f.runs)
	}
	return results.Open(f.path, results.Retention{Age: time.Duration(f.age), Runs: f.runs}, logger)
}

func addRuns(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("runs", "Read the records of runs, also beside a daemon that writes them.")
	path := cmd.Flag("storage.path", "The folder that holds the records.").Default(defaultStorage).String()

	list := cmd.Command("list", "List the newest runs.")
	listed := list.Flag("probe", "Only runs of this probe.").String()
	limit := list.Flag("limit", "How many runs to list.").Default("50").Int()
	commands[list.FullCommand()] = func(env environment, _ *promslog.Config) error {
		return listRuns(env.stdout, results.In(*path), *listed, *limit)
	}

	show := cmd.Command("show", "Show a run as it was printed when it ended, and what it was made with.")
	id := show.Arg("id", "The run's id; without it, the newest run.").String()
	output := show.Flag("output", "The form of the result: "+strings.Join(report.Formats(), ", ")+".").
		Default(string(report.Table)).Enum(report.Formats()...)
	commands[show.FullCommand()] = func(env environment, _ *promslog.Config) error {
		return showRun(env.stdout, results.In(*path), *id, report.Format(*output))
	}

	export := cmd.Command("export", "Write the records for other programs, the oldest first.")
	exported := export.Flag("probe", "Only runs of this probe.").String()
	var age model.Duration
	export.Flag("since", "Only runs that began this long ago or later, such as 7d; 0 is all.").Default("0s").SetValue(&age)
	format := export.Flag("format", "json: a record a line; openmetrics: the gauges of each step, for promtool tsdb create-blocks-from openmetrics.").
		Default(formatJSON).Enum(formatJSON, formatOpenMetrics)
	commands[export.FullCommand()] = func(env environment, _ *promslog.Config) error {
		var since time.Time
		if age > 0 {
			since = time.Now().Add(-time.Duration(age))
		}
		return exportRuns(env.stdout, results.In(*path).All(*exported, since), *format)
	}
}

// The forms of an export.
const (
	formatJSON        = "json"
	formatOpenMetrics = "openmetrics"
)

func listRuns(w io.Writer, records *results.Reader, probe string, limit int) error {
	if limit < 1 {
		return fmt.Errorf("--limit: %d; allowed: 1 or more", limit)
	}
	newest, err := records.Newest(probe, limit)
	if err != nil {
		return err
	}
	var runs []*prober.RunResult
	for _, r := range newest {
		runs = append(runs, r.Result())
	}
	return report.WriteList(w, runs)
}

func showRun(w io.Writer, records *results.Reader, id string, format report.Format) error {
	r, err := runOrNewest(records, id)
	if err != nil {
		return err
	}
	if format == report.JSON {
		e := encoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	result := r.Result()
	if err := report.Write(w, format, result); err != nil || format == report.CSV {
		return err
	}
	end := report.Ending(result)
	if !r.EndedAt.IsZero() {
		end = fmt.Sprintf("ended %s, %s", r.EndedAt.Format(time.RFC3339), end)
	}
	configuration := r.Configuration
	if format == report.Markdown {
		configuration = "```yaml\n" + configuration + "```\n"
	}
	_, err = fmt.Fprintf(w, "made by vllm_prober %s (revision %s); started %s; %s; its configuration:\n\n%s",
		r.Prober.Version, r.Prober.Revision, r.StartedAt.Format(time.RFC3339), end, configuration)
	return err
}

// runOrNewest is the record of a run, or where it has no id that of the newest one.
func runOrNewest(records *results.Reader, id string) (*results.Record, error) {
	if id != "" {
		return records.Run(id)
	}
	newest, err := records.Newest("", 1)
	if err != nil {
		return nil, err
	}
	if len(newest) == 0 {
		return nil, errors.New("no run has been recorded yet")
	}
	return newest[0], nil
}

// encoder writes records as they are documented: <secret> and not \u003csecret\u003e.
func encoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

func exportRuns(w io.Writer, records iter.Seq2[*results.Record, error], format string) error {
	if format == formatOpenMetrics {
		return collector.Backfill(w, func(yield func(*prober.StepResult, error) bool) {
			for r, err := range records {
				if err != nil {
					yield(nil, err)
					return
				}
				for i := range r.Steps {
					if !yield(&r.Steps[i].StepResult, nil) {
						return
					}
				}
			}
		})
	}
	e := encoder(w)
	for r, err := range records {
		if err != nil {
			return err
		}
		if err := e.Encode(r); err != nil {
			return fmt.Errorf("writing the records: %w", err)
		}
	}
	return nil
}
