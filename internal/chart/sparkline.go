package chart

import (
	"fmt"
	"math"
)

// Sparkline shows how a figure went lately, in the height of a line of text, with
// a dot at the newest.
type Sparkline struct {
	// Title and Description are what a screen reader says.
	Title, Description string
	Values             []float64 // the newest last; one that is not finite is a gap
	// Width and Height are those of the view box; 0 is 120 by 24.
	Width, Height float64
}

// SVG draws the sparkline.
func (s Sparkline) SVG() string {
	width, height := within(s.Width, 8, 120), within(s.Height, 8, 24)
	y := scale{least: math.Inf(1), most: math.Inf(-1), start: height - 3, end: 3}
	for _, v := range s.Values {
		if finite(v) {
			y.least, y.most = min(y.least, v), max(y.most, v)
		}
	}
	if y.least == y.most { // a level line in the middle
		y.least, y.most = y.least-1, y.most+1
	}
	var d drawing
	d.begin("chart spark", s.Title, s.Description, width, height)
	var line polyline
	lastX, lastY := 0.0, 0.0
	for i, v := range s.Values {
		py, has := y.at(v)
		if has {
			lastX, lastY = 3+(width-6)*float64(i)/max(float64(len(s.Values)-1), 1), py
		}
		line.to(lastX, lastY, has)
	}
	if line.path.Len() > 0 {
		fmt.Fprintf(&d, `<path d="%s" fill="none" stroke="%s" stroke-width="1.5"/>`, line.path.String(), colour(0))
		fmt.Fprintf(&d, `<circle cx="%s" cy="%s" r="2.5" fill="%s"/>`, number(lastX), number(lastY), colour(0))
	}
	return d.end()
}
