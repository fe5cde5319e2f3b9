package chart

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Curves shows figures of several series over one axis, such as latencies over the
// request rate.
type Curves struct {
	// Title and Description are what a screen reader says; the page shows the title.
	Title, Description string
	X, Y               Axis
	Series             []Series
	// Lines mark values of an axis, such as a limit or a capacity.
	Lines []Line
	// Width and Height are those of the view box; 0 is 400 by 270. On a page, the
	// chart is as wide as what holds it.
	Width, Height float64
}

// Series is one of several, such as an arm.
type Series struct {
	Name   string
	Points []Point // by rising X
	// Reference says that it was not measured: a thin line without markers.
	Reference bool
}

// Point is a figure. A point that is not finite is a gap in the line.
type Point struct {
	X, Y float64
	// Lower and Upper are the ends of Y's interval; both 0 is none.
	Lower, Upper float64
	// Note is said of the point beside its figures.
	Note string
}

func (p Point) hasInterval() bool {
	return finite(p.Lower) && finite(p.Upper) && (p.Lower != 0 || p.Upper != 0)
}

// Line marks a value.
type Line struct {
	At float64
	// OnY says that At is a value of the Y axis.
	OnY   bool
	Label string
	// Series is that whose colour it has, by its index; -1 is none.
	Series int
}

// SVG draws the chart.
func (c Curves) SVG() string {
	width, height := size(c.Width, c.Height)
	legend := c.legend(width)
	top := float64(len(legend)*lineHeight) + 14
	if c.Y.Label != "" { // it is above the axis
		top += lineHeight
	}
	xs, ys := c.extent()
	for _, l := range c.Lines {
		if l.OnY {
			ys = append(ys, l.At)
		} else {
			xs = append(xs, l.At)
		}
	}
	f := frame{top: top, width: width, height: height}
	f.y = c.Y.scaled(ys, height-2*lineHeight-6, top, 5)
	f.left = 10 + widest(f.y.ticks)
	x := c.X
	x.Linear = true
	f.x = x.scaled(xs, f.left, width-16, max(2, int(width/80)))

	var d drawing
	d.begin("chart", c.Title, c.Description, width, height)
	c.drawLegend(&d, legend)
	f.draw(&d, c.X.Label, c.Y.Label)
	for i, s := range c.Series {
		c.curve(&d, f, c.look(i), s)
	}
	var levels []span
	for _, i := range fromTheTop(c.Lines) {
		l := c.Lines[i]
		how := `stroke="currentColor"`
		if l.Series >= 0 && l.Series < len(c.Series) {
			how = fmt.Sprintf(`stroke="%s"`, colour(c.look(l.Series)))
		}
		if l.OnY {
			levels = f.level(&d, l, how, levels)
		} else {
			f.mark(&d, i, l, how)
		}
	}
	return d.end()
}

// farthest is how many times the largest figure an axis reaches for the sake of an
// interval: what is known of one point alone must not flatten all others.
const farthest = 2

// extent are the values that the axes have to reach.
func (c Curves) extent() (xs, ys []float64) {
	var points []Point
	for _, s := range c.Series {
		points = append(points, s.Points...)
	}
	return extentOf(points)
}

// extentOf are the values that the axes of points have to reach.
func extentOf(points []Point) (xs, ys []float64) {
	most := 0.0
	for _, p := range points {
		if finite(p.X) && finite(p.Y) {
			xs, ys, most = append(xs, p.X), append(ys, p.Y), max(most, math.Abs(p.Y))
		}
	}
	for _, p := range points {
		if !finite(p.X) || !finite(p.Y) || !p.hasInterval() {
			continue
		}
		ys = append(ys, min(p.Upper, farthest*most))
		if p.Lower != 0 { // which would forbid a logarithmic axis
			ys = append(ys, max(p.Lower, -farthest*most))
		}
	}
	return xs, ys
}

// fromTheTop are the indices of lines, those of the largest values first.
func fromTheTop(lines []Line) []int {
	order := make([]int, len(lines))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(lines[j].At, lines[i].At) })
	return order
}

// look is which of the looks the i-th series has: references take none.
func (c Curves) look(i int) int {
	n := 0
	for _, s := range c.Series[:i] {
		if !s.Reference {
			n++
		}
	}
	return n
}

