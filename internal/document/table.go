package document

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteAligned writes the table for a terminal, its columns aligned to the right.
func (t *Table) WriteAligned(w io.Writer) error {
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, cells := range append([][]string{t.Head}, t.Rows...) {
		line := strings.Join(cells, "\t") + "\t"
		if last := len(cells) - 1; t.Remark { // follows its tab unaligned, however long it is
			line = strings.Join(cells[:last], "\t") + "\t  " + cells[last]
		}
		fmt.Fprintln(columns, line)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// WriteMarkdown writes the table as GitHub's Markdown, without its caption.
func (t *Table) WriteMarkdown(w io.Writer) error {
	rule := make([]string, len(t.Head))
	for i := range rule {
		rule[i] = ":---"
		if t.isNumeric(i) {
			rule[i] = "---:"
		}
	}
	lines := [][]string{escaped(t.Head), rule}
	for _, row := range t.Rows {
		lines = append(lines, escaped(row))
	}
	for _, cells := range lines {
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")); err != nil {
			return err
		}
	}
	return nil
}

func escaped(cells []string) []string {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = inline(c)
	}
	return texts
}

// longest is how long a figure with its interval can be.
const longest = 24

// isNumeric says whether a column reads as numbers, which stand to the right.
func (t *Table) isNumeric(column int) bool {
	if t.Remark && column == len(t.Head)-1 {
		return false
	}
	return !slices.ContainsFunc(t.Rows, func(row []string) bool {
		cell := row[column]
		return len(cell) > longest || !missing(cell) && !strings.ContainsAny(cell[:1], "0123456789+-") && !strings.HasPrefix(cell, "−")
	})
}

// missing says whether a cell stands for nothing.
func missing(cell string) bool { return cell == "" || cell == "–" || cell == "?" }
