package chart

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// History shows how a figure went from run to run, and where its level changed.
type History struct {
	// Title and Description are what a screen reader says; the page shows the title.
	Title, Description string
	Y                  Axis
	Moments            []Moment // by rising At
	// Changes are the indices of the first moments after a change of level, rising.
	Changes []int
	// Width and Height are those of the view box; 0 is 400 by 270.
	Width, Height float64
}

// Moment is a figure at a time. One that is not finite is a gap.
type Moment struct {
	At    time.Time
	Value float64
	// Lower and Upper are the ends of its interval; both 0 is none.
	Lower, Upper float64
	Note         string
	// Link is where the moment's point leads to: a path, or an http or https URL;
	// empty for none.
	Link string
}

func (m Moment) point() Point {
	return Point{X: seconds(m.At), Y: m.Value, Lower: m.Lower, Upper: m.Upper, Note: m.Note}
}

// SVG draws the chart. Times are in UTC.
func (h History) SVG() string {
	width, height := size(h.Width, h.Height)
	f := frame{top: 26, width: width, height: height}
	points := make([]Point, len(h.Moments))
	for i, m := range h.Moments {
		points[i] = m.point()
	}
	_, ys := extentOf(points)
	f.y = h.Y.scaled(ys, height-lineHeight-6, f.top, 5)
	f.left = 10 + widest(f.y.ticks)
	f.x = scale{least: 0, most: 1, start: f.left + 8, end: width - 24}
	if n := len(h.Moments); n > 0 {
		from, to := h.Moments[0].At, h.Moments[n-1].At
		if !to.After(from) {
			from, to = from.Add(-time.Hour), from.Add(time.Hour)
		}
		f.x.least, f.x.most, f.x.ticks = seconds(from), seconds(to), timeTicks(from, to, max(2, int(width/60)))
	}
	var d drawing
	d.begin("chart", h.Title, h.Description, width, height)
	f.draw(&d, "", h.Y.Label)
	for _, i := range h.Changes {
		if i > 0 && i < len(h.Moments) {
			before, _ := f.x.at(seconds(h.Moments[i-1].At))
			after, _ := f.x.at(seconds(h.Moments[i].At))
			x := (before + after) / 2
			d.line(x, f.y.end, x, f.y.start, fmt.Sprintf(`stroke="%s" stroke-width="2" stroke-dasharray="4 3"`, colour(1)))
		}
	}
	for level := range h.levels() {
		h.level(&d, f, level)
	}
	for _, m := range h.Moments {
		h.moment(&d, f, m)
	}
	return d.end()
}

// levels yields the runs of moments between changes.
func (h History) levels() func(yield func([]Moment) bool) {
	return func(yield func([]Moment) bool) {
		from := 0
		for _, to := range append(slices.Clone(h.Changes), len(h.Moments)) {
			if to <= from || to > len(h.Moments) {
				continue
			}
			if !yield(h.Moments[from:to]) {
				return
			}
			from = to
		}
	}
}

// level draws the line of one, and its median where there is more than one level.
func (h History) level(d *drawing, f frame, moments []Moment) {
	var line polyline
	var values []float64
	for _, m := range moments {
		x, y, has := f.place(seconds(m.At), m.Value)
		line.to(x, y, has)
		if has {
			values = append(values, m.Value)
		}
	}
	if len(values) == 0 {
		return
	}
	fmt.Fprintf(d, `<path d="%s" fill="none" stroke="%s" stroke-opacity="0.6"/>`, line.path.String(), colour(0))
	if len(h.Changes) > 0 {
		slices.Sort(values)
		y, _ := f.y.at(values[len(values)/2])
		from, _ := f.x.at(seconds(moments[0].At))
		to, _ := f.x.at(seconds(moments[len(moments)-1].At))
		d.line(from, y, to, y, fmt.Sprintf(`stroke="%s" stroke-width="3" stroke-opacity="0.5"`, colour(1)))
	}
}

// moment draws a point with its interval, as a link where it is one.
func (h History) moment(d *drawing, f frame, m Moment) {
	x, y, has := f.place(seconds(m.At), m.Value)
	if !has {
		return
	}
	element := "g"
	if leads(m.Link) {
		element = "a"
		fmt.Fprintf(d, `<a href="%s">`, escape(m.Link))
	} else {
		fmt.Fprint(d, "<g>")
	}
	says := m.At.UTC().Format(time.DateTime) + ": " + h.Y.says(m.point())
	if m.Note != "" {
		says += "; " + m.Note
	}
	fmt.Fprintf(d, "<title>%s</title>", escape(says))
	if lower, upper, has := f.interval(m.point()); has {
		d.line(x, lower, x, upper, fmt.Sprintf(`stroke="%s" stroke-width="1.5"`, colour(0)))
	}
	d.mark(0, x, y)
	fmt.Fprintf(d, "</%s>", element)
}

// leads says whether a link may be followed: no scheme but http and https.
func leads(link string) bool {
	before, _, hasColon := strings.Cut(link, ":")
	return link != "" && (!hasColon || strings.ContainsAny(before, "/?#") ||
		strings.EqualFold(before, "http") || strings.EqualFold(before, "https"))
}

// Table has a row for each moment.
func (h History) Table(at, note string) Table {
	t := Table{Head: []string{at, h.Y.Label, note}}
	for _, m := range h.Moments {
		t.Rows = append(t.Rows, []string{m.At.UTC().Format(time.DateTime), h.Y.says(m.point()), m.Note})
	}
	return t
}
