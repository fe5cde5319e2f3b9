package dashboards

import (
	"cmp"
	"slices"
	"strings"
)

// ask is a query over the time range; its series are named by legend.
func ask(expr, legend string) target {
	return target{
		Datasource: prometheus, EditorMode: "code", Expr: expr, Format: "time_series", LegendFormat: legend, Range: true, rows: AnyForm,
	}
}

// tabulate is a query at the end of the time range, whose answer is a table with
// a column for each label.
func tabulate(expr string) target {
	t := ask(expr, "")
	t.Format, t.Instant, t.Range = "table", true, false
	return t
}

// now is a query at the end of the time range, whose series are named by legend.
func now(expr, legend string) target {
	t := ask(expr, legend)
	t.Instant, t.Range = true, false
	return t
}

// maybe says why a query may have no rows even where all is well.
func (t target) maybe(why string) target {
	t.rows, t.why = Maybe, why
	return t
}

// in says which form of histograms gives a query its rows.
func (t target) in(form Rows) target {
	t.rows = form
	return t
}

// newPanel is a panel of a kind with its queries, named A, B and so on.
func newPanel(kind, title, unit, description string, targets []target) panel {
	source := prometheus
	for i := range targets {
		targets[i].RefID = string(rune('A' + i))
	}
	return panel{
		Type: kind, Title: title, Description: description, Datasource: &source, Targets: targets,
		FieldConfig: &fieldConfig{Defaults: fieldDefaults{Unit: unit, Color: &color{Mode: "palette-classic"}}, Overrides: []override{}},
	}
}

func lines() graphCustom {
	return graphCustom{DrawStyle: "line", LineInterpolation: "linear", LineWidth: 2, ShowPoints: "auto", PointSize: 6}
}

var (
	legendBelow = legendOptions{DisplayMode: "list", Placement: "bottom", ShowLegend: true, Calcs: []string{}}
	noLegend    = legendOptions{DisplayMode: "list", Placement: "bottom", Calcs: []string{}}
	allValues   = tooltipOptions{Mode: "multi", Sort: "desc"}
)

// timeSeries shows how its queries' answers went over time.
func timeSeries(title, unit, description string, targets ...target) panel {
	p := newPanel("timeseries", title, unit, description, targets)
	p.Options = timeSeriesOptions{Legend: legendBelow, Tooltip: allValues}
	custom := lines()
	custom.ShowPoints, custom.FillOpacity = "never", 5
	p.FieldConfig.Defaults.Custom = custom
	return p
}

// trend shows curves over a number that is a label: a line for each value of the
// label column, over the label x. Its query is a table; a matrix of it has a row
// for each x and a column for each line, and the panel wants x as a number that
// rises.
func trend(title, unit, description, x, xTitle, xUnit, column string, t target) panel {
	p := newPanel("trend", title, unit, description, []target{t})
	p.Options = trendOptions{Legend: legendBelow, Tooltip: allValues, XField: xTitle}
	custom := lines()
	custom.ShowPoints, custom.SpanNulls = "always", true
	p.FieldConfig.Defaults.Custom = custom
	p.FieldConfig.Overrides = []override{{Matcher: matcher{ID: "byName", Options: xTitle}, Properties: []property{{"unit", xUnit}}}}
	p.Transformations = matrix(x, xTitle, column)
	return p
}

