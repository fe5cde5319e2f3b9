package dashboards

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Rows says when a query of a dashboard has to have an answer, where there is a
// probe with runs, a heartbeat, replicas, and GPUs that offer what the simulated
// ones do.
type Rows string

// A query has rows whichever form of histograms Prometheus scrapes, with the
// native one alone, or with the classic one and no native one; or it may be empty.
const (
	AnyForm     Rows = "any form"
	NativeOnly  Rows = "native"
	ClassicOnly Rows = "classic"
	Maybe       Rows = "maybe"
)

// Query is an expression that Grafana asks Prometheus for a panel, a variable or
// an annotation.
type Query struct {
	Dashboard string // its title
	Panel     string // its title; "variable NAME" or "annotation NAME" for the others
	RefID     string // A, B, …
	Expr      string // with the variables replaced
	Instant   bool   // else it is asked over a range
	Rows      Rows
	Why       string // why it may be empty; left out otherwise
}

// Values are what stands in place of the dashboards' variables, by their names
// without the dollar sign: also __rate_interval, __interval and __range.
type Values map[string]string

// Queries are all expressions that the dashboards ask, in the order of their
// panels. A variable without a value is an error.
func Queries(values Values) ([]Query, error) {
	boards, err := all()
	if err != nil {
		return nil, err
	}
	var queries []Query
	for _, d := range boards {
		for _, q := range d.queries() {
			if q.Expr, err = values.replace(q.Expr); err != nil {
				return nil, fmt.Errorf("dashboard %q, panel %q, query %s: %w", q.Dashboard, q.Panel, q.RefID, err)
			}
			queries = append(queries, q)
		}
	}
	return queries, nil
}

// queries are those of a dashboard, with their variables.
func (d dashboard) queries() []Query {
	var queries []Query
	for _, v := range d.Templating.List {
		if q, ok := v.Query.(variableQuery); ok {
			queries = append(queries, Query{
				Dashboard: d.Title, Panel: "variable " + v.Name, RefID: q.RefID, Expr: asked(q.Query), Instant: true, Rows: AnyForm,
			})
		}
	}
	for _, a := range d.Annotations.List {
		queries = append(queries, Query{Dashboard: d.Title, Panel: "annotation " + a.Name, RefID: a.Target.RefID, Expr: a.Expr, Rows: AnyForm})
	}
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			queries = append(queries, Query{
				Dashboard: d.Title, Panel: p.Title, RefID: t.RefID, Expr: t.Expr, Instant: t.Instant, Rows: t.rows, Why: t.why,
			})
		}
	}
	return queries
}

var variableFunction = regexp.MustCompile(`^(?:label_values\((.*), *\w+\)|query_result\((.*)\))$`)

// asked is the expression within label_values or query_result.
func asked(query string) string {
	if m := variableFunction.FindStringSubmatch(query); m != nil {
		return m[1] + m[2]
	}
	return query
}

// variableUse is a variable in an expression. A group of a regular expression,
// such as the $1 of label_replace, is none: it is a number.
var variableUse = regexp.MustCompile(`\$(?:\{(\w+)(?::\w+)?\}|(\w+))`)

func (v Values) replace(expr string) (string, error) {
	var missing []string
	replaced := variableUse.ReplaceAllStringFunc(expr, func(use string) string {
		m := variableUse.FindStringSubmatch(use)
		name := m[1] + m[2]
		if _, err := strconv.Atoi(name); err == nil {
			return use
		}
		value, ok := v[name]
		if !ok {
			missing = append(missing, name)
		}
		return value
	})
	if missing != nil {
		return "", fmt.Errorf("no value for %s", strings.Join(missing, ", "))
	}
	return replaced, nil
}
