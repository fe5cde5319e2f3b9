package dashboards

// The data source that a person chooses; nothing names one.
var prometheus = datasource{Type: "prometheus", UID: "${datasource}"}

const (
	onTimeRangeChange = 2 // of variable.Refresh
	naturally         = 7 // of variable.Sort
	naturallyDown     = 8

	// The part of a query_result that is a label's value, and of an arm's that is
	// its name and the matchers that select it. Prometheus sorts labels by name, and
	// leaves out those that are empty, as the batch size of an arm that declares none.
	probeOfResult = `/probe="([^"]*)"/`
	armOfResult   = `/arm="(?<text>[^"]*)".*,matchers="(?<value>[^"]*)"/`
)

func datasourceVariable() variable {
	return variable{
		Name: "datasource", Type: "datasource", Label: "Data source", Query: "prometheus",
		Description: "The Prometheus that scrapes the prober and evaluates its rules",
	}
}

func queryVariable(name, label, description, query string) variable {
	source := prometheus
	return variable{
		Name: name, Type: "query", Label: label, Description: description, Datasource: &source,
		Query: variableQuery{Query: query, RefID: "A"}, Refresh: onTimeRangeChange, Sort: naturally,
	}
}

// several lets a variable stand for some values, or for all.
func several(v variable) variable {
	v.Multi, v.IncludeAll, v.AllValue = true, true, ".*"
	v.Current = &variableOption{Text: "All", Value: "$__all", Selected: true}
	return v
}

// ladderVariable is a probe that makes runs.
func ladderVariable() variable {
	return queryVariable("probe", "Probe", "A probe that makes runs", `label_values(vllm_prober_run_active, probe)`)
}

// heartbeatVariable is a probe that never ends, which is one without runs.
func heartbeatVariable() variable {
	v := queryVariable("heartbeat", "Heartbeat", "A probe that never ends",
		`query_result(group by (probe) (vllm_prober_offered_request_rate) unless on (probe) vllm_prober_run_active)`)
	v.Regex = probeOfResult
	return v
}

func targetVariable(probe string) variable {
	return several(queryVariable("target", "Target", "What is probed as one",
		`label_values(vllm_prober_offered_request_rate{probe=~"`+probe+`"}, target)`))
}

func gpusVariable() variable {
	return several(queryVariable("gpus", "GPUs of the arm", "With the target, this chooses arms",
		`label_values(vllm_prober_offered_request_rate{probe="$probe",target=~"$target"}, gpus)`))
}

// armVariable is one arm, shown by its name and used as the matchers that select
// it: ${name:raw} within braces.
func armVariable(name, label, description string) variable {
	v := queryVariable(name, label, description,
		`query_result(`+withMatchers(withArm(`group by (target, gpus, batch_size) (vllm_prober_offered_request_rate{probe="$probe"})`))+`)`)
	v.Regex = armOfResult
	return v
}

// lastFirst sorts a variable's values the other way round, so that two variables of
// the same values begin with different ones.
func lastFirst(v variable) variable {
	v.Sort = naturallyDown
	return v
}

// offsetVariable is how long before the end of the time range the other run was.
func offsetVariable() variable {
	v := variable{
		Name: "offset", Type: "custom", Label: "Earlier by", Query: "5m,15m,1h,3h,6h,12h,1d,2d,7d,14d,30d",
		Description: "How long before the end of the time range the run was that is compared with the latest",
	}
	for _, text := range []string{"5m", "15m", "1h", "3h", "6h", "12h", "1d", "2d", "7d", "14d", "30d"} {
		v.Options = append(v.Options, variableOption{Text: text, Value: text, Selected: text == "1d"})
	}
	v.Current = &variableOption{Text: "1d", Value: "1d", Selected: true}
	return v
}
