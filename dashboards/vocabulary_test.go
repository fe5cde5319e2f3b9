package dashboards

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

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
