package web

import (
	"strings"
	"unicode"

	"vllm_prober/internal/report"
)

// table is a table of figures.
type table struct {
	Title string
	Head  []heading
	Rows  [][]cell
}

// heading is one of a column; Hint says what a short one means.
type heading struct {
	Text, Hint string
	Number     bool
}

type cell struct {
	Text   string
	Number bool
}

// hints say what the short headings of steps mean.
var hints = map[string]string{
	"req/s":   "offered request rate",
	"done/s":  "throughput: requests completed per second of the window",
	"good/s":  "goodput: those of them that kept the SLO",
	"bench/s": "what vllm bench serve would report, with the drain in its time",
	"sat":     "whether the arm got more than it can bear for ever; ? is undetermined",
	"good %":  "share of the requests offered in the window that kept the SLO",
	"tok/s":   "output tokens per second",
	"ok":      "measured requests that were ok",
	"not ok":  "measured requests that failed",
	"running": "requests that ran on the replicas, in the mean",
	"waiting": "requests that waited on the replicas, in the mean",
	"KV %":    "largest share of the KV cache in use",
	"borne":   "highest tried rate that the arm bore",
	"kept":    "highest tried rate that kept the SLO",
	"missed":  "lowest tried rate that missed the SLO",
	"in SLO":  "highest rate within the SLO",
}

// tableOf is a section of a report; a column without words holds numbers.
func tableOf(s report.Section) table {
	t := table{Title: s.Title}
	for i, text := range s.Head {
		number := true
		for _, row := range s.Rows {
			number = number && !hasWords(row[i])
		}
		if s.Remark && i == len(s.Head)-1 {
			number = false
		}
		t.Head = append(t.Head, heading{text, hints[text], number})
	}
	for _, row := range s.Rows {
		cells := make([]cell, len(row))
		for i, text := range row {
			cells[i] = cell{text, t.Head[i].Number}
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

// hasWords says whether a cell holds more than a figure, an answer or a dash.
func hasWords(text string) bool {
	return text != "no" && text != "yes" && strings.ContainsFunc(text, unicode.IsLetter)
}
