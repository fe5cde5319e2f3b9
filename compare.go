package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/report"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// formerRuns is how many runs a single one is held against.
const formerRuns = 10

func addCompare(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("compare", "Say what differs beyond chance between two runs, two arms, or a run and those before it.")
	path := cmd.Flag("storage.path", "The folder that holds the records.").Default(defaultStorage).String()
	effect := cmd.Flag("effect", "The smallest difference that matters, in percent.").Default(strconv.Itoa(int(100 * compare.Effect))).Float64()
	output := cmd.Flag("output", "The form of the result: "+strings.Join(report.CompareFormats(), ", ")+".").
		Default(string(report.Table)).Enum(report.CompareFormats()...)
	base := cmd.Arg("base", "A run's id, several of them with commas between, or either with an arm, "+
		"as RUN:TARGET or RUN:TARGET:REPLICAS; or a file of vllm bench serve --save-result or guidellm.").
		Required().String()
	other := cmd.Arg("other", "What is held against it, in the same way. Without it, base is held against the runs of its definition before it, "+
		fmt.Sprintf("%d at most.", formerRuns)).String()
	commands[cmd.FullCommand()] = func(env environment, _ *promslog.Config) error {
		if *effect <= 0 || *effect > 100 {
			return fmt.Errorf("--effect: %g; allowed: more than 0, and 100 at most", *effect)
		}
		return compareRuns(env.stdout, results.In(*path), *base, *other, *effect/100, report.Format(*output))
	}
}

// compared is what one argument means.
type compared struct {
	sides   []compare.Side
	records []*results.Record
	files   []os.FileInfo // those that it names, where they are not records
}

// has says whether a file is one of those that are compared, by whatever name.
func (c compared) has(file os.FileInfo) bool {
	return slices.ContainsFunc(c.files, func(other os.FileInfo) bool { return os.SameFile(file, other) })
}

func compareRuns(w io.Writer, records *results.Reader, base, other string, effect float64, format report.Format) error {
	a, err := readCompared(records, base)
	if err != nil {
		return err
	}
	b := a
	if other == "" {
		if len(b.records) == 0 {
			return fmt.Errorf("%s has no runs before it: name what to compare it with", base)
		}
		if a, err = former(records, b); err != nil {
			return err
		}
	} else if b, err = readCompared(records, other); err != nil {
		return err
	}
	if at := slices.IndexFunc(b.files, a.has); at >= 0 {
		return fmt.Errorf("%s stands on both sides, and would be held against itself: name it once", b.files[at].Name())
	}
	tables, err := tablesOf(a, b, base, other, effect)
	if err != nil {
		return err
	}
	return report.WriteComparisons(w, format, tables)
}

// tablesOf compares the arms that both have or, where each has one, these.
func tablesOf(a, b compared, base, other string, effect float64) ([]*compare.Table, error) {
	var tables []*compare.Table
	definitions := compare.Definitions(slices.Concat(a.records, b.records)...)
	alone := len(a.sides) == 1 && len(b.sides) == 1
	for _, x := range a.sides {
		for _, y := range b.sides {
			if !alone && x.Arm() != y.Arm() {
				continue
			}
			if run := compare.OnBothSides(x, y); run != "" {
				return nil, fmt.Errorf("%s stands on both sides with the same arm, and would be held against itself: name it once, "+
					"or an arm on each side as RUN:TARGET:REPLICAS", run)
			}
			t := compare.Between(x, y, effect)
			t.Findings = slices.Concat(definitions, t.Findings)
			tables = append(tables, t)
		}
	}
	if len(tables) == 0 {
		return nil, fmt.Errorf("%s and %s have no arm in common: name one of each as RUN:TARGET:REPLICAS, of %s",
			base, other, names(a.sides, b.sides))
	}
	cells := 0
	for _, t := range tables {
		cells += len(t.Cells)
	}
	if cells == 0 {
		return nil, fmt.Errorf("%s and %s have neither valid steps at the same request rate nor both a search", tables[0].Base, tables[0].Other)
	}
	return tables, nil
}

