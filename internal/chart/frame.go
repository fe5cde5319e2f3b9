package chart

import (
	"fmt"
	"math"
	"strings"
)

// frame is the place of a plot with its axes.
type frame struct {
	left, top     float64
	width, height float64
	x, y          scale
}

// place is where a point is. It says false where it is nowhere.
func (f frame) place(x, y float64) (px, py float64, has bool) {
	px, hasX := f.x.at(x)
	py, hasY := f.y.at(y)
	return px, py, hasX && hasY
}

// polyline is the path of a line through points, broken where there is none.
type polyline struct {
	path  strings.Builder
	drawn bool // does it go on from the point before?
}

func (l *polyline) to(x, y float64, has bool) {
	if has {
		command := "M"
		if l.drawn {
			command = "L"
		}
		fmt.Fprintf(&l.path, "%s%s %s", command, number(x), number(y))
	}
	l.drawn = has
}

// interval is where the ends of a point's interval are.
func (f frame) interval(p Point) (lower, upper float64, has bool) {
	if !p.hasInterval() {
		return 0, 0, false
	}
	lower, hasLower := f.y.at(p.Lower)
	if !hasLower { // an interval that reaches to 0 leaves a logarithmic axis
		lower = f.y.start
	}
	upper, hasUpper := f.y.at(p.Upper)
	return lower, upper, hasUpper
}

// draw draws the axes with their ticks and labels.
func (f frame) draw(d *drawing, xLabel, yLabel string) {
	const grid = `stroke="currentColor" stroke-opacity="0.15"`
	for _, t := range f.y.ticks {
		if y, has := f.y.at(t.at); has {
			d.line(f.left, y, f.width-16, y, grid)
			d.text(f.left-6, y+4, "end", t.text)
		}
	}
	free := 0.0 // where the next tick's text may begin
	for _, t := range f.x.ticks {
		x, has := f.x.at(t.at)
		if !has {
			continue
		}
		d.line(x, f.y.start, x, f.y.start+4, `stroke="currentColor"`)
		half := widthOf(t.text) / 2
		if x-half < free {
			continue
		}
		d.text(min(x, f.width-half), f.y.start+lineHeight, "middle", t.text)
		free = x + half + 6
	}
	d.line(f.left, f.y.start, f.width-16, f.y.start, `stroke="currentColor"`)
	if yLabel != "" {
		d.text(0, f.top-11, "start", short(yLabel, f.width))
	}
	if xLabel != "" {
		d.text(f.width-16, f.height-3, "end", short(xLabel, f.width-16))
	}
}

// mark draws the n-th line that marks a value of X. Each label has a line of its own,
// lest one lie on another.
func (f frame) mark(d *drawing, n int, l Line, stroke string) {
	x, has := f.x.at(l.At)
	if !has {
		return
	}
	d.line(x, f.y.end, x, f.y.start, stroke+marking)
	label := f.label(l)
	anchor, at := "start", x+4
	if x+4+widthOf(label) > f.width {
		anchor, at = "end", x-4
	}
	d.halo(at, f.y.end+float64(n+1)*lineHeight-5, anchor, label)
}

// level draws a line that marks a value of Y, unless it has none. A label that would lie
// on one of others is beside it; the line of the largest value is to be the first.
func (f frame) level(d *drawing, l Line, stroke string, others []span) []span {
	y, has := f.y.at(l.At)
	if !has {
		return others
	}
	d.line(f.left, y, f.width-16, y, stroke+marking)
	if y-4-textSize < f.y.end { // above it there is the legend
		y += textSize + 6
	}
	at, label := f.left+6, f.label(l)
	for _, other := range others {
		if math.Abs(other.y-y) < textSize {
			at, y = max(at, other.end+10), other.y
		}
	}
	d.halo(at, y-4, "start", label)
	return append(others, span{y, at + widthOf(label)})
}

const marking = ` stroke-dasharray="4 3" stroke-opacity="0.8"`

func (f frame) label(l Line) string { return short(l.Label, (f.width-f.left)/2) }

// span is where a label lies: at which height, and up to where.
type span struct{ y, end float64 }

// widest is the width of the widest of the ticks' texts.
func widest(ticks []tick) float64 {
	w := 0.0
	for _, t := range ticks {
		w = max(w, widthOf(t.text))
	}
	return w
}
