package dashboards

// board is one of the dashboards: what tells it from the others.
type board struct {
	uid, file, title, description string
	variables                     []variable
	annotations                   []annotation
	sections                      []section
}

var (
	overview = board{uid: "vllm-prober-overview", file: "overview.json", title: "vLLM prober / Overview"}
	ladder   = board{uid: "vllm-prober-ladder", file: "ladder.json", title: "vLLM prober / Ladder"}
	compare  = board{uid: "vllm-prober-compare", file: "compare.json", title: "vLLM prober / Compare"}
	replicas = board{uid: "vllm-prober-replicas", file: "replicas-and-gpus.json", title: "vLLM prober / Replicas and GPUs"}
)

const tag = "vllm-prober"

// link leads to a dashboard, with all variables and the time range of where it is
// followed from.
func (b board) link() link {
	return link{
		Type: "link", Title: b.title, Icon: "dashboard", Tags: []string{}, KeepTime: true, IncludeVars: true,
		URL: "/d/" + b.uid + "?${__url_time_range}&${__all_variables}",
	}
}

func (b board) dashboard() (dashboard, error) {
	panels, err := layOut(b.sections)
	if err != nil {
		return dashboard{}, err
	}
	return dashboard{
		UID: b.uid, Title: b.title, Description: b.description, Tags: []string{tag},
		SchemaVersion: schemaVersion, Editable: true, GraphTooltip: 1, Refresh: "1m",
		Time: timeRange{From: "now-24h", To: "now"}, Timezone: "browser",
		Links: []link{{
			Type: "dashboards", Title: "vLLM prober", Icon: "external link", Tags: []string{tag}, IncludeVars: true, KeepTime: true,
		}},
		Annotations: annotationList{List: b.annotations},
		Templating:  variableList{List: b.variables},
		Panels:      panels,
	}, nil
}

// all are the dashboards, in the order in which they are read.
func all() ([]dashboard, error) {
	var made []dashboard
	for _, b := range boards() {
		d, err := b.dashboard()
		if err != nil {
			return nil, err
		}
		made = append(made, d)
	}
	return made, nil
}

func boards() []board {
	return []board{overviewBoard(), ladderBoard(), compareBoard(), replicasBoard()}
}

// annotations mark runs, and steps by their request rates, where they were.
func annotations() []annotation {
	return []annotation{
		annotate("runs", purple, "Run", "{{probe}}", "probe",
			maxBy("probe", series("vllm_prober_run_active", `probe="$probe"`))),
		annotate("steps", sky, "{{rate}} req/s", "{{target}}, {{gpus}}×GPU {{batch_size}}", "target,gpus",
			`count_values by (`+armLabels+`) ("rate", `+series("vllm_prober_offered_request_rate", ofArms)+` > 0)`),
	}
}

func annotate(name, colour, title, text, tags, expr string) annotation {
	const step = "15s"
	return annotation{
		Name: name, Datasource: prometheus, Enable: true, IconColor: colour, Expr: expr, Step: step,
		TitleFormat: title, TextFormat: text, TagKeys: tags,
		Target: annotationTarget{RefID: "Anno", Expr: expr, Interval: step},
	}
}
