package config

import (
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

func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		where := e.File
		if p.Line > 0 {
			where = fmt.Sprintf("%s:%d", e.File, p.Line)
		}
		text := p.Path
		if where != "" {
			text = where + ": " + p.Path
		}
		if p.Found != "" {
			text += ": " + p.Found
		}
		if p.Allowed != "" {
			text += "; allowed: " + p.Allowed
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n")
}

func (e *Error) sort() {
	slices.SortStableFunc(e.Problems, func(a, b Problem) int { return a.Line - b.Line })
}
