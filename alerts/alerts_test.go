package alerts

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// all are all rules that there are.
func all(t *testing.T) (rules []Rule) {
	t.Helper()
	s := Default()
	for _, g := range slices.Concat(s.Recording().Groups, s.Alerting().Groups) {
		rules = append(rules, g.Rules...)
	}
	if len(rules) < 100 {
		t.Fatalf("there are %d rules", len(rules))
	}
	return rules
}

func TestFilesAreCurrent(t *testing.T) {
	files, err := Files(Default())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if read(t, name) != string(want) {
			t.Errorf("%s is not what the code makes: run `go generate ./alerts`", name)
		}
	}
}

// The files are read here as YAML, and not by the code that has written them.
func TestBothFormsHoldTheSameRules(t *testing.T) {
	var resource struct {
		APIVersion, Kind string
		Spec             struct{ Groups []map[string]any }
	}
	decode := func(name string, into any) {
		if err := yaml.NewDecoder(bytes.NewReader([]byte(read(t, name)))).Decode(into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	decode(ResourceFile, &resource)
	var groups []map[string]any
	for _, name := range []string{RecordingFile, AlertsFile} {
		var file struct{ Groups []map[string]any }
		decode(name, &file)
		groups = append(groups, file.Groups...)
	}
	if !reflect.DeepEqual(groups, resource.Spec.Groups) {
		t.Error("the PrometheusRule holds other rules than the files for Prometheus")
	}
	if len(groups) != 9 {
		t.Errorf("there are %d groups, want 9", len(groups))
	}
}

// A rule reads metrics that docs/metrics.md lists, or what another rule records.
func TestRulesReadWhatThereIs(t *testing.T) {
	known := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(vllm_prober_\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(read(t, "../docs/metrics.md"), -1) {
		known[m[1]] = true
		if m[2] == "histogram" {
			known[m[1]+"_bucket"], known[m[1]+"_sum"], known[m[1]+"_count"] = true, true, true
		}
	}
	rules := all(t)
	for _, r := range rules {
		if r.Record != "" {
			if known[r.Record] {
				t.Errorf("%s is recorded twice", r.Record)
			}
			known[r.Record] = true
		}
	}
	name := regexp.MustCompile(`(?:[a-z]+:)?vllm_prober_\w+(?::\w+)?`)
	for _, r := range rules {
		texts := append([]string{r.Expr}, slices.Collect(maps.Values(r.Annotations))...)
		for _, text := range texts {
			for _, m := range name.FindAllString(text, -1) {
				if !known[m] {
					t.Errorf("%s%s reads %s, which nobody exports and nobody records", r.Record, r.Alert, m)
				}
			}
		}
	}
}

func TestNamesOfRules(t *testing.T) {
	for _, r := range all(t) {
		switch {
		case r.Record != "":
			if !regexp.MustCompile(`^(step|arm|target|heartbeat):vllm_prober_[a-z_0-9]+:[a-z_0-9]+$`).MatchString(r.Record) {
				t.Errorf("%s is not level:metric:operation", r.Record)
			}
		case !regexp.MustCompile(`^VLLM[A-Z]\w+$`).MatchString(r.Alert):
			t.Errorf("%q is not the name of an alert", r.Alert)
		case !slices.Contains([]string{"critical", "warning"}, r.Labels["severity"]):
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
	}
}

// unitTests are what promtool takes.
type unitTests struct {
	Tests []struct {
		Name  string
		Exprs []struct {
			Expr    string
			Samples []any `yaml:"exp_samples"`
		} `yaml:"promql_expr_test"`
		Alerts []struct {
			Name   string `yaml:"alertname"`
			Alerts []struct {
				Labels      map[string]string `yaml:"exp_labels"`
				Annotations map[string]string `yaml:"exp_annotations"`
			} `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

// Each recorded series is expected somewhere with a value; each alert fires
// somewhere with the texts that were expected, and is silent somewhere else.
func TestEveryRuleHasAUnitTest(t *testing.T) {
	paths, err := filepath.Glob("tests/*.test.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("there are no unit tests", err)
	}
	recorded, silent := map[string]bool{}, map[string]bool{}
	var fired []Rule
	name := regexp.MustCompile(`[a-z]+:vllm_prober_\w+:\w+`)
	for _, path := range paths {
		var f unitTests
		if err := yaml.Unmarshal([]byte(read(t, path)), &f); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, test := range f.Tests {
			for _, e := range test.Exprs {
				for _, m := range name.FindAllString(e.Expr, -1) {
					recorded[m] = recorded[m] || len(e.Samples) > 0
				}
			}
			for _, a := range test.Alerts {
				silent[a.Name] = silent[a.Name] || len(a.Alerts) == 0
				for _, x := range a.Alerts {
					fired = append(fired, Rule{Alert: a.Name, Labels: x.Labels, Annotations: x.Annotations})
				}
			}
		}
	}
	for _, r := range all(t) {
		if r.Record != "" {
			if !recorded[r.Record] {
				t.Errorf("no unit test expects a value of %s", r.Record)
			}
			continue
		}
		if !silent[r.Alert] {
			t.Errorf("no unit test expects that %s is silent", r.Alert)
		}
		if !slices.ContainsFunc(fired, func(f Rule) bool { return f.is(r) }) {
			t.Errorf("no unit test expects that %s with the labels %v fires, with all its texts", r.Alert, r.Labels)
		}
	}
}

// is says whether an alert that fired is of a rule, with its labels and with as
// many texts.
func (r Rule) is(of Rule) bool {
	for name, value := range of.Labels {
		if r.Labels[name] != value {
			return false
		}
	}
	for name := range of.Annotations {
		if r.Annotations[name] == "" {
			return false
		}
	}
	return r.Alert == of.Alert
}

// Each alert links to a section of the runbook that says what it means, how to
// confirm it and what to do, and each section is of an alert.
func TestRunbook(t *testing.T) {
	sections := map[string]string{}
	for _, section := range strings.Split(read(t, "runbook.md"), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		sections[title] = text
	}
	alerts := map[string]bool{}
	for _, r := range all(t) {
		if r.Alert == "" {
			continue
		}
		alerts[r.Alert] = true
		for _, part := range []string{"**Meaning.**", "**Confirm.**", "**Do.**"} {
			if !strings.Contains(sections[r.Alert], part) {
				t.Errorf("the section of %s in the runbook has no part %s", r.Alert, part)
			}
		}
		if want := "alerts/runbook.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s links to %s, want %s", r.Alert, r.Annotations["runbook_url"], want)
		}
	}
	for title := range sections {
		if !alerts[title] {
			t.Errorf("the runbook has a section %s, which is no alert", title)
		}
	}
}

// docs/alerts.md lists every setting with its value, and every alert with its
// severity.
func TestSettingsAreDocumented(t *testing.T) {
	text := read(t, "../docs/alerts.md")
	settings := reflect.ValueOf(Default())
	for i := range settings.NumField() {
		name := settings.Type().Field(i).Name
		row := "\n| `" + name + "` | " + documented(settings.Field(i)) + " | "
		if !strings.Contains(text, row) {
			t.Errorf("no row in docs/alerts.md begins with%s", row)
		}
	}
	_, table, _ := strings.Cut(text, "## Thresholds")
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(table, -1) {
		if !settings.FieldByName(m[1]).IsValid() {
			t.Errorf("docs/alerts.md has a row of %s, which is no setting", m[1])
		}
	}
	for _, r := range all(t) {
		if row := regexp.MustCompile("(?m)^\\| \\[`" + r.Alert + "`\\]\\(\\.\\./alerts/runbook\\.md#" + strings.ToLower(r.Alert) + "\\) \\| [a-z, ]*" + r.Labels["severity"]); r.Alert != "" && !row.MatchString(text) {
			t.Errorf("docs/alerts.md has no row of %s with the severity %s", r.Alert, r.Labels["severity"])
		}
	}
}

// documented is a setting's value as the table has it.
func documented(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Burn:
		return number(x.Rate) + " over " + promql(x.Long) + " and " + promql(x.Short)
	case time.Duration:
		return promql(x)
	case []time.Duration:
		return promql(x[0]) + " and " + promql(x[1])
	case string:
		return "`" + x + "`"
	default:
		return fmt.Sprint(x)
	}
}

// What may have no rows is a rule.
func TestMayBeEmpty(t *testing.T) {
	rules := all(t)
	for name, why := range Default().MayBeEmpty() {
		if why == "" || !slices.ContainsFunc(rules, func(r Rule) bool { return r.Record == name }) {
			t.Errorf("%s may be empty because %q, but is no rule", name, why)
		}
	}
}

// Other windows and thresholds make other rules under names that say so.
func TestSettingsReachTheRules(t *testing.T) {
	s := Default()
	s.Baseline, s.MinChange, s.Runbook = 14*day, 0.07, "https://runbooks.example/vllm.md"
	files, err := Files(s)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		RecordingFile: "record: step:vllm_prober_time_to_first_token_seconds:baseline_14d\n",
		AlertsFile:    "runbook_url: https://runbooks.example/vllm.md#vllmgpulost\n",
		ResourceFile:  "baseline_14d{figure!=\"p99\"} * 1.07",
	} {
		if !strings.Contains(string(files[file]), want) {
			t.Errorf("%s does not contain %q", file, want)
		}
	}
	for name, text := range files {
		if strings.Contains(string(text), "_7d") || strings.Contains(string(text), "[7d]") {
			t.Errorf("%s still has a window of 7 days", name)
		}
	}
}

func TestDurationsInPromQL(t *testing.T) {
	for d, want := range map[time.Duration]string{
		7 * day: "7d", 90 * time.Minute: "90m", 36 * time.Hour: "36h", 15 * time.Second: "15s", time.Hour: "1h",
	} {
		if got := promql(d); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
}
