package alerts

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Groups are groups of rules as a file of Prometheus's holds them.
type Groups struct {
	Groups []Group `yaml:"groups"`
}

// Group is rules that are evaluated one after the other, each with what those
// before it have recorded.
type Group struct {
	Name string `yaml:"name"`
	// Interval is the time between two evaluations; Prometheus's own if empty.
	Interval string `yaml:"interval,omitempty"`
	Rules    []Rule `yaml:"rules"`
}

// Rule is a recording rule, with Record, or an alert, with Alert.
type Rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// recording returns the rule that records an expression.
func recording(name, expr string) Rule { return Rule{Record: name, Expr: indented(expr)} }

// indented breaks an expression with several lines from their common indentation,
// so that it stands in YAML as it stands in the code.
func indented(expr string) string {
	lines := strings.Split(strings.Trim(expr, "\n"), "\n")
	least := -1
	for _, line := range lines {
		if depth := len(line) - len(strings.TrimLeft(line, "\t ")); strings.TrimSpace(line) != "" && (least < 0 || depth < least) {
			least = depth
		}
	}
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(strings.TrimRight(line[min(least, len(line)):], " \t"), "\t", "  ")
	}
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return line == "" }), "\n")
}

// YAML is the groups as a file of rules.
func (g Groups) YAML() ([]byte, error) { return encode(g) }

// prometheusRule is the operator's resource that holds groups.
type prometheusRule struct {
	APIVersion string `yaml:"apiVersion"` //nolint:tagliatelle // it is Kubernetes's
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name   string            `yaml:"name"`
		Labels map[string]string `yaml:"labels"`
	} `yaml:"metadata"`
	Spec Groups `yaml:"spec"`
}

// The names of the files.
const (
	RecordingFile = "recording.rules.yaml"
	AlertsFile    = "alerts.rules.yaml"
	ResourceFile  = "prometheusrule.yaml"
)

// Files returns what the files hold, by their names: recording rules, alerts, and
// both as a PrometheusRule.
func Files(s Settings) (map[string][]byte, error) {
	r := prometheusRule{APIVersion: "monitoring.coreos.com/v1", Kind: "PrometheusRule"}
	r.Metadata.Name = "vllm-prober"
	r.Metadata.Labels = map[string]string{"app.kubernetes.io/name": "vllm-prober"}
	r.Spec.Groups = slices.Concat(s.Recording().Groups, s.Alerting().Groups)
	files := map[string][]byte{}
	for name, content := range map[string]any{RecordingFile: s.Recording(), AlertsFile: s.Alerting(), ResourceFile: r} {
		text, err := encode(content)
		if err != nil {
			return nil, fmt.Errorf("encoding %s: %w", name, err)
		}
		files[name] = text
	}
	return files, nil
}

func encode(content any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Made by `go generate ./alerts` from the code there: change that, and make it anew.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(content); err != nil {
		return nil, err //nolint:wrapcheck // its only caller says what was encoded
	}
	return b.Bytes(), nil
}
