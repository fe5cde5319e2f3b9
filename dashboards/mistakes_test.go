package dashboards

import (
	"slices"
	"strings"
	"testing"
)

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
