package dashboards

// The options of the panels that are used here, and what they keep under
// fieldConfig.defaults.custom.

type legendOptions struct {
	DisplayMode string   `json:"displayMode"`
	Placement   string   `json:"placement"`
	ShowLegend  bool     `json:"showLegend"`
	Calcs       []string `json:"calcs"`
}

type tooltipOptions struct {
	Mode string `json:"mode"`
	Sort string `json:"sort"`
}

type timeSeriesOptions struct {
	Legend  legendOptions  `json:"legend"`
	Tooltip tooltipOptions `json:"tooltip"`
}

type trendOptions struct {
	Legend  legendOptions  `json:"legend"`
	Tooltip tooltipOptions `json:"tooltip"`
	XField  string         `json:"xField"`
}

// graphCustom is the style of lines, of time series and trends.
type graphCustom struct {
	DrawStyle         string             `json:"drawStyle"`
	LineInterpolation string             `json:"lineInterpolation"`
	LineWidth         int                `json:"lineWidth"`
	FillOpacity       int                `json:"fillOpacity"`
	ShowPoints        string             `json:"showPoints"`
	PointSize         int                `json:"pointSize"`
	SpanNulls         bool               `json:"spanNulls"`
	ScaleDistribution *scaleDistribution `json:"scaleDistribution,omitempty"`
}

type scaleDistribution struct {
	Type string `json:"type"`
	Log  int    `json:"log,omitempty"`
}

type lineStyle struct {
	Fill string `json:"fill"`
	Dash []int  `json:"dash,omitempty"`
}

type statOptions struct {
	ColorMode         string        `json:"colorMode"`
	GraphMode         string        `json:"graphMode"`
	JustifyMode       string        `json:"justifyMode"`
	TextMode          string        `json:"textMode"`
	Orientation       string        `json:"orientation"`
	WideLayout        bool          `json:"wideLayout"`
	ShowPercentChange bool          `json:"showPercentChange"`
	ReduceOptions     reduceOptions `json:"reduceOptions"`
}

type reduceOptions struct {
	Calcs  []string `json:"calcs"`
	Fields string   `json:"fields"`
	Values bool     `json:"values"`
}

type tableOptions struct {
	ShowHeader bool     `json:"showHeader"`
	CellHeight string   `json:"cellHeight"`
	FrameIndex int      `json:"frameIndex"`
	SortBy     []sortBy `json:"sortBy,omitempty"`
}

type sortBy struct {
	DisplayName string `json:"displayName"`
	Desc        bool   `json:"desc"`
}

type tableCustom struct {
	Align       string      `json:"align"`
	CellOptions cellOptions `json:"cellOptions"`
	Inspect     bool        `json:"inspect"`
	Filterable  bool        `json:"filterable"`
}

type cellOptions struct {
	Type string `json:"type"`
	Mode string `json:"mode,omitempty"`
}

type stateTimelineOptions struct {
	Legend      legendOptions  `json:"legend"`
	Tooltip     tooltipOptions `json:"tooltip"`
	AlignValue  string         `json:"alignValue"`
	MergeValues bool           `json:"mergeValues"`
	RowHeight   float64        `json:"rowHeight"`
	ShowValue   string         `json:"showValue"`
}

type stateTimelineCustom struct {
	FillOpacity int `json:"fillOpacity"`
	LineWidth   int `json:"lineWidth"`
}

type heatmapOptions struct {
	Calculate    bool            `json:"calculate"`
	CellGap      int             `json:"cellGap"`
	CellValues   cellValues      `json:"cellValues"`
	Color        heatmapColor    `json:"color"`
	Exemplars    exemplarOptions `json:"exemplars"`
	FilterValues filterValues    `json:"filterValues"`
	Legend       heatmapLegend   `json:"legend"`
	RowsFrame    rowsFrame       `json:"rowsFrame"`
	ShowValue    string          `json:"showValue"`
	Tooltip      heatmapTooltip  `json:"tooltip"`
	YAxis        heatmapAxis     `json:"yAxis"`
}

type cellValues struct {
	Unit string `json:"unit"`
}

type heatmapColor struct {
	Mode     string  `json:"mode"`
	Scheme   string  `json:"scheme"`
	Steps    int     `json:"steps"`
	Scale    string  `json:"scale"`
	Exponent float64 `json:"exponent"`
	Fill     string  `json:"fill"`
	Reverse  bool    `json:"reverse"`
}

type exemplarOptions struct {
	Color string `json:"color"`
}

// filterValues hides the cells whose values are at most LE.
type filterValues struct {
	LE float64 `json:"le"`
}

type heatmapLegend struct {
	Show bool `json:"show"`
}

type rowsFrame struct {
	Layout string `json:"layout"`
}

type heatmapTooltip struct {
	Mode           string `json:"mode"`
	ShowColorScale bool   `json:"showColorScale"`
	YHistogram     bool   `json:"yHistogram"`
}

type heatmapAxis struct {
	AxisPlacement string `json:"axisPlacement"`
	Unit          string `json:"unit"`
}

type heatmapCustom struct {
	ScaleDistribution scaleDistribution `json:"scaleDistribution"`
}

// The options of the transformations.

type matrixOptions struct {
	ColumnField string `json:"columnField"`
	RowField    string `json:"rowField"`
	ValueField  string `json:"valueField"`
	EmptyValue  string `json:"emptyValue"`
}

type convertOptions struct {
	Fields      struct{}     `json:"fields"`
	Conversions []conversion `json:"conversions"`
}

type conversion struct {
	TargetField     string `json:"targetField"`
	DestinationType string `json:"destinationType"`
}

type sortOptions struct {
	Fields struct{}    `json:"fields"`
	Sort   []sortField `json:"sort"`
}

type sortField struct {
	Field string `json:"field"`
	Desc  bool   `json:"desc"`
}

type organizeOptions struct {
	ExcludeByName map[string]bool   `json:"excludeByName"`
	IndexByName   map[string]int    `json:"indexByName"`
	RenameByName  map[string]string `json:"renameByName"`
}

type mergeOptions struct{}

type filterOptions struct {
	Include fieldNames `json:"include"`
}

type fieldNames struct {
	Names []string `json:"names"`
}
