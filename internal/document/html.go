package document

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and what is in it
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"vllm_prober/internal/chart"
)

var (
	//go:embed page.html
	pageHTML string
	// Stylesheet is that of the page, for others that show its sections; the one
	// of the charts belongs before it.
	//
	//go:embed page.css
	Stylesheet string
	// Script sorts tables where the browser runs scripts; nothing depends on it. Others
	// that show sections find in its constant sorting what new tables need.
	//
	//go:embed sort.js
	Script string
)

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"picture": func(f *Figure) template.HTML { return template.HTML(f.SVG) }, //nolint:gosec // package chart has escaped it
	"columns": func(t *Table) []string {
		columns := make([]string, len(t.Head))
		for i := range columns {
			columns[i] = t.kindOf(i)
		}
		return columns
	},
	"class": func(t *Table, kind string, row, column int) string {
		return strings.TrimSpace(kind + " " + string(t.tones[[2]int{row, column}]))
	},
	"unfolded": func(t any) string {
		if t := pointer(t); !t.Folded {
			return t.Caption
		}
		return ""
	},
	"groups": groups,
	"nested": func(s Section, id string, level int, w Words) nested {
		return nested{s, id, level, min(level, 6), w}
	},
	"path":        func(id string, i int) string { return fmt.Sprintf("%s-%d", id, i+1) },
	"next":        func(level int) int { return level + 1 },
	"worded":      func(w Words, b Block) worded { return worded{b, w} },
	"figureBlock": func(f *Figure) Block { return Block{Figure: f} },
	"pointer":     pointer,
}).Parse(pageHTML))

// pointer is a table that is one or is pointed to.
func pointer(t any) *Table {
	if p, is := t.(*Table); is {
		return p
	}
	table, _ := t.(Table)
	return &table
}

// kindOf is the class of a column: n where it has numbers, wrap where it has a text of
// any length, long where a cell may be broken into lines, and nothing otherwise.
func (t *Table) kindOf(column int) string {
	switch {
	case t.isNumeric(column):
		return "n"
	case t.Remark && column == len(t.Head)-1:
		return "wrap"
	case slices.ContainsFunc(t.Rows, func(row []string) bool { return len(row[column]) > longest }):
		return "long"
	}
	return ""
}

// nested is a section with its place.
type nested struct {
	Section

	ID             string
	Level, Heading int
	Words          Words
}

type worded struct {
	Block

	Words Words
}

// HTML writes the document as one file that asks nothing of any network: its styles,
// pictures and script are in it, and its policy forbids all else.
func (d *Document) HTML() ([]byte, error) {
	hash := sha256.Sum256([]byte(Script))
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, "page", map[string]any{
		"Document": d, "Style": template.CSS(chart.Stylesheet + Stylesheet), "Script": template.JS(Script), //nolint:gosec // they are of this package
		"Hash": "sha256-" + base64.StdEncoding.EncodeToString(hash[:]),
	}); err != nil {
		return nil, fmt.Errorf("writing the report as HTML: %w", err)
	}
	return b.Bytes(), nil
}

// Fragment writes a section for a page of somebody else's, whose headings of its
// depth are h2, h3 and so on by level.
func (s Section) Fragment(words Words, id string, level int) (template.HTML, error) {
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, "section", nested{s, id, level, min(level, 6), words}); err != nil {
		return "", fmt.Errorf("writing section %q as HTML: %w", s.Title, err)
	}
	return template.HTML(b.String()), nil //nolint:gosec // the template has escaped it
}

// group is one block, or several figures side by side.
type group struct {
	Block

	Figures []*Figure
}

// groups puts figures that follow one another side by side.
func groups(blocks []Block) (all []group) {
	for _, b := range blocks {
		last := len(all) - 1
		if b.Figure != nil && last >= 0 && len(all[last].Figures) > 0 {
			all[last].Figures = append(all[last].Figures, b.Figure)
			continue
		}
		g := group{Block: b}
		if b.Figure != nil {
			g.Figures = slices.Clip([]*Figure{b.Figure})
		}
		all = append(all, g)
	}
	return all
}
