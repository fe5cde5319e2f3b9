package report

import "vllm_prober/prober"

// Section is a table of figures with its title, as people read them. Rows has a cell for each heading;
// a dash stands for what is withheld or was not measured.
type Section struct {
	// Title says what the table shows.
	Title string
	Head  []string
	Rows  [][]string
	// Remark says that the last column is text.
	Remark bool
}

// Sections are the tables of a run's result that Write writes: its steps, the arms side
// by side, and what searches have found.
func Sections(r *prober.RunResult) []Section {
	all := []Section{{"Steps", headings(func(c column) string { return c.heading }), rows(r), true}}
	for _, c := range comparisons(r) {
		all = append(all, Section{c.title, c.grid.head, c.grid.rows, c.grid.remark})
	}
	if len(r.Answers) > 0 {
		found := answers(r)
		all = append(all, Section{"Capacity, and the highest request rate within the SLO", found.head, found.rows, found.remark})
	}
	return all
}
