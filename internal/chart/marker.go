package chart

import (
	"fmt"
	"strings"
)

// marker is the shape of the i-th series' points around a place, as the d of a
// path, and whether it is filled. Shapes that lie on one another are both seen: a
// hollow one is larger than the filled one before it.
func marker(i int, x, y float64) (path string, filled bool) {
	polygon := func(points ...float64) string {
		var d strings.Builder
		command := "M"
		for j := 0; j < len(points); j += 2 {
			fmt.Fprint(&d, command, number(x+points[j]), " ", number(y+points[j+1]))
			command = "L"
		}
		return d.String() + "Z"
	}
	switch i % 7 {
	case 0: // a disc
		return fmt.Sprintf("M%s %sa3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0Z", number(x-3.5), number(y)), true
	case 1: // a square
		return polygon(-5, -5, 5, -5, 5, 5, -5, 5), false
	case 2: // a triangle
		return polygon(0, -4.5, 4, 3, -4, 3), true
	case 3: // a diamond
		return polygon(0, -6.5, 6.5, 0, 0, 6.5, -6.5, 0), false
	case 4: // a triangle upside down
		return polygon(0, 4.5, 4, -3, -4, -3), true
	case 5: // a circle
		return fmt.Sprintf("M%s %sa5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0Z", number(x-5.5), number(y)), false
	default: // a bar
		return polygon(-5, -1.5, 5, -1.5, 5, 1.5, -5, 1.5), true
	}
}

// mark writes the i-th series' marker.
func (d *drawing) mark(i int, x, y float64) {
	path, filled := marker(i, x, y)
	fill := "none"
	if filled {
		fill = colour(i)
	}
	fmt.Fprintf(d, `<path d="%s" fill="%s" stroke="%s" stroke-width="1.5"/>`, path, fill, colour(i))
}
