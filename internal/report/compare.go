package report

import (
	"encoding/json"
	"fmt"
	"io"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/document"
	"vllm_prober/internal/stats"
)

// CompareFormats names the formats of comparisons.
func CompareFormats() []string { return []string{string(Table), string(JSON), string(Markdown)} }

// WriteComparisons writes tables of differences.
func WriteComparisons(w io.Writer, format Format, tables []*compare.Table) error {
	write := (*document.Table).WriteAligned
	switch format {
	case JSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(InWords(tables))
	case Markdown:
		write = (*document.Table).WriteMarkdown
	case Table, CSV:
	}
	for i, t := range tables {
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "%s as base, and %s; the words allow for chance in all cells together, the 95%% intervals in each by itself\n\n",
			t.Base, t.Other); err != nil {
			return err
		}
		if err := write(cellTable(t), w); err != nil {
			return err
		}
		for _, f := range t.Findings {
			if _, err := fmt.Fprintf(w, "\n%s\n", sentence(f)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Worded is a table of differences for programs: with codes as texts in English, too.
type Worded struct {
	*compare.Table

	Cells    []WordedCell    `json:"cells"`
	Findings []WordedFinding `json:"findings,omitempty"`
}

// WordedCell is a cell with why it is undetermined.
type WordedCell struct {
	compare.Cell

	Reason     string             `json:"reason,omitempty"`
	ReasonCode compare.ReasonCode `json:"reason_code,omitempty"`
}

// WordedFinding is a finding with what was found, and from which figures.
type WordedFinding struct {
	compare.Finding

	Text string `json:"text"`
}

// InWords are tables for programs.
func InWords(tables []*compare.Table) []Worded {
	all := make([]Worded, len(tables))
	for i, t := range tables {
		all[i] = Worded{Table: t, Cells: make([]WordedCell, len(t.Cells))}
		for j, c := range t.Cells {
			all[i].Cells[j] = WordedCell{c, english.reason(c.Reason), c.Reason.Code}
		}
		for _, f := range t.Findings {
			all[i].Findings = append(all[i].Findings, WordedFinding{f, english.detail(f)})
		}
	}
	return all
}

// sentence is a finding, with its arm before it.
func sentence(f compare.Finding) string {
	text := english.detail(f)
	switch {
	case f.Arm.Target == "":
		return text
	case f.Arm.GPUs == 0: // another tool's
		return f.Arm.Target + ": " + text
	}
	return fmt.Sprintf("%s, %s: %s", f.Arm.Target, Count(f.Arm.GPUs, "GPU"), text)
}

// cellTable has a row for each cell.
func cellTable(t *compare.Table) *document.Table {
	g := &document.Table{Head: []string{"req/s", "figure", "base", "other", "change", "from", "to", "steps", "verdict"}, Remark: true}
	for i := range t.Cells {
		c := &t.Cells[i]
		row := []string{
			shown(c.RequestRate > 0, "%g", c.RequestRate), metricName(c.Metric), inUnit(c.Metric, c.Base), inUnit(c.Metric, c.Other),
			shown(c.Base > 0 && c.Other > 0, "%s", percent(1+c.Change)), "–", "–", bothSteps(c), verdict(c),
		}
		if c.Interval != nil {
			row[5], row[6] = percent(1+c.Interval.Lower), percent(1+c.Interval.Upper)
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

// bothSteps is how many steps a cell is from or, where searches found it, how many runs.
func bothSteps(c *compare.Cell) string {
	switch {
	case c.Metric.IsAnswer() && c.BaseSteps == c.OtherSteps:
		return Count(c.BaseSteps, "run")
	case c.Metric.IsAnswer():
		return fmt.Sprintf("%d and %d runs", c.BaseSteps, c.OtherSteps)
	case c.BaseSteps == c.OtherSteps:
		return fmt.Sprint(c.BaseSteps)
	default:
		return fmt.Sprintf("%d and %d", c.BaseSteps, c.OtherSteps)
	}
}

// verdict is a cell's word, with what belongs to it.
func verdict(c *compare.Cell) string {
	switch {
	case c.Word == stats.NoDifference:
		return fmt.Sprintf("no difference beyond ±%g%%", margin(c.Beyond).percent())
	case c.Word == stats.Undetermined && c.NeededRepeats > 0:
		return fmt.Sprintf("undetermined: %s; %s of each would tell", english.reason(c.Reason), Count(c.NeededRepeats, repeated(c.Metric)))
	case c.Word == stats.Undetermined:
		return "undetermined: " + english.reason(c.Reason)
	default:
		return string(c.Word)
	}
}

// repeated is what is made again to know more of a metric.
func repeated(m compare.Metric) string {
	if m.IsAnswer() {
		return "run"
	}
	return "step"
}

var metricNames = map[compare.Metric]string{
	compare.Throughput: "done/s", compare.Goodput: "good/s", compare.TTFTMean: "TTFT ms", compare.TTFTP50: "TTFT p50", compare.TTFTP99: "TTFT p99",
	compare.TPOTMean: "TPOT ms", compare.TPOTP99: "TPOT p99", compare.E2EMean: "E2E ms", compare.E2EP99: "E2E p99",
	compare.Capacity: "capacity", compare.SLORate: "SLO rate",
}

func metricName(m compare.Metric) string { return metricNames[m] }

func inUnit(m compare.Metric, value float64) string {
	switch {
	case value == 0:
		return "–"
	case m.IsLatency():
		return milliseconds(value)
	default:
		return fmt.Sprintf("%.2f", value)
	}
}
