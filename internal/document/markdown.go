package document

import (
	"fmt"
	"strings"
	"unicode"
)

// Markdown writes the document as GitHub's Markdown.
func (d *Document) Markdown() string {
	w := &markdown{words: d.Words}
	fmt.Fprintf(w, "# %s\n", inline(d.Title))
	for i := range d.Sections {
		w.section(&d.Sections[i], 2)
	}
	return w.String()
}

type markdown struct {
	strings.Builder

	words Words
}

func (w *markdown) section(s *Section, level int) {
	fmt.Fprintf(w, "\n%s %s\n", strings.Repeat("#", min(level, 6)), inline(s.Title))
	for i := range s.Blocks {
		fmt.Fprintln(w)
		w.block(&s.Blocks[i])
	}
	for i := range s.Sections {
		w.section(&s.Sections[i], level+1)
	}
}

func (w *markdown) block(b *Block) {
	switch {
	case b.Table != nil:
		w.table(b.Table, b.Table.Caption)
	case b.Figure != nil:
		w.table(&b.Figure.Data, b.Figure.Caption)
	case b.Code != "":
		fence := "```"
		for strings.Contains(b.Code, fence) {
			fence += "`"
		}
		fmt.Fprintf(w, "%s\n%s\n%s\n", fence, strings.TrimRight(b.Code, "\n"), fence)
	case len(b.Sentences) > 0:
		for _, s := range b.Sentences {
			fmt.Fprintf(w, "- %s", inline(s.Text))
			if s.Evidence != "" {
				fmt.Fprintf(w, " <sub>%s: %s</sub>", inline(w.words.Evidence), inline(s.Evidence))
			}
			fmt.Fprintln(w)
		}
	default:
		fmt.Fprintf(w, "%s\n", paragraph(b.Paragraph))
	}
}

func (w *markdown) table(t *Table, caption string) {
	if caption != "" {
		fmt.Fprintf(w, "**%s**\n\n", inline(caption))
	}
	_ = t.WriteMarkdown(w) // a builder takes all
}

// inline makes any text one line that Markdown takes for text: each of its signs is
// escaped, and those of HTML too.
func inline(s string) string {
	var b strings.Builder
	text := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(s, "\ufffd")), " "))
	for i, r := range text {
		switch {
		case r == '_' && i > 0 && i+1 < len(text) && isWord(text[i-1]) && isWord(text[i+1]): // within a word it is none
			b.WriteRune(r)
		case strings.ContainsRune("\\`*_[]|~", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// paragraph makes any text one line that begins no heading, list or rule.
func paragraph(s string) string {
	text := inline(s)
	if strings.HasPrefix(text, "#") || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") || strings.HasPrefix(text, "=") {
		return `\` + text
	}
	return text
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
