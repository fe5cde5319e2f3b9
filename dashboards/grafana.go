package dashboards

// The part of Grafana's classic dashboard JSON that the dashboards here use, with
// Grafana's names. A field that Grafana wants even when it is zero has no
// omitempty.

// schemaVersion is that of Grafana 11.0; newer versions migrate it when they load
// a dashboard.
const schemaVersion = 39

type dashboard struct {
	UID           string         `json:"uid"`
	Title         string         `json:"title"`
	Description   string         `json:"description"`
	Tags          []string       `json:"tags"`
	SchemaVersion int            `json:"schemaVersion"`
	Editable      bool           `json:"editable"`
	GraphTooltip  int            `json:"graphTooltip"` // 1: a crosshair in all panels at once
	Refresh       string         `json:"refresh"`
	Time          timeRange      `json:"time"`
	Timezone      string         `json:"timezone"`
	Links         []link         `json:"links"`
	Annotations   annotationList `json:"annotations"`
	Templating    variableList   `json:"templating"`
	Panels        []panel        `json:"panels"`
}

type timeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// link leads from a dashboard or a panel to somewhere else.
type link struct {
	Type        string   `json:"type"`
	Title       string   `json:"title"`
	Icon        string   `json:"icon"`
	Tooltip     string   `json:"tooltip"`
	URL         string   `json:"url,omitempty"`
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	IncludeVars bool     `json:"includeVars"`
	KeepTime    bool     `json:"keepTime"`
	TargetBlank bool     `json:"targetBlank"`
}

type annotationList struct {
	List []annotation `json:"list"`
}

type annotation struct {
	Name       string     `json:"name"`
	Datasource datasource `json:"datasource"`
	Enable     bool       `json:"enable"`
	IconColor  string     `json:"iconColor"`
	// Grafana 11 and newer ask for Target; its elder form stands beside it.
	Target      annotationTarget `json:"target"`
	Expr        string           `json:"expr"`
	Step        string           `json:"step"`
	TitleFormat string           `json:"titleFormat"`
	TextFormat  string           `json:"textFormat"`
	TagKeys     string           `json:"tagKeys"`
}

type annotationTarget struct {
	RefID    string `json:"refId"`
	Expr     string `json:"expr"`
	Interval string `json:"interval"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type variableList struct {
	List []variable `json:"list"`
}

type variable struct {
	Name        string           `json:"name"`
	Type        string           `json:"type"`
	Label       string           `json:"label"`
	Description string           `json:"description"`
	Query       any              `json:"query"` // a text, or for Prometheus a variableQuery
	Datasource  *datasource      `json:"datasource,omitempty"`
	Regex       string           `json:"regex,omitempty"`
	Refresh     int              `json:"refresh,omitempty"` // 2: when the time range changes
	Sort        int              `json:"sort,omitempty"`    // 7: naturally, 2 before 10
	Multi       bool             `json:"multi,omitempty"`
	IncludeAll  bool             `json:"includeAll,omitempty"`
	AllValue    string           `json:"allValue,omitempty"`
	Current     *variableOption  `json:"current,omitempty"`
	Options     []variableOption `json:"options,omitempty"`
}

type variableQuery struct {
	Query string `json:"query"`
	RefID string `json:"refId"`
}

type variableOption struct {
	Text     string `json:"text"`
	Value    string `json:"value"`
	Selected bool   `json:"selected"`
}

// panel is a panel, or a row that heads the panels after it.
type panel struct {
	ID              int              `json:"id"`
	Type            string           `json:"type"`
	Title           string           `json:"title"`
	Description     string           `json:"description,omitempty"`
	GridPos         gridPos          `json:"gridPos"`
	Datasource      *datasource      `json:"datasource,omitempty"`
	Interval        string           `json:"interval,omitempty"` // the least $__interval
	Links           []link           `json:"links,omitempty"`
	Targets         []target         `json:"targets,omitempty"`
	FieldConfig     *fieldConfig     `json:"fieldConfig,omitempty"`
	Options         any              `json:"options,omitempty"`
	Transformations []transformation `json:"transformations,omitempty"`
	Collapsed       *bool            `json:"collapsed,omitempty"` // of rows
	Panels          *[]panel         `json:"panels,omitempty"`    // of rows
}

type gridPos struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

type target struct {
	RefID        string     `json:"refId"`
	Datasource   datasource `json:"datasource"`
	EditorMode   string     `json:"editorMode"`
	Expr         string     `json:"expr"`
	Format       string     `json:"format"` // time_series, table or heatmap
	LegendFormat string     `json:"legendFormat"`
	Instant      bool       `json:"instant"`
	Range        bool       `json:"range"`

	// What Queries says of the rows.
	rows Rows
	why  string
}

type transformation struct {
	ID      string `json:"id"`
	Options any    `json:"options"`
}

type fieldConfig struct {
	Defaults  fieldDefaults `json:"defaults"`
	Overrides []override    `json:"overrides"`
}

type fieldDefaults struct {
	Unit       string      `json:"unit"`
	Decimals   *int        `json:"decimals,omitempty"`
	Min        *float64    `json:"min,omitempty"`
	Max        *float64    `json:"max,omitempty"`
	NoValue    string      `json:"noValue,omitempty"`
	Color      *color      `json:"color,omitempty"`
	Thresholds *thresholds `json:"thresholds,omitempty"`
	Mappings   []mapping   `json:"mappings,omitempty"`
	Custom     any         `json:"custom,omitempty"`
}

type color struct {
	Mode       string `json:"mode"`
	FixedColor string `json:"fixedColor,omitempty"`
}

type thresholds struct {
	Mode  string      `json:"mode"`
	Steps []threshold `json:"steps"`
}

type threshold struct {
	Color string  `json:"color"`
	Value float64 `json:"value"` // from which on the colour holds
}

// mapping shows a text in place of a value.
type mapping struct {
	Type    string `json:"type"` // value, range or special
	Options any    `json:"options"`
}

type mappedRange struct {
	From   *float64 `json:"from"`
	To     *float64 `json:"to"`
	Result mapped   `json:"result"`
}

type mapped struct {
	Text  string `json:"text"`
	Color string `json:"color,omitempty"`
	Index int    `json:"index"`
}

type override struct {
	Matcher    matcher    `json:"matcher"`
	Properties []property `json:"properties"`
}

type matcher struct {
	ID      string `json:"id"`
	Options string `json:"options"`
}

type property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}
