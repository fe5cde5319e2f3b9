package dashboards

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// Durations that nobody writes stand for the ranges that a query may look back
// over: those follow Prometheus's scrapes or the time range that is looked at.
// Everything that follows runs stands in the recording rules.
var lintValues = Values{
	"__rate_interval": "7m7s", "__range": "7h7m", "__interval": "77s", "offset": "77m",
	"probe": "p", "heartbeat": "h", "target": ".*", "gpus": ".*", "figure": "p99", "replica": ".*", "uuid": ".*",
	"arm_a": `batch_size="16",gpus="4",target="a"`, "arm_b": `batch_size="32",gpus="4",target="b"`,
}

var ranges = []time.Duration{7*time.Minute + 7*time.Second, 7*time.Hour + 7*time.Minute}

// lint is what is wrong with a dashboard, a line for each mistake.
func lint(d dashboard, v vocabulary) []string {
	l := &linter{dashboard: d, vocabulary: v}
	titles := map[string]bool{}
	for _, p := range d.Panels {
		if titles[p.Title] {
			l.reportf(p.Title, "another panel has this title")
		}
		titles[p.Title] = true
		l.panel(p)
	}
	for _, q := range d.queries() {
		l.expression(q)
	}
	for _, variable := range d.Templating.List {
		if variable.Description == "" || variable.Label == "" {
			l.reportf("variable "+variable.Name, "has no label or no description")
		}
		if variable.Type == "query" && *variable.Datasource != prometheus {
			l.reportf("variable "+variable.Name, "has the data source %q", variable.Datasource.UID)
		}
	}
	for _, a := range d.Annotations.List {
		if a.Datasource != prometheus {
			l.reportf("annotation "+a.Name, "has the data source %q", a.Datasource.UID)
		}
		if a.Target.Expr != a.Expr {
			l.reportf("annotation "+a.Name, "asks for two different things")
		}
	}
	l.grid()
	return l.problems
}

type linter struct {
	dashboard  dashboard
	vocabulary vocabulary
	problems   []string
}

func (l *linter) reportf(where, format string, args ...any) {
	l.problems = append(l.problems, l.dashboard.Title+": "+where+": "+fmt.Sprintf(format, args...))
}

