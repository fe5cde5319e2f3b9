package dashboards

import "fmt"

// columns is the width of Grafana's grid.
const columns = 24

// section is a titled row of a dashboard and the panels below it.
type section struct {
	title string
	lines []line
}

// line is panels side by side, of one height.
type line struct {
	height int
	panels []panel
}

// layOut gives every panel its number and its place: a line's panels share its
// width in the shares that they have as widths, and all of it.
func layOut(sections []section) ([]panel, error) {
	var placed []panel
	y := 0
	add := func(p panel, x, w, h int) {
		p.ID, p.GridPos = len(placed)+1, gridPos{X: x, Y: y, W: w, H: h}
		placed = append(placed, p)
	}
	for _, s := range sections {
		open := false
		add(panel{Type: "row", Title: s.title, Collapsed: &open, Panels: &[]panel{}}, 0, columns, 1)
		y++
		for i, l := range s.lines {
			shares := 0
			for _, p := range l.panels {
				shares += max(p.GridPos.W, 1)
			}
			if shares == 0 || columns%shares != 0 {
				return nil, fmt.Errorf("line %d of section %q has %d shares, which do not divide %d columns", i+1, s.title, shares, columns)
			}
			x := 0
			for _, p := range l.panels {
				w := max(p.GridPos.W, 1) * columns / shares
				add(p, x, w, l.height)
				x += w
			}
			y += l.height
		}
	}
	return placed, nil
}
