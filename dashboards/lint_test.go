package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"vllm_prober/alerts"
)

// vocabulary is what there is to ask Prometheus for.
type vocabulary struct {
	kinds  map[string]string   // counter, gauge, histogram or rule, by name
	labels map[string][]string // by name
}

var (
	stepSet = []string{"probe", "target", "gpus", "batch_size", "request_rate"}
	armSet  = stepSet[:4]
)

// readVocabulary takes the metrics and their labels from docs/metrics.md, and the
// recorded series from the recording rules.
func readVocabulary(t *testing.T) vocabulary {
	t.Helper()
	v := vocabulary{kinds: map[string]string{}, labels: map[string][]string{}}
	row := regexp.MustCompile("(?m)^\\| `(vllm_prober_\\w+)` \\| (\\w+) \\|([^|]*)\\|(.*)\\|$")
	quoted := regexp.MustCompile("`(\\w+)`")
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(string(text), "\n## ") {
		for _, m := range row.FindAllStringSubmatch(part, -1) {
			name, kind, column, meaning := m[1], m[2], m[3], m[4]
			v.kinds[name] = kind
			for _, l := range quoted.FindAllStringSubmatch(column, -1) {
				v.labels[name] = append(v.labels[name], l[1])
			}
			switch {
			case strings.Contains(column, "step"):
				v.labels[name] = append(v.labels[name], stepSet...)
			case strings.Contains(column, "arm"):
				v.labels[name] = append(v.labels[name], armSet...)
			case strings.HasPrefix(part, "The replicas at all times") && !strings.Contains(meaning, "Without `target`"):
				v.labels[name] = append(v.labels[name], "target", "replica")
			}
		}
	}
	if len(v.kinds) < 100 {
		t.Fatalf("only %d metrics are found in docs/metrics.md", len(v.kinds))
	}
	withFigure := append(slices.Clone(stepSet), "figure")
	for _, group := range alerts.Default().Recording().Groups {
		for _, rule := range group.Rules {
			level, _, _ := strings.Cut(rule.Record, ":")
			v.kinds[rule.Record] = "rule"
			v.labels[rule.Record] = map[string][]string{
				"step": withFigure, "heartbeat": withFigure, "arm": armSet, "target": {"target", "resource"},
			}[level]
			if v.labels[rule.Record] == nil {
				t.Fatalf("nothing is known of the labels of %s", rule.Record)
			}
		}
	}
	for _, group := range alerts.Default().Alerting().Groups {
		for _, rule := range group.Rules {
			if !strings.HasPrefix(rule.Alert, "VLLM") {
				t.Fatalf("the dashboards show alerts whose names begin with VLLM, and not %s", rule.Alert)
			}
		}
	}
	v.kinds["ALERTS"] = "gauge"
	v.labels["ALERTS"] = append(slices.Clone(stepSet), "alertname", "alertstate", "severity", "kind", "replica", "uuid")
	return v
}

func (v vocabulary) hasLabel(name string) bool {
	for _, l := range v.labels {
		if slices.Contains(l, name) {
			return true
		}
	}
	return name == "le"
}

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

func TestDashboardsHaveNoMistakes(t *testing.T) {
	v := readVocabulary(t)
	boards, err := all()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range boards {
		for _, problem := range lint(d, v) {
			t.Error(problem)
		}
	}
}

