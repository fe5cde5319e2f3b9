package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a configuration.
type Problem struct {
	// Line is 0 where the configuration came from no file.
	Line int
	// Path leads to the mistake: probes[0].ladder.rates[2].
	Path string
	// Found is what stands there, Allowed what may.
	Found, Allowed string
}

// Error is all the mistakes of a configuration, in the order of their lines.
type Error struct {
	// File is empty where the configuration came from no file.
	File     string
	Problems []Problem
}

// newError puts the problems of a file into the order of their lines.
func newError(file string, problems []Problem) *Error {
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return &Error{file, problems}
}

// Error gives each problem a line of its own: file:line: path: found; allowed.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		var where string
		switch {
		case e.File != "" && p.Line > 0:
			where = fmt.Sprintf("%s:%d: ", e.File, p.Line)
		case e.File != "":
			where = e.File + ": "
		}
		lines = append(lines, where+p.String())
	}
	return strings.Join(lines, "\n")
}

// String is the problem without its place in a file.
func (p Problem) String() string {
	text := p.Path + ": " + p.Found
	if p.Allowed != "" {
		text += "; allowed: " + p.Allowed
	}
	return text
}
