package web

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"vllm_prober/internal/live"
	"vllm_prober/prober"
)

// functions are those of the templates.
var functions = template.FuncMap{
	"ms":     milliseconds,
	"arm":    arm,
	"rate":   func(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) },
	"time":   timeOf,
	"ago":    func(t time.Time) template.HTML { return timeOf(t, "ago") },
	"in":     func(t time.Time) template.HTML { return timeOf(t, "in") },
	"took":   func(from, to time.Time) string { return inShort(to.Sub(from)) },
	"result": resultOf,
	"words":  func(s any) string { return strings.ReplaceAll(fmt.Sprint(s), "_", " ") },
	"broken": brokenOf,
	"at":     func(root string, of any) map[string]any { return map[string]any{"Root": root, "Of": of} },
	"of":     func(root string, of any) map[string]any { return map[string]any{"Root": root, "Of": of, "Named": true} },
	"known":  func(version string) bool { return version != "" && version != "unknown" },
	"steps":  stepsOfRun,
	"since":  func(s *live.StepProgress) float64 { return s.Elapsed - s.Planned },
	"clock":  func(t time.Time) string { return t.UTC().Format("15:04:05.000") },
}

// timeOf shows a time, as it is and, if asked, as it lies from now.
func timeOf(t time.Time, as string) template.HTML {
	if t.IsZero() {
		return "–"
	}
	exact := t.UTC().Format("2006-01-02 15:04:05 UTC")
	text := exact
	switch away := time.Until(t); {
	case as == "in" && away > 0:
		text = "in " + inShort(away)
	case as == "in":
		text = "now"
	case as == "ago":
		text = inShort(-away) + " ago"
	}
	made := fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, t.UTC().Format(time.RFC3339), exact, text)
	return template.HTML(made) //nolint:gosec // figures alone
}

// stepsOfRun says how many steps a run has made, and of how many that were planned
// where these are more. A search adds to them.
func stepsOfRun(r *runAnswer) string {
	if r.StepsEnded < r.Steps {
		return fmt.Sprintf("%d of %d", r.StepsEnded, r.Steps)
	}
	return strconv.Itoa(r.StepsEnded)
}

// resultOf says in a word how a run ended.
func resultOf(r *runAnswer) string {
	if r.Outcome == "" {
		return "not ended"
	}
	return string(r.Outcome)
}

// brokenOf lists promises that were not kept.
func brokenOf(broken map[prober.Promise]int) string {
	var texts []string
	for _, promise := range prober.Promises() {
		if n := broken[promise]; n > 0 {
			texts = append(texts, fmt.Sprintf("%s in %d", strings.ReplaceAll(string(promise), "_", " "), n))
		}
	}
	return strings.Join(texts, ", ")
}
