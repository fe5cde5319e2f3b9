package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"

	"vllm_prober/internal/document"
	"vllm_prober/internal/report"
	"vllm_prober/internal/results"
)

// The forms of a report.
const (
	reportMarkdown = "markdown"
	reportHTML     = "html"
	reportJSON     = "json"
)

func addReport(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("report", "Say what recorded runs have found: a summary in sentences, tables and charts.")
	runs := cmd.Arg("run", "The ids of runs; without any, the latest run of each probe.").Strings()
	path := cmd.Flag("storage.path", "The folder that holds the records.").Default(defaultStorage).String()
	probe := cmd.Flag("probe", "Without ids, the latest run of this probe alone.").String()
	forms := []string{reportMarkdown, reportHTML, reportJSON}
	output := cmd.Flag("output", "The form: "+strings.Join(forms, ", ")+".").Default(reportMarkdown).Enum(forms...)
	language := cmd.Flag("lang", "The language: "+strings.Join(report.Languages(), ", ")+".").
		Default(string(report.English)).Enum(report.Languages()...)
	commands[cmd.FullCommand()] = func(env environment, _ *promslog.Config) error {
		records, err := reported(results.In(*path), *runs, *probe)
		if err != nil {
			return err
		}
		former := map[string][]*results.Record{}
		for _, r := range records {
			if former[r.ID], err = results.In(*path).Former(r, formerRuns); err != nil {
				return err
			}
		}
		return writeReport(env.stdout, report.Since(records, former, report.Language(*language)), *output)
	}
}

// reported are the runs of a report: those with some ids, or the latest of a probe, or
// of each.
func reported(records *results.Reader, ids []string, probe string) (all []*results.Record, err error) {
	if len(ids) > 0 && probe != "" {
		return nil, errors.New("--probe and the ids of runs are two ways to choose: give one")
	}
	for _, id := range ids {
		r, err := records.Run(id)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	if len(ids) > 0 {
		return all, nil
	}
	if probe != "" {
		all, err = records.Newest(probe, 1)
	} else {
		all, err = records.Latest()
	}
	if err == nil && len(all) == 0 {
		of := ""
		if probe != "" {
			of = fmt.Sprintf(" of probe %q", probe)
		}
		err = fmt.Errorf("there is no run%s to report: vllm_prober runs list shows those that there are", of)
	}
	return all, err
}

func writeReport(w io.Writer, doc *document.Document, form string) error {
	var text []byte
	var err error
	switch form {
	case reportHTML:
		text, err = doc.HTML()
	case reportJSON:
		if text, err = doc.JSON(); err == nil {
			text = slices.Concat(text, []byte("\n"))
		}
	default:
		text = []byte(doc.Markdown())
	}
	if err != nil {
		return err
	}
	if _, err = w.Write(text); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