// matrix makes a row for each value of the label x, as a rising number under
// xTitle, and a column for each value of the label column, by their names:
// Prometheus answers in no order.
func matrix(x, xTitle, column string) []transformation {
	field := x + `\` + column // what groupingToMatrix calls its first column
	return []transformation{
		{ID: "sortBy", Options: sortOptions{Sort: []sortField{{Field: column}}}},
		{ID: "groupingToMatrix", Options: matrixOptions{ColumnField: column, RowField: x, ValueField: "Value", EmptyValue: "null"}},
		{ID: "convertFieldType", Options: convertOptions{Conversions: []conversion{{TargetField: field, DestinationType: "number"}}}},
		{ID: "sortBy", Options: sortOptions{Sort: []sortField{{Field: field}}}},
		{ID: "organize", Options: organizeOptions{
			ExcludeByName: map[string]bool{}, IndexByName: map[string]int{}, RenameByName: map[string]string{field: xTitle},
		}},
	}
}

// overRate is a trend over the offered request rate, with a line for each arm.
func overRate(title, unit, description string, t target) panel {
	p := trend(title, unit, description, "request_rate", "offered", "reqps", "arm", t)
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, armStyles()...)
	return p
}

// matrixTable is a table with a row for each offered request rate and a column
// for each value of the label column.
func matrixTable(title, unit, description, column string, t target) panel {
	p := newPanel("table", title, unit, description, []target{t})
	p.Options = tableOptions{ShowHeader: true, CellHeight: "sm"}
	p.FieldConfig.Defaults.Custom = tableCustom{Align: "auto", CellOptions: cellOptions{Type: "color-text"}}
	p.FieldConfig.Defaults.Thresholds = steps(plainText)
	p.FieldConfig.Defaults.Color = &color{Mode: "thresholds"}
	p.FieldConfig.Overrides = []override{{Matcher: matcher{ID: "byName", Options: "offered"}, Properties: asNumber("reqps")}}
	p.Transformations = matrix("request_rate", "offered", column)
	return p
}

// column is a column of a table: the label or, as "Value #A", the query that fills
// it, and how it is shown.
type column struct {
	field, title, unit string
	properties         []property
}

// table shows its queries side by side: rows with the same labels are one. The
// columns stand in the order given; what is not among them is left out. Rows are
// sorted by their labels.
func table(title, description string, columns []column, targets ...target) panel {
	p := newPanel("table", title, "short", description, targets)
	options := tableOptions{ShowHeader: true, CellHeight: "sm"}
	p.FieldConfig.Defaults.Custom = tableCustom{Align: "auto", CellOptions: cellOptions{Type: "color-text"}, Filterable: true}
	p.FieldConfig.Defaults.Thresholds = steps(plainText)
	p.FieldConfig.Defaults.Color = &color{Mode: "thresholds"}
	order := organizeOptions{ExcludeByName: map[string]bool{}, IndexByName: map[string]int{}, RenameByName: map[string]string{}}
	var shown []string
	var numbers []conversion
	for i, c := range columns {
		shown = append(shown, c.field)
		order.IndexByName[c.field], order.RenameByName[c.field] = i, c.title
		if !strings.HasPrefix(c.field, "Value") {
			options.SortBy = append(options.SortBy, sortBy{DisplayName: c.title})
		}
		properties := slices.Clone(c.properties)
		switch {
		case c.field == "request_rate" || c.field == "gpus" || c.field == "batch_size":
			numbers = append(numbers, conversion{TargetField: c.field, DestinationType: "number"})
			properties = append(asNumber(cmp.Or(c.unit, "short")), properties...)
		case c.unit == "" && !strings.HasPrefix(c.field, "Value"):
			properties = append([]property{{"unit", "string"}}, properties...) // a version or a UUID that looks like a number is none
		case c.unit != "":
			properties = append([]property{{"unit", c.unit}}, properties...)
		}
		if properties != nil {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides,
				override{Matcher: matcher{ID: "byName", Options: c.title}, Properties: properties})
		}
	}
	if len(targets) > 1 {
		p.Transformations = append(p.Transformations, transformation{ID: "merge", Options: mergeOptions{}})
	}
	if numbers != nil {
		p.Transformations = append(p.Transformations, transformation{ID: "convertFieldType", Options: convertOptions{Conversions: numbers}})
	}
	p.Transformations = append(p.Transformations,
		transformation{ID: "filterFieldsByName", Options: filterOptions{Include: fieldNames{Names: shown}}},
		transformation{ID: "organize", Options: order})
	p.Options = options
	return p
}

// asNumber shows a label that has become a number like a label: in no colour.
func asNumber(unit string) []property {
	return []property{{"unit", unit}, {"thresholds", steps(plainText)}}
}

// stat shows the latest value of each series in large figures.
func stat(title, unit, description string, targets ...target) panel {
	p := newPanel("stat", title, unit, description, targets)
	p.Options = statOptions{
		ColorMode: "value", GraphMode: "none", JustifyMode: "auto", TextMode: "value_and_name", Orientation: "auto", WideLayout: true,
		ReduceOptions: reduceOptions{Calcs: []string{"lastNotNull"}},
	}
	p.FieldConfig.Defaults.Color = &color{Mode: "thresholds"}
	p.FieldConfig.Defaults.Thresholds = steps(plainText)
	return p
}

// states shows over time which of a few words holds for each series.
func states(title, description string, words []mapping, targets ...target) panel {
	p := newPanel("state-timeline", title, "short", description, targets)
	p.Options = stateTimelineOptions{
		Legend: noLegend, Tooltip: tooltipOptions{Mode: "single", Sort: "none"},
		AlignValue: "left", MergeValues: true, RowHeight: 0.8, ShowValue: "auto",
	}
	p.FieldConfig.Defaults.Custom = stateTimelineCustom{FillOpacity: 75}
	p.FieldConfig.Defaults.Color = &color{Mode: "thresholds"}
	p.FieldConfig.Defaults.Thresholds = steps(grey)
	p.FieldConfig.Defaults.Mappings = words
	return p
}

// heatmap shows how a histogram's values are spread, over time. Of the two
// queries the one for the form that Prometheus scrapes has an answer.
func heatmap(title, unit, description string, native, classic target) panel {
	native.Format, classic.Format = "heatmap", "heatmap"
	p := newPanel("heatmap", title, unit, description, []target{native.in(NativeOnly), classic.in(ClassicOnly)})
	p.Options = heatmapOptions{
		CellGap: 1, CellValues: cellValues{Unit: "short"},
		Color: heatmapColor{
			Mode: "scheme", Scheme: "Cividis", Steps: 64, Scale: "exponential", Exponent: 0.5, Fill: blue,
		},
		Exemplars: exemplarOptions{Color: vermilion}, FilterValues: filterValues{LE: 1e-9}, Legend: heatmapLegend{Show: true},
		RowsFrame: rowsFrame{Layout: "auto"}, ShowValue: "never",
		Tooltip: heatmapTooltip{Mode: "single", ShowColorScale: true, YHistogram: true},
		YAxis:   heatmapAxis{AxisPlacement: "left", Unit: unit},
	}
	p.FieldConfig.Defaults.Color = nil
	p.FieldConfig.Defaults.Custom = heatmapCustom{ScaleDistribution: scaleDistribution{Type: "log", Log: 2}}
	return p
}

// inOrder puts the columns of a matrix into an order of their own.
func (p panel) inOrder(titles ...string) panel {
	p.Transformations = slices.Clone(p.Transformations)
	last := len(p.Transformations) - 1
	order := p.Transformations[last].Options.(organizeOptions)
	order.IndexByName = map[string]int{}
	for field := range order.RenameByName {
		order.IndexByName[field] = 0
	}
	for i, title := range titles {
		order.IndexByName[title] = i + 1
	}
	p.Transformations[last].Options = order
	return p
}

// wide gives a panel two shares of its line's width.
func (p panel) wide() panel {
	p.GridPos.W = 2
	return p
}

// to adds a link to another dashboard.
func (p panel) to(b board) panel {
	p.Links = append(slices.Clone(p.Links), b.link())
	return p
}

// log gives the values a logarithmic axis.
func (p panel) log() panel {
	custom := p.FieldConfig.Defaults.Custom.(graphCustom)
	custom.ScaleDistribution = &scaleDistribution{Type: "log", Log: 10}
	return p.with(func(d *fieldDefaults) { d.Custom = custom })
}

// share lets the axis go from 0 to 1, or 100%.
func (p panel) share() panel {
	all := 1.0
	return p.with(func(d *fieldDefaults) { d.Min, d.Max = new(float64), &all })
}

// fromZero lets the axis begin at 0.
func (p panel) fromZero() panel {
	return p.with(func(d *fieldDefaults) { d.Min = new(float64) })
}

// decimals sets how many decimals are shown.
func (p panel) decimals(n int) panel {
	return p.with(func(d *fieldDefaults) { d.Decimals = &n })
}

// limits colours values by thresholds.
func (p panel) limits(t *thresholds) panel {
	return p.with(func(d *fieldDefaults) { d.Thresholds = t })
}

// words shows words in place of values.
func (p panel) words(m ...mapping) panel {
	return p.with(func(d *fieldDefaults) { d.Mappings = m })
}

// empty says what stands where there is no value.
func (p panel) empty(text string) panel {
	return p.with(func(d *fieldDefaults) { d.NoValue = text })
}

// styled adds overrides.
func (p panel) styled(o ...override) panel {
	c := *p.FieldConfig
	c.Overrides = append(slices.Clone(c.Overrides), o...)
	p.FieldConfig = &c
	return p
}

// every sets the least $__interval.
func (p panel) every(interval string) panel {
	p.Interval = interval
	return p
}

func (p panel) with(change func(*fieldDefaults)) panel {
	c := *p.FieldConfig
	change(&c.Defaults)
	p.FieldConfig = &c
	return p
}

// word is a mapping of a value to a word with a colour.
func word(value, text, colour string) mapping {
	return mapping{Type: "value", Options: map[string]mapped{value: {Text: text, Color: colour}}}
}

// wordBetween is a mapping of the values from a limit to the next; nil is none.
func wordBetween(from, to *float64, text, colour string) mapping {
	return mapping{Type: "range", Options: mappedRange{From: from, To: to, Result: mapped{Text: text, Color: colour}}}
}
