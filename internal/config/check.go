package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// longest bounds every phase of a step and of a request. What is longer is a
// slip of the unit, and sums of such lengths stay far from overflowing.
const longest = 24 * time.Hour

var nameForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// checks gathers the problems of a configuration whose shape is right.
type checks struct {
	cfg      *Config
	problems []Problem
}

func (c *Config) check() []Problem {
	k := &checks{cfg: c}
	k.need(len(c.Targets) > 0, "targets", "are none", "one or more")
	k.need(len(c.Probes) > 0, "probes", "are none", "one or more")
	names := map[string]bool{}
	for i := range c.Targets {
		path := item("targets", i)
		k.name(c.Targets[i].Name, names, path)
		k.target(&c.Targets[i], path)
	}
	clear(names)
	for i := range c.Probes {
		path := item("probes", i)
		k.name(c.Probes[i].Name, names, path)
		k.probe(&c.Probes[i], path)
	}
	return k.problems
}

// need notes a problem unless ok, and says whether it is.
func (k *checks) need(ok bool, path, found, allowed string) bool {
	if !ok {
		k.problems = append(k.problems, Problem{Path: path, Found: found, Allowed: allowed})
	}
	return ok
}

// name checks a name and adds it to those that are taken.
func (k *checks) name(name string, taken map[string]bool, path string) {
	path += ".name"
	if k.need(nameForm.MatchString(name), path, show(name), "letters, digits, _ . and -, beginning with a letter or digit") {
		k.need(!taken[name], path, show(name)+" is taken", "a name of its own")
		taken[name] = true
	}
}

// oneOf checks a value that has its name.
func (k *checks) oneOf(found, path string, allowed ...string) bool {
	return k.need(slices.Contains(allowed, found), path, show(found)+didYouMean(found, allowed), strings.Join(allowed, ", "))
}

// oneLine checks a text that stands in a label.
func (k *checks) oneLine(text, path string) {
	k.need(!strings.ContainsFunc(text, unicode.IsControl), path, show(text), "a text without line breaks and other control characters")
}

// positive checks a time that cannot be nothing.
func (k *checks) positive(d time.Duration, path string) bool {
	return k.need(d > 0 && d <= longest, path, d.String(), fmt.Sprintf("more than 0s, up to %s", longest))
}

// notNegative checks a time that can be nothing.
func (k *checks) notNegative(d time.Duration, path string) bool {
	return k.need(d >= 0 && d <= longest, path, d.String(), fmt.Sprintf("0s or more, up to %s", longest))
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
