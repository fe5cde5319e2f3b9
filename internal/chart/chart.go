// Package chart draws measurements as SVG: curves, stacked bars, histories and
// sparklines. Its functions are pure, from data to text. Series differ by marker
// and dash as well as by colour. Colours are CSS custom properties, which
// Stylesheet gives for light and dark, and the rest is currentColor, so that a
// chart fits the page around it; without a stylesheet it is drawn for white paper.
// A chart needs no script, no font of its own, and nothing from a network.
package chart

import (
	"fmt"
	"hash/fnv"
	"html"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Stylesheet has the colours of charts. A page that holds charts includes it once.
const Stylesheet = `:root {
  --chart-0: #0072b2; --chart-1: #c04a00; --chart-2: #00795a; --chart-3: #9c3f80; --chart-4: #7a5c00; --chart-5: #54606e;
  --chart-paper: #fff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --chart-0: #5cb8f5; --chart-1: #ff9659; --chart-2: #3ecfa0; --chart-3: #ec9fd0; --chart-4: #e5c248; --chart-5: #b7c1cd;
    --chart-paper: #16181c;
  }
}
svg.chart { display: block; width: 100%; height: auto; overflow: visible; font: 13px system-ui, sans-serif; }
svg.chart a:focus-visible { outline: 2px solid currentColor; }
svg.spark { display: inline-block; width: 7.5em; vertical-align: middle; }
`

// colours are those of Stylesheet for light, by Okabe and Ito's scheme for the
// colour-blind, darkened until each has a contrast of 4.5 to white.
var colours = []string{"#0072b2", "#c04a00", "#00795a", "#9c3f80", "#7a5c00", "#54606e"}

// colour is that of the i-th series.
func colour(i int) string {
	i %= len(colours)
	return fmt.Sprintf("var(--chart-%d, %s)", i, colours[i])
}

// dash is the pattern of the i-th series' line. Lines that lie on one another are
// both seen, for the later one has gaps.
func dash(i int) string {
	patterns := []string{"", "7 4", "2 3", "9 3 2 3", "12 4"}
	return patterns[i%len(patterns)]
}

// The sizes of a chart in its own units, which are pixels where it is not scaled.
const (
	defaultWidth  = 400
	defaultHeight = 270
	textSize      = 13
	lineHeight    = 18
)

// Table is the data of a chart as text, for readers who do not see the chart.
type Table struct {
	Head []string
	Rows [][]string
}

// drawing is an SVG that is being written.
type drawing struct{ strings.Builder }

// begin writes the root with what a screen reader says of it. kind joins the
// root's classes.
func (d *drawing) begin(kind, title, description string, width, height float64) {
	hash := fnv.New64a()
	fmt.Fprint(hash, kind, "\x00", title, "\x00", description)
	id := fmt.Sprintf("c%x", hash.Sum64())
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" class="%s" viewBox="0 0 %s %s" font-family="system-ui, sans-serif" font-size="%d" `+
		`fill="currentColor" role="img" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		kind, number(width), number(height), textSize, id, id, id, escape(title), id, escape(description))
}

func (d *drawing) end() string {
	fmt.Fprint(d, "</svg>")
	return d.String()
}

// text writes text at a place; anchor is start, middle or end.
func (d *drawing) text(x, y float64, anchor, s string) {
	fmt.Fprintf(d, `<text x="%s" y="%s"`, number(x), number(y))
	if anchor != "start" {
		fmt.Fprintf(d, ` text-anchor="%s"`, anchor)
	}
	fmt.Fprintf(d, ">%s</text>", escape(s))
}

// halo writes text that is read above what it lies on.
func (d *drawing) halo(x, y float64, anchor, s string) {
	fmt.Fprint(d, `<g stroke="var(--chart-paper, #fff)" stroke-width="3" stroke-linejoin="round" paint-order="stroke">`)
	d.text(x, y, anchor, s)
	fmt.Fprint(d, "</g>")
}

// line writes a straight line with further attributes.
func (d *drawing) line(x1, y1, x2, y2 float64, attributes string) {
	fmt.Fprintf(d, `<path d="M%s %sL%s %s" %s/>`, number(x1), number(y1), number(x2), number(y2), attributes)
}

// escape makes any text fit for an SVG, within elements and attributes: characters
// that XML does not know become U+FFFD.
func escape(s string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || r < ' ' && r != '\t' && r != '\n' || r == 0xfffe || r == 0xffff {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar))))
}

// number writes a coordinate to a tenth.
func number(x float64) string {
	s := strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
	if s == "-0" {
		return "0"
	}
	return s
}

// widthOf is about how wide text is.
func widthOf(s string) float64 {
	w := 0.0
	for _, r := range s {
		w += advance(r)
	}
	return w
}

// advance is about how wide a character is.
func advance(r rune) float64 {
	switch {
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana):
		return textSize
	case strings.ContainsRune("iljtf.,:;|'! ", r):
		return 0.32 * textSize
	case unicode.IsUpper(r):
		return 0.68 * textSize
	default:
		return 0.56 * textSize
	}
}

// short cuts text that is wider than it may be.
func short(s string, width float64) string {
	w, fits := 0.0, 0 // what is left with an ellipsis
	for i, r := range s {
		if w += advance(r); w > width {
			return s[:fits] + "…"
		}
		if w+textSize <= width {
			fits = i + utf8.RuneLen(r)
		}
	}
	return s
}