func names(sides ...[]compare.Side) string {
	var all []string
	for _, some := range sides {
		for _, s := range some {
			all = append(all, s.Name)
		}
	}
	return strings.Join(all, ", ")
}

// readCompared reads what an argument names.
func readCompared(records *results.Reader, argument string) (compared, error) {
	if isFile(strings.Split(argument, ",")[0]) {
		return readFiles(argument)
	}
	ids, arm, hasArm := strings.Cut(argument, ":")
	var c compared
	var runs []*prober.RunResult
	for id := range strings.SplitSeq(ids, ",") {
		r, err := records.Run(id)
		if err != nil {
			return c, err
		}
		if slices.ContainsFunc(c.records, func(other *results.Record) bool { return other.ID == r.ID }) {
			return c, fmt.Errorf("%s stands twice on one side, and would count as two runs: name it once", r.ID)
		}
		c.records, runs = append(c.records, r), append(runs, r.Result())
	}
	all := compare.OfRuns(ids, runs)
	if len(all) == 0 {
		return c, fmt.Errorf("%s has no valid step to compare", ids)
	}
	if !hasArm {
		c.sides = all
		return c, nil
	}
	target, replicas, hasReplicas := strings.Cut(arm, ":")
	for _, s := range all {
		if s.Arm().Target == target && (!hasReplicas || strconv.Itoa(s.Arm().Replicas) == replicas) {
			c.sides = append(c.sides, s)
		}
	}
	if len(c.sides) == 0 {
		return c, fmt.Errorf("%s has no arm %q; it has %s", ids, arm, names(all))
	}
	return c, nil
}

// isFile says whether a file is meant and not a run: one that is there, or a name that
// no run has.
func isFile(name string) bool {
	_, err := os.Stat(name)
	return err == nil || strings.HasSuffix(name, ".json") || strings.ContainsRune(name, os.PathSeparator)
}

// readFiles reads the files of another tool that an argument names: one side.
func readFiles(argument string) (c compared, err error) {
	var files []compare.File
	for name := range strings.SplitSeq(argument, ",") {
		text, err := os.ReadFile(name)
		if err != nil {
			return c, err
		}
		file, err := os.Stat(name)
		if err != nil {
			return c, err
		}
		if c.has(file) {
			return c, fmt.Errorf("%s stands twice on a side, and would be taken for two runs: name it once", name)
		}
		c.files, files = append(c.files, file), append(files, compare.File{Name: name, Text: text})
	}
	side, err := compare.Read(argument, files...)
	if err != nil {
		return c, err
	}
	side.Name += declared(side.Arm())
	c.sides = []compare.Side{side}
	return c, nil
}

// declared is what files say of the arm that they are of; empty where they say nothing.
func declared(arm prober.Arm) string {
	var all []string
	if arm.BatchSize > 0 {
		all = append(all, fmt.Sprintf("batch size %d", arm.BatchSize))
	}
	if arm.Replicas > 0 {
		all = append(all, report.Count(arm.Replicas, "replica"))
	}
	if arm.GPUs > 0 {
		all = append(all, report.Count(arm.GPUs, "GPU"))
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}

// former are the runs before the oldest of a side, of its definition.
func former(records *results.Reader, of compared) (compared, error) {
	oldest := slices.MinFunc(of.records, func(a, b *results.Record) int { return strings.Compare(a.ID, b.ID) })
	before, err := records.Former(oldest, formerRuns)
	if err != nil {
		return compared{}, err
	}
	if len(before) == 0 {
		return compared{}, fmt.Errorf(
			"no run of probe %q before %s made all its steps with the same configuration: name a run to compare it with", oldest.Probe, oldest.ID)
	}
	c := compared{records: before}
	var runs []*prober.RunResult
	for _, r := range before {
		runs = append(runs, r.Result())
	}
	c.sides = compare.OfRuns(report.Count(len(runs), "run")+" before", runs)
	return c, nil
}