// curve draws a series: its line, broken at gaps, and each point with its interval.
func (c Curves) curve(d *drawing, f frame, look int, s Series) {
	var line polyline
	for _, p := range s.Points {
		line.to(f.place(p.X, p.Y))
	}
	if line.path.Len() > 0 {
		how := stroke(look)
		if s.Reference {
			how = referenceStroke
		}
		fmt.Fprintf(d, `<path d="%s" fill="none" %s/>`, line.path.String(), how)
	}
	if s.Reference {
		return
	}
	for _, p := range s.Points {
		x, y, has := f.place(p.X, p.Y)
		if !has {
			continue
		}
		fmt.Fprintf(d, "<g><title>%s</title>", escape(c.says(s, p)))
		if lower, upper, has := f.interval(p); has {
			half := 4 + float64(look%4)*2 // whiskers that lie on one another are both seen
			top, bottom := half, half
			if p.Upper > f.y.most { // it goes on beyond the chart
				top = 0
			}
			if p.Lower < f.y.least {
				bottom = 0
			}
			fmt.Fprintf(d, `<path d="M%s %sh%sm%s 0V%sm%s 0h%s" fill="none" stroke="%s" stroke-width="1.5"/>`,
				number(x-top), number(upper), number(2*top), number(-top), number(lower), number(-bottom), number(2*bottom), colour(look))
		}
		d.mark(look, x, y)
		fmt.Fprint(d, "</g>")
	}
}

// says is a point in words.
func (c Curves) says(s Series, p Point) string {
	text := fmt.Sprintf("%s: %s, %s", s.Name, c.X.Unit.Format(p.X), c.Y.says(p))
	if p.Note != "" {
		text += "; " + p.Note
	}
	return text
}

// says is a figure with its interval.
func (a Axis) says(p Point) string {
	text := a.Unit.Format(p.Y)
	if p.hasInterval() {
		text += fmt.Sprintf(" (%s–%s)", a.Unit.Format(p.Lower), a.Unit.Format(p.Upper))
	}
	return text
}

// Table has a row for each value of X, and a column for each series that was
// measured.
func (c Curves) Table() Table {
	t := Table{Head: []string{c.X.Label}}
	var xs []float64
	for _, s := range c.Series {
		if s.Reference {
			continue
		}
		t.Head = append(t.Head, s.Name)
		for _, p := range s.Points {
			if finite(p.X) {
				xs = append(xs, p.X)
			}
		}
	}
	slices.Sort(xs)
	for _, x := range slices.Compact(xs) {
		row := []string{c.X.Unit.Format(x)}
		for _, s := range c.Series {
			if s.Reference {
				continue
			}
			cell := "–"
			for _, p := range s.Points {
				if p.X == x {
					cell = c.Y.says(p)
				}
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// entry is one of a legend.
type entry struct {
	series int
	x      float64
	name   string
}

// legend places the names of the series in lines.
func (c Curves) legend(width float64) [][]entry {
	const key = 34 // a line with its marker
	var lines [][]entry
	x := width
	for i, s := range c.Series {
		name := short(s.Name, width-key-20)
		if w := key + widthOf(name); x+w > width {
			lines = append(lines, nil)
			x = 0
		}
		last := len(lines) - 1
		lines[last] = append(lines[last], entry{i, x, name})
		x += key + widthOf(name) + 20
	}
	return lines
}

func (c Curves) drawLegend(d *drawing, lines [][]entry) {
	for n, line := range lines {
		y := float64(n*lineHeight) + 9
		for _, e := range line {
			d.text(e.x+34, y+4, "start", e.name)
			if c.Series[e.series].Reference {
				d.line(e.x, y, e.x+28, y, referenceStroke)
				continue
			}
			look := c.look(e.series)
			d.line(e.x, y, e.x+28, y, stroke(look))
			d.mark(look, e.x+14, y)
		}
	}
}

// stroke is how the line of a look is drawn.
func stroke(look int) string {
	text := fmt.Sprintf(`stroke="%s" stroke-width="2" stroke-linejoin="round"`, colour(look))
	if pattern := dash(look); pattern != "" {
		text += fmt.Sprintf(` stroke-dasharray="%s"`, pattern)
	}
	return text
}

const referenceStroke = `stroke="currentColor" stroke-opacity="0.75" stroke-dasharray="2 4"`

// size is that of the view box: the default's where what is asked for is none.
func size(width, height float64) (w, h float64) {
	return within(width, 120, defaultWidth), within(height, 120, defaultHeight)
}

// within is a length, or another one where it is too short or endless.
func within(length, least, otherwise float64) float64 {
	if length >= least && length <= 1e4 {
		return length
	}
	return otherwise
}
