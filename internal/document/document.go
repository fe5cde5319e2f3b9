// Package document is what a report says, apart from how it is written: sections of
// sentences, tables and charts, which Markdown, HTML and JSON make of it. Its texts
// are plain; each form escapes them as it has to, so that no name, label or error of
// anybody's can be more than text.
package document

import "encoding/json"

// Document is a whole report.
type Document struct {
	// Language is a BCP 47 tag, such as en.
	Language string    `json:"language"`
	Title    string    `json:"title"`
	Sections []Section `json:"sections"`
	Words    Words     `json:"-"`
}

// Words are what a form adds of its own, in the document's language.
type Words struct {
	// Contents is the title of the list of sections, Data that of a chart's figures
	// and Evidence that of what a sentence was derived from.
	Contents, Data, Evidence string
}

// Section is a part of a document under a title.
type Section struct {
	Title    string    `json:"title"`
	Blocks   []Block   `json:"blocks,omitempty"`
	Sections []Section `json:"sections,omitempty"`
}

// Block is one thing of a section: whichever of its fields is there.
type Block struct {
	Paragraph string     `json:"paragraph,omitempty"`
	Sentences []Sentence `json:"sentences,omitempty"`
	Table     *Table     `json:"table,omitempty"`
	Figure    *Figure    `json:"figure,omitempty"`
	Code      string     `json:"code,omitempty"`
}

// Sentence says what a rule made of verdicts.
type Sentence struct {
	// Rule is the name of the rule.
	Rule string `json:"rule"`
	Text string `json:"text"`
	// Evidence is the verdicts as they are recorded, and where.
	Evidence string `json:"evidence,omitempty"`
}

// Table is a table of texts. Rows are as long as Head.
type Table struct {
	Caption string `json:"caption,omitempty"`
	// Folded says that it is long and can wait: its caption unfolds it.
	Folded bool `json:"-"`
	// Remark says that the last column is text of any length.
	Remark bool       `json:"-"`
	Head   []string   `json:"head"`
	Rows   [][]string `json:"rows"`

	tones map[[2]int]Tone // by row and column
}

// Tone is how a cell strikes the eye where there are colours. Its text says the same.
type Tone string

// The tones.
const (
	Plain Tone = ""
	Good  Tone = "good"
	Bad   Tone = "bad"
	Open  Tone = "open" // nothing is known
)

// Mark gives a cell a tone.
func (t *Table) Mark(row, column int, tone Tone) {
	if t.tones == nil {
		t.tones = map[[2]int]Tone{}
	}
	t.tones[[2]int{row, column}] = tone
}

// Figure is a chart with its data. Forms that show no picture show the data.
type Figure struct {
	Caption string `json:"caption"`
	SVG     string `json:"-"`
	Data    Table  `json:"data"`
}

// Paragraph is a block of text.
func Paragraph(text string) Block { return Block{Paragraph: text} }

// JSON writes the document for programs, with all but the pictures.
func (d *Document) JSON() ([]byte, error) {
	return json.MarshalIndent(d, "", "  ")
}
