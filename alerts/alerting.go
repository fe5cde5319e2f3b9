package alerts

import (
	"fmt"
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
	stepLabels = append(armLabels[:len(armLabels):len(armLabels)], "request_rate")
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
// annotations; labels are pairs of names and values beside the severity.
func (s Settings) alert(name string, level severity, wait time.Duration, expr, summary, description string, labels ...string) Rule {
	r := Rule{
		Alert: name, Expr: indented(expr), Labels: map[string]string{"severity": string(level)},
		Annotations: map[string]string{
			"summary": summary, "description": description, "runbook_url": s.Runbook + "#" + strings.ToLower(name),
		},
	}
	if wait > 0 {
		r.For = promql(wait)
	}
	for i := 0; i < len(labels); i += 2 {
		r.Labels[labels[i]] = labels[i+1]
	}
	return r
}

// figure is a template that asks for the value of a rule with the alert's own
// labels, and writes it by a function of the template language.
func figure(rule, function string, labels []string) string {
	var matchers, values []string
	for _, l := range labels {
		matchers, values = append(matchers, l+"=%q"), append(values, "$labels."+l)
	}
	return fmt.Sprintf("{{ with printf `%s{%s}` %s | query }}{{ . | first | value | %s }}{{ end }}",
		rule, strings.Join(matchers, ","), strings.Join(values, " "), function)
}
