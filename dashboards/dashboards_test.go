package dashboards

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What stands in the folder is what the generator makes.
func TestFilesAreCurrent(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	present, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(present) != len(files) {
		t.Errorf("the folder has %q, made are %d", present, len(files))
	}
	for name, made := range files {
		found, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(found) != string(made) {
			t.Errorf("%s is not current: go generate ./dashboards", name)
		}
	}
}

// Grafana keeps dashboards apart by uid and panels by id.
func TestNumbersAreUnique(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	uids := map[string]bool{}
	for name, content := range files {
		var d struct {
			UID    string `json:"uid"`
			Panels []struct {
				ID int `json:"id"`
			} `json:"panels"`
		}
		if err := json.Unmarshal(content, &d); err != nil {
			t.Fatal(err)
		}
		if d.UID == "" || len(d.UID) > 40 || uids[d.UID] {
			t.Errorf("%s has the uid %q", name, d.UID)
		}
		uids[d.UID] = true
		ids := map[int]bool{}
		for _, p := range d.Panels {
			if p.ID == 0 || ids[p.ID] {
				t.Errorf("%s has the panel %d twice, or without a number", name, p.ID)
			}
			ids[p.ID] = true
		}
	}
}

func TestLayOut(t *testing.T) {
	panels, err := layOut([]section{
		{"one", []line{{5, []panel{{Title: "a"}, panel{Title: "b"}.wide()}}, {3, []panel{{Title: "c"}}}}},
		{"two", []line{{4, []panel{{Title: "d"}, {Title: "e"}, {Title: "f"}, {Title: "g"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		title string
		at    gridPos
	}{
		{"one", gridPos{0, 0, 24, 1}},
		{"a", gridPos{0, 1, 8, 5}},
		{"b", gridPos{8, 1, 16, 5}},
		{"c", gridPos{0, 6, 24, 3}},
		{"two", gridPos{0, 9, 24, 1}},
		{"d", gridPos{0, 10, 6, 4}},
		{"e", gridPos{6, 10, 6, 4}},
		{"f", gridPos{12, 10, 6, 4}},
		{"g", gridPos{18, 10, 6, 4}},
	}
	for i, w := range want {
		if p := panels[i]; p.Title != w.title || p.GridPos != w.at || p.ID != i+1 {
			t.Errorf("panel %d is %q at %+v, want %q at %+v", p.ID, p.Title, p.GridPos, w.title, w.at)
		}
	}
	if _, err := layOut([]section{{"odd", []line{{5, make([]panel, 5)}}}}); err == nil {
		t.Error("five panels share 24 columns")
	}
}

// What the gauges of the latest steps say is shown of steps that a probe still makes: a
// rate that a search came by once has its gauges for as long as the prober runs.
func TestRatesOfFormerSearchesAreNotShown(t *testing.T) {
	boards, err := all()
	if err != nil {
		t.Fatal(err)
	}
	gauge := regexp.MustCompile(`vllm_prober_(step_\w+|batch_size_in_force)`)
	n := 0
	for _, d := range boards {
		for _, q := range d.queries() {
			for _, name := range gauge.FindAllString(q.Expr, -1) {
				n++
				valid := " and on (probe, target, gpus, batch_size, request_rate) step:vllm_prober_end_timestamp_seconds:latest{"
				tried := " and on (probe, target, gpus, batch_size, request_rate) increase(vllm_prober_requests_total{"
				ofInvalid := name == "vllm_prober_step_valid" || name == "vllm_prober_step_saturated"
				if want := map[bool]string{true: tried, false: valid}[ofInvalid]; strings.Count(q.Expr, want) < strings.Count(q.Expr, name) {
					t.Errorf("%q of %q shows %s of all steps that there ever were: %s", q.Panel, q.Dashboard, name, q.Expr)
				}
			}
		}
	}
	if n < 8 {
		t.Errorf("only %d gauges of steps are shown", n)
	}
}

// The variable of an arm is its name and what selects it and no other, of one that
// declares no batch size, too: Prometheus leaves that label out.
func TestTheVariableOfAnArm(t *testing.T) {
	found := regexp.MustCompile(strings.Trim(armOfResult, "/"))
	for result, want := range map[string][]string{
		"{arm=\"bs16, 4×GPU, batch 16\",batch_size=\"16\",gpus=\"4\",matchers=\"batch_size=`16`,gpus=`4`,target=`bs16`\",target=\"bs16\"} 1 1800000000000": {
			"bs16, 4×GPU, batch 16", "batch_size=`16`,gpus=`4`,target=`bs16`",
		},
		"{arm=\"t, 1×GPU\",gpus=\"1\",matchers=\"batch_size=``,gpus=`1`,target=`t`\",target=\"t\"} 1 1800000000000": {
			"t, 1×GPU", "batch_size=``,gpus=`1`,target=`t`",
		},
	} {
		if got := found.FindStringSubmatch(result); len(got) != 3 || !slices.Equal(got[1:], want) {
			t.Errorf("of %s: %q, want %q", result, got, want)
		}
	}
	asked := asked(armVariable("arm_a", "", "").Query.(variableQuery).Query)
	if !strings.Contains(asked, "\"batch_size=`$3`,gpus=`$2`,target=`$1`\"") {
		t.Errorf("asked %s", asked)
	}
}

func TestQueriesReplaceVariables(t *testing.T) {
	values := Values{
		"__rate_interval": "2m", "__range": "1h", "probe": "ladder", "heartbeat": "heartbeat", "target": ".*", "gpus": ".*", "figure": "mean",
		"arm_a": `batch_size="16",gpus="4",target="bs16"`, "arm_b": `batch_size="32",gpus="4",target="bs32"`,
		"offset": "5m", "replica": ".*", "uuid": ".*",
	}
	queries, err := Queries(values)
	if err != nil {
		t.Fatal(err)
	}
	find := func(dashboard, panel, refID string) Query {
		i := slices.IndexFunc(queries, func(q Query) bool { return q.Dashboard == dashboard && q.Panel == panel && q.RefID == refID })
		if i < 0 {
			t.Fatalf("no query %s of %q of %q", refID, panel, dashboard)
		}
		return queries[i]
	}
	heat := find(overview.title, "Heartbeat: TTFT", "A")
	if want := `sum(increase(vllm_prober_time_to_first_token_seconds{probe="heartbeat",target=~".*"}[2m]))`; heat.Expr != want || heat.Rows != NativeOnly || heat.Instant {
		t.Errorf("got %+v, want the expression %s over a range, of native histograms", heat, want)
	}
	if q := find(overview.title, "variable heartbeat", "A"); !strings.HasPrefix(q.Expr, "group by (probe) (") || !q.Instant {
		t.Errorf("got %+v, want the expression within query_result", q)
	}
	if q := find(ladder.title, "variable target", "A"); q.Expr != `vllm_prober_offered_request_rate{probe=~"ladder"}` {
		t.Errorf("got %+v, want the selector of label_values", q)
	}
	if q := find(compare.title, "TTFT: now and earlier", "A"); !strings.Contains(q.Expr, `{probe="ladder",batch_size="16",gpus="4",target="bs16",figure="mean"} offset 5m`) {
		t.Errorf("got %+v, want the arm's matchers and the offset", q)
	}
	if q := find(ladder.title, "TTFT", "A"); !strings.Contains(q.Expr, `"$1, $2×GPU, batch $3"`) {
		t.Errorf("got %+v, want the groups of label_replace as they were", q)
	}
	for _, q := range queries {
		if (q.Rows == Maybe) != (q.Why != "") {
			t.Errorf("%q of %q may be empty for the reason %q", q.Panel, q.Dashboard, q.Why)
		}
	}
	delete(values, "arm_a")
	if _, err := Queries(values); err == nil || !strings.Contains(err.Error(), "no value for arm_a") {
		t.Errorf("got the error %v where arm_a has no value", err)
	}
}

// The ConfigMap holds what the generator makes.
func TestKustomizationHasAllFiles(t *testing.T) {
	text, err := os.ReadFile("kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var kustomization map[string][]struct{ Files []string }
	_, generator, _ := strings.Cut(string(text), "kind: Kustomization\n")
	if err := yaml.Unmarshal([]byte(generator), &kustomization); err != nil {
		t.Fatal(err)
	}
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	got, want := slices.Sorted(slices.Values(kustomization["configMapGenerator"][0].Files)), slices.Sorted(maps.Keys(files))
	if !slices.Equal(got, want) {
		t.Errorf("the ConfigMap holds %q, made are %q", got, want)
	}
}
