package chart

import (
	"fmt"
	"slices"
)

// Bars shows what wholes are made of, such as the latency of each arm: a bar for
// each, from left to right its parts.
type Bars struct {
	// Title and Description are what a screen reader says; the page shows the title.
	Title, Description string
	Label              string // of the axis
	Unit               Unit
	Parts              []string
	Rows               []Bar
	// Width is that of the view box; 0 is 400. The height follows from the rows.
	Width float64
}

// Bar is one of them.
type Bar struct {
	Label string
	// Values are in the order of Parts. What is not finite or below 0 is left out.
	Values []float64
}

// SVG draws the chart.
func (b Bars) SVG() string {
	const thick, apart = 18, 8
	width, _ := size(b.Width, 0)
	left := 0.0
	var totals []float64
	for _, r := range b.Rows {
		left = max(left, widthOf(r.Label)+10)
		total := 0.0
		for _, v := range b.values(r) {
			total += v
		}
		totals = append(totals, total)
	}
	left = min(left, width*0.4)
	key := b.key(width)
	top := float64(len(key)*lineHeight) + 8
	bottom := top + float64(len(b.Rows)*(thick+apart))
	height := bottom + 2*lineHeight + 4
	right := 16.0
	for _, t := range totals {
		right = max(right, widthOf(b.Unit.Format(t))+6)
	}
	x := Axis{Unit: b.Unit, Linear: true}.scaled(totals, left, width-right, max(2, int(width/110)))

	var d drawing
	d.begin("chart", b.Title, b.Description, width, height)
	for n, line := range key {
		for _, e := range line {
			b.box(&d, e.series, e.x, float64(n*lineHeight)+2, 14, 14)
			d.text(e.x+20, float64(n*lineHeight)+13, "start", e.name)
		}
	}
	for _, t := range x.ticks {
		at, _ := x.at(t.at)
		d.line(at, top, at, bottom, `stroke="currentColor" stroke-opacity="0.15"`)
		d.text(at, bottom+lineHeight-2, "middle", t.text)
	}
	for i, r := range b.Rows {
		y := top + float64(i*(thick+apart)) + apart/2
		d.text(left-8, y+thick-5, "end", short(r.Label, left-8))
		sum := 0.0
		for part, v := range b.values(r) {
			from, _ := x.at(sum)
			sum += v
			to, _ := x.at(sum)
			fmt.Fprintf(&d, "<g><title>%s</title>", escape(fmt.Sprintf("%s, %s: %s", r.Label, b.Parts[part], b.Unit.Format(v))))
			b.box(&d, part, from, y, to-from, thick)
			fmt.Fprint(&d, "</g>")
		}
		end, _ := x.at(sum)
		d.text(end+5, y+thick-5, "start", b.Unit.Format(totals[i]))
	}
	d.line(left, top, left, bottom, `stroke="currentColor"`)
	d.text(width-16, height-3, "end", b.Label)
	return d.end()
}

// values are those of a row that can be drawn, one for each part.
func (b Bars) values(r Bar) []float64 {
	values := make([]float64, len(b.Parts))
	for i := range min(len(values), len(r.Values)) {
		if v := r.Values[i]; finite(v) && v > 0 {
			values[i] = v
		}
	}
	if sum := slices.Clone(values); len(sum) > 0 {
		total := 0.0
		for _, v := range sum {
			total += v
		}
		if !finite(total) {
			return make([]float64, len(values))
		}
	}
	return values
}

// box draws a rectangle of a part. Parts differ by how much of it is covered, too.
func (b Bars) box(d *drawing, part int, x, y, width, height float64) {
	if width <= 0 {
		return
	}
	fmt.Fprintf(d, `<path d="M%s %sh%sv%sh%sZ" fill="%s" fill-opacity="%s" stroke="%s"/>`,
		number(x), number(y), number(width), number(height), number(-width), colour(part), []string{"1", "0.15", "0.55"}[part%3], colour(part))
}

func (b Bars) key(width float64) [][]entry {
	var lines [][]entry
	x := width
	for i, part := range b.Parts {
		name := short(part, width-40)
		w := 20 + widthOf(name) + 14
		if x+w > width {
			lines = append(lines, nil)
			x = 0
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], entry{i, x, name})
		x += w
	}
	return lines
}

// Table has a row for each bar and a column for each part, and one for the whole.
func (b Bars) Table(total string) Table {
	t := Table{Head: append(append([]string{""}, b.Parts...), total)}
	for _, r := range b.Rows {
		row, sum := []string{r.Label}, 0.0
		for i := range b.Parts {
			cell := "–"
			if i < len(r.Values) && finite(r.Values[i]) {
				cell = b.Unit.Format(r.Values[i])
				sum += max(r.Values[i], 0)
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, append(row, b.Unit.Format(sum)))
	}
	return t
}