// sound is a dashboard without a mistake.
func sound(t *testing.T) dashboard {
	t.Helper()
	b := board{
		title: "sound", variables: []variable{datasourceVariable(), ladderVariable()},
		annotations: []annotation{annotate("runs", purple, "Run", "", "", `vllm_prober_run_active{probe="$probe"}`)},
		sections: []section{{"section", []line{{5, []panel{
			timeSeries("rate", "reqps", "A rate",
				ask(`sum by (probe) (rate(vllm_prober_completed_requests_total{probe="$probe"}[$__rate_interval]))`, "{{probe}}")).to(ladder),
			trend("curve", "s", "A curve", "request_rate", "offered", "reqps", "arm", tabulate(withArm(`vllm_prober_step_preemptions`))).to(ladder),
			table("table", "A table", []column{{field: "probe", title: "probe"}, {field: "Value #B", title: "b"}},
				tabulate("max by (probe) (vllm_prober_run_active)"), tabulate("max by (probe) (vllm_prober_paused)")).to(ladder),
		}}}}},
	}
	d, err := b.dashboard()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLintSeesMistakes(t *testing.T) {
	v := readVocabulary(t)
	if problems := lint(sound(t), v); problems != nil {
		t.Fatalf("problems where there are none: %q", problems)
	}
	expr := func(expr string) func(d *dashboard) { return func(d *dashboard) { d.Panels[1].Targets[0].Expr = expr } }
	other := datasource{Type: "prometheus", UID: "P123"}
	for name, test := range map[string]struct {
		spoil func(d *dashboard)
		want  string
	}{
		"no title":                {func(d *dashboard) { d.Panels[1].Title = "" }, "panel 2: has no title"},
		"title twice":             {func(d *dashboard) { d.Panels[2].Title = "rate" }, "rate: another panel has this title"},
		"no description":          {func(d *dashboard) { d.Panels[1].Description = "" }, "rate: has no description"},
		"no unit":                 {func(d *dashboard) { d.Panels[1].FieldConfig.Defaults.Unit = "" }, "rate: has no unit"},
		"no link":                 {func(d *dashboard) { d.Panels[1].Links = nil }, "rate: has no link"},
		"no query":                {func(d *dashboard) { d.Panels[1].Targets = nil }, "rate: has no query"},
		"data source of a panel":  {func(d *dashboard) { d.Panels[1].Datasource = &other }, `rate: has the data source "P123"`},
		"data source of a query":  {func(d *dashboard) { d.Panels[1].Targets[0].Datasource = other }, `rate: query A has the data source "P123"`},
		"of a variable":           {func(d *dashboard) { d.Templating.List[1].Datasource = &other }, `variable probe: has the data source "P123"`},
		"of an annotation":        {func(d *dashboard) { d.Annotations.List[0].Datasource = other }, `annotation runs: has the data source "P123"`},
		"annotation in two forms": {func(d *dashboard) { d.Annotations.List[0].Expr = "vllm_prober_run_active" }, "annotation runs: asks for two different things"},
		"variable undescribed":    {func(d *dashboard) { d.Templating.List[1].Description = "" }, "variable probe: has no label or no description"},
		"colour": {func(d *dashboard) {
			d.Panels[1] = d.Panels[1].limits(steps("#00FF00"))
		}, "rate: has the colour #00FF00, which is not of the palette"},
		"neither instant nor range": {func(d *dashboard) { d.Panels[1].Targets[0].Range = false }, "rate: query A is to be either instant or over a range"},
		"table over time": {func(d *dashboard) {
			d.Panels[2].Targets[0].Instant, d.Panels[2].Targets[0].Range = false, true
		}, "curve: query A has the format table, which a panel of the type trend cannot show"},
		"series in a table":   {func(d *dashboard) { d.Panels[3].Targets[0].Format = "time_series" }, "table: query A has the format time_series, which"},
		"no legend":           {func(d *dashboard) { d.Panels[1].Targets[0].LegendFormat = "" }, "rate: query A has no legend"},
		"label of the legend": {func(d *dashboard) { d.Panels[1].Targets[0].LegendFormat = "{{prob}}" }, `rate: there is no label "prob"`},
		"empty without a why": {func(d *dashboard) { d.Panels[1].Targets[0].rows = Maybe }, "rate: query A does not say when it has rows"},
		"column of a table": {func(d *dashboard) {
			d.Panels[3].Transformations[1].Options = filterOptions{fieldNames{[]string{"Value #C"}}}
		}, `table: there is no label "Value #C"`},
		"row of a matrix": {func(d *dashboard) {
			d.Panels[2].Transformations[1].Options = matrixOptions{ColumnField: "arm", RowField: "rate"}
		}, `curve: there is no label "rate"`},
		"rows that stay apart": {func(d *dashboard) {
			d.Panels[3].Targets[1].Expr = `label_replace((vllm_prober_paused == 1), "a", "b", "", "")`
		}, "table: query B keeps the metric's name as a label"},
		"x of a trend": {func(d *dashboard) {
			d.Panels[2].Options = trendOptions{XField: "rate"}
		}, `curve: has no column "rate" to draw over`},
		"no PromQL":                 {expr("sum(("), "rate: query A: 1:6: parse error"},
		"variable that is not":      {expr(`vllm_prober_run_active{probe="$prob"}`), "rate: query A: no value for prob"},
		"variable of another board": {expr(`vllm_prober_replica_up{replica="$replica"}`), "rate: query A: no value for replica"},
		"metric that is not":        {expr("vllm_prober_runs_active"), "rate: query A asks for vllm_prober_runs_active, which there is not"},
		"label of a matcher":        {expr(`vllm_prober_run_active{target="a"}`), `query A asks vllm_prober_run_active for the label "target", which it has not`},
		"label of an aggregation":   {expr("sum by (prob) (vllm_prober_run_active)"), `rate: there is no label "prob"`},
		"label of a join":           {expr("vllm_prober_run_active * on (prob) vllm_prober_paused"), `rate: there is no label "prob"`},
		"counter":                   {expr("vllm_prober_runs_total"), "takes vllm_prober_runs_total, a counter, without rate or increase"},
		"counter at another time":   {expr("max_over_time(vllm_prober_runs_total[$__range])"), "takes vllm_prober_runs_total, a counter, without rate or increase"},
		"buckets":                   {expr("vllm_prober_send_lag_seconds_bucket"), "takes vllm_prober_send_lag_seconds_bucket, a histogram, without rate or increase"},
		"native histogram":          {expr("vllm_prober_send_lag_seconds"), "takes vllm_prober_send_lag_seconds, a histogram, without rate or increase"},
		"fixed range":               {expr("rate(vllm_prober_runs_total[5m])"), "looks back over 5m0s; allowed: $__rate_interval and $__range"},
		"overlap":                   {func(d *dashboard) { d.Panels[2].GridPos.X-- }, `curve: lies over "rate"`},
		"outside":                   {func(d *dashboard) { d.Panels[3].GridPos.X++ }, "table: lies outside the grid"},
		"hole":                      {func(d *dashboard) { d.Panels[3].GridPos.W-- }, "grid: has 5 holes"},
	} {
		t.Run(name, func(t *testing.T) {
			d := sound(t)
			test.spoil(&d)
			problems := lint(d, v)
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, test.want) }) {
				t.Errorf("got %q, want %q", problems, test.want)
			}
		})
	}
}

// The vocabulary reads what docs/metrics.md says of labels in its several ways.
func TestVocabularyReadsLabels(t *testing.T) {
	v := readVocabulary(t)
	for name, want := range map[string][]string{
		"vllm_prober_requests_total":             {"batch_size", "gpus", "outcome", "phase", "probe", "request_rate", "target"},
		"vllm_prober_saturation_request_rate":    {"batch_size", "bound", "gpus", "probe", "target"},
		"vllm_prober_replica_up":                 {"check", "replica", "target"},
		"vllm_prober_collector_duration_seconds": {"collector"},
		"vllm_prober_gpu_ecc_errors_total":       {"type", "uuid"},
	} {
		if got := slices.Sorted(slices.Values(v.labels[name])); !slices.Equal(got, want) {
			t.Errorf("%s has the labels %q, want %q", name, got, want)
		}
	}
}
