package alerts

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// severity says how soon someone has to look.
type severity string

const (
	critical severity = "critical" // now: users are not served, or soon will not be
	warning  severity = "warning"  // in working hours
)

// The labels of what alerts are of.
var (
	armLabels  = []string{"job", "probe", "target", "gpus", "batch_size"}
	stepLabels = append(slices.Clip(armLabels), "request_rate")
)

// An arm and a step as texts name them.
const (
	theArm  = `{{ $labels.target }} with {{ $labels.gpus }} GPUs{{ with $labels.batch_size }} and batch size {{ . }}{{ end }}`
	theStep = theArm + ` at {{ $labels.request_rate }} requests per second`
)

// Alerting returns the alerts.
func (s Settings) Alerting() Groups {
	return Groups{[]Group{
		{Name: "vllm_prober.regressions", Rules: s.regressions()},
		{Name: "vllm_prober.service", Rules: s.service()},
		{Name: "vllm_prober.prober", Rules: s.prober()},
		{Name: "vllm_prober.gpus", Rules: s.gpus()},
	}}
}

// alert makes an alert. Its texts may use the template language of Prometheus's
// annotations.
func (s Settings) alert(name string, level severity, wait time.Duration, expr, summary, description string) Rule {
	r := Rule{
		Alert: name, Expr: indented(expr), Labels: map[string]string{"severity": string(level)},
		Annotations: map[string]string{
			"summary": summary, "description": description, "runbook_url": s.Runbook + "#" + strings.ToLower(name),
		},
	}
	if wait > 0 {
		r.For = promql(wait)
	}
	return r
}

// with adds a label to an alert.
func (r Rule) with(name, value string) Rule {
	r.Labels[name] = value
	return r
}

// ask is a template that asks Prometheus, and does something with the answer where
// there is one. The word LABELS stands for matchers of the alert's own labels.
func ask(query, then string, labels ...string) string {
	var matchers, values []string
	for _, l := range labels {
		matchers, values = append(matchers, l+"=%q"), append(values, "$labels."+l)
	}
	return fmt.Sprintf("{{ with printf `%s` %s | query }}%s{{ end }}",
		strings.ReplaceAll(query, "LABELS", strings.Join(matchers, ",")), strings.Join(values, " "), then)
}

// figure is a template for the value of a rule with the alert's own labels, written
// by a function of the template language.
func figure(rule, function string, labels []string) string {
	return ask(rule+"{LABELS}", "{{ . | first | value | "+function+" }}", labels...)
}