var (
	anyColour = regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b`)
	palette   = []string{blue, orange, green, vermilion, purple, sky, grey}
	ofLegend  = regexp.MustCompile(`{{(\w+)}}`)
)

func (l *linter) panel(p panel) {
	if p.Title == "" {
		l.reportf(fmt.Sprintf("panel %d", p.ID), "has no title")
	}
	if p.Type == "row" {
		return
	}
	if p.Description == "" {
		l.reportf(p.Title, "has no description")
	}
	if p.FieldConfig.Defaults.Unit == "" {
		l.reportf(p.Title, "has no unit")
	}
	if len(p.Links) == 0 {
		l.reportf(p.Title, "has no link")
	}
	if len(p.Targets) == 0 {
		l.reportf(p.Title, "has no query")
	}
	if *p.Datasource != prometheus {
		l.reportf(p.Title, "has the data source %q", p.Datasource.UID)
	}
	style, err := json.Marshal([]any{p.FieldConfig, p.Options})
	if err != nil {
		l.reportf(p.Title, "%v", err)
	}
	for _, c := range anyColour.FindAllString(string(style), -1) {
		if !slices.Contains(palette, c) {
			l.reportf(p.Title, "has the colour %s, which is not of the palette", c)
		}
	}
	for _, t := range p.Targets {
		l.target(p, t)
	}
	l.columns(p)
	if p.Type == "table" && len(p.Targets) > 1 {
		for _, t := range p.Targets {
			if text, err := lintValues.replace(t.Expr); err == nil && keepsName(text) {
				l.reportf(p.Title, "query %s keeps the metric's name as a label, so that its rows do not become one with others'", t.RefID)
			}
		}
	}
}

// keepsName is whether the series of an expression have the name of a metric.
func keepsName(text string) bool {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	for err == nil {
		switch e := expr.(type) {
		case *parser.VectorSelector:
			return true
		case *parser.ParenExpr:
			expr = e.Expr
		case *parser.Call:
			if !slices.Contains([]string{"label_replace", "label_join", "sort"}, e.Func.Name) {
				return false
			}
			expr = e.Args[0]
		case *parser.BinaryExpr:
			if !e.Op.IsSetOperator() && !e.Op.IsComparisonOperator() {
				return false
			}
			expr = e.LHS
		default:
			return false
		}
	}
	return false
}

func (l *linter) target(p panel, t target) {
	if t.Datasource != prometheus {
		l.reportf(p.Title, "query %s has the data source %q", t.RefID, t.Datasource.UID)
	}
	if t.Instant == t.Range {
		l.reportf(p.Title, "query %s is to be either instant or over a range", t.RefID)
	}
	if tabular := p.Type == "table" || p.Type == "trend"; tabular != (t.Format == "table") || tabular && !t.Instant {
		l.reportf(p.Title, "query %s has the format %s, which a panel of the type %s cannot show", t.RefID, t.Format, p.Type)
	}
	if t.Format == "time_series" && t.LegendFormat == "" {
		l.reportf(p.Title, "query %s has no legend", t.RefID)
	}
	for _, m := range ofLegend.FindAllStringSubmatch(t.LegendFormat, -1) {
		l.label(p.Title, t.Expr, m[1])
	}
	if t.rows == "" || (t.rows == Maybe) != (t.why != "") {
		l.reportf(p.Title, "query %s does not say when it has rows", t.RefID)
	}
}

// columns checks that what a table or a trend is made of is there.
func (l *linter) columns(p panel) {
	fields := map[string]bool{"Value": len(p.Targets) == 1}
	var exprs []string
	for _, t := range p.Targets {
		exprs = append(exprs, t.Expr)
		fields["Value #"+t.RefID] = len(p.Targets) > 1
	}
	need := func(field string) {
		if !fields[field] {
			l.label(p.Title, strings.Join(exprs, " "), field)
		}
	}
	for _, t := range p.Transformations {
		switch o := t.Options.(type) {
		case matrixOptions:
			need(o.ColumnField)
			need(o.RowField)
			fields[o.RowField+`\`+o.ColumnField] = true
		case filterOptions:
			for _, name := range o.Include.Names {
				need(name)
			}
		case organizeOptions:
			for field, title := range o.RenameByName {
				need(field)
				fields[title] = true
			}
		case sortOptions:
			for _, s := range o.Sort {
				need(s.Field)
			}
		}
	}
	if o, ok := p.Options.(trendOptions); ok && !fields[o.XField] {
		l.reportf(p.Title, "has no column %q to draw over", o.XField)
	}
}

// label reports a label that neither a metric has nor the expression makes.
func (l *linter) label(where, expr, name string) {
	if l.vocabulary.hasLabel(name) || strings.Contains(expr, fmt.Sprintf("%q", name)) {
		return
	}
	l.reportf(where, "there is no label %q", name)
}

func (l *linter) expression(q Query) {
	known := map[string]bool{"__rate_interval": true, "__range": true, "__interval": true}
	for _, v := range l.dashboard.Templating.List {
		known[v.Name] = true
	}
	values := Values{}
	for name, value := range lintValues {
		if known[name] {
			values[name] = value
		}
	}
	text, err := values.replace(q.Expr)
	if err != nil {
		l.reportf(q.Panel, "query %s: %v", q.RefID, err)
		return
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		l.reportf(q.Panel, "query %s: %v", q.RefID, err)
		return
	}
	isVariable := strings.HasPrefix(q.Panel, "variable ")
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			l.selector(q, n, path, isVariable)
		case *parser.MatrixSelector:
			if !slices.Contains(ranges, n.Range) {
				l.reportf(q.Panel, "query %s looks back over %s; allowed: $__rate_interval and $__range", q.RefID, n.Range)
			}
		case *parser.AggregateExpr:
			for _, name := range n.Grouping {
				l.label(q.Panel, text, name)
			}
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				for _, name := range slices.Concat(n.VectorMatching.MatchingLabels, n.VectorMatching.Include) {
					l.label(q.Panel, text, name)
				}
			}
		}
		return nil
	})
}

func (l *linter) selector(q Query, s *parser.VectorSelector, path []parser.Node, isVariable bool) {
	base, kind := s.Name, l.vocabulary.kinds[s.Name]
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if name, found := strings.CutSuffix(s.Name, suffix); found && l.vocabulary.kinds[name] == "histogram" {
			base, kind = name, "histogram"
		}
	}
	if kind == "" {
		l.reportf(q.Panel, "query %s asks for %s, which there is not", q.RefID, s.Name)
		return
	}
	for _, m := range s.LabelMatchers {
		if m.Name != "__name__" && m.Name != "le" && !slices.Contains(l.vocabulary.labels[base], m.Name) {
			l.reportf(q.Panel, "query %s asks %s for the label %q, which it has not", q.RefID, s.Name, m.Name)
		}
	}
	if kind != "counter" && kind != "histogram" || isVariable {
		return
	}
	for _, node := range path {
		if call, ok := node.(*parser.Call); ok && (call.Func.Name == "rate" || call.Func.Name == "increase") {
			return
		}
	}
	l.reportf(q.Panel, "query %s takes %s, a %s, without rate or increase", q.RefID, s.Name, kind)
}

// grid checks that panels neither overlap nor leave the grid or holes in it.
func (l *linter) grid() {
	taken := map[[2]int]string{}
	height := 0
	for _, p := range l.dashboard.Panels {
		g := p.GridPos
		if g.X < 0 || g.X+g.W > columns || g.W < 1 || g.H < 1 {
			l.reportf(p.Title, "lies outside the grid: %+v", g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, overlaps := taken[[2]int{x, y}]; overlaps {
					l.reportf(p.Title, "lies over %q", other)
				}
				taken[[2]int{x, y}] = p.Title
				height = max(height, y+1)
			}
		}
	}
	if len(taken) < columns*height && len(l.problems) == 0 {
		l.reportf("grid", "has %d holes", columns*height-len(taken))
	}
}
