package dashboards

import (
	"fmt"

	"vllm_prober/alerts"
)

// The colours are those of Okabe and Ito, which people with any of the common
// kinds of colour blindness can tell apart, without the yellow that is too pale
// for a light background. What is good or bad is blue or vermilion, never green
// or red, and a word or a sign says it as well. Text is in those that stand out
// from light and dark alike, which orange and sky do not from light.
const (
	blue      = "#0072B2"
	orange    = "#E69F00"
	green     = "#009E73"
	vermilion = "#D55E00"
	purple    = "#CC79A7"
	sky       = "#56B4E9"
	grey      = "#8A8A8A"
	plainText = "text" // Grafana's own, dark on light and light on dark

	good    = blue
	warning = purple
	bad     = vermilion
)

var (
	solid  = lineStyle{Fill: "solid"}
	dashes = lineStyle{Fill: "dash", Dash: []int{10, 6}}

	lineColours = []string{blue, orange, green, vermilion, purple, sky}
)

// armStyles give an arm its colour by its number of GPUs and its dashes by its
// batch size, so that the same arm looks the same in every panel and in every
// run. Arms that differ in their target alone share both; legend and tooltip tell
// them apart.
func armStyles() []override {
	var styles []override
	byName := func(pattern string, properties ...property) {
		styles = append(styles, override{Matcher: matcher{ID: "byRegexp", Options: pattern}, Properties: properties})
	}
	for i, colour := range lineColours {
		byName(fmt.Sprintf("/, %d×GPU/", 1<<i), property{"color", color{Mode: "fixed", FixedColor: colour}})
	}
	lines := []lineStyle{solid, dashes, {Fill: "dot", Dash: []int{0, 6}}, {Fill: "dash", Dash: []int{20, 8}}}
	for i := range 11 {
		byName(fmt.Sprintf("/, batch %d$/", 1<<i), property{"custom.lineStyle", lines[i%len(lines)]})
	}
	return styles
}

// batchColours give lines that are named by their batch size a colour each.
func batchColours() []override {
	var styles []override
	for i := range 11 {
		styles = append(styles, fixedByName(fmt.Sprintf("batch %d", 1<<i), lineColours[i%len(lineColours)], solid))
	}
	return styles
}

// fixedByName gives the line of a name its colour and its dashes.
func fixedByName(name, colour string, style lineStyle) override {
	return override{Matcher: matcher{ID: "byName", Options: name}, Properties: []property{
		{"color", color{Mode: "fixed", FixedColor: colour}}, {"custom.lineStyle", style},
	}}
}

// fixedColours give the series of the queries A, B, … a colour each.
func fixedColours(refIDs ...string) []override {
	var styles []override
	for i, refID := range refIDs {
		styles = append(styles, override{
			Matcher:    matcher{ID: "byFrameRefID", Options: refID},
			Properties: []property{{"color", color{Mode: "fixed", FixedColor: lineColours[i%len(lineColours)]}}},
		})
	}
	return styles
}

// belowAll stands for minus infinity. Grafana writes that as null, and takes the
// null of an override for 0: a value just below 0 would get the first colour.
const belowAll = -1e12

// steps are thresholds: the first colour below the first limit, and so on.
func steps(first string, rest ...threshold) *thresholds {
	return &thresholds{Mode: "absolute", Steps: append([]threshold{from(belowAll, first)}, rest...)}
}

// worseHigher and worseLower colour a change in per cent that is as large as what
// the alerts take for a regression, or an improvement of that size.
func worseHigher() *thresholds {
	limit := 100 * alerts.Default().MinChange
	return steps(good, from(-limit, plainText), from(limit, bad))
}

func worseLower() *thresholds {
	limit := 100 * alerts.Default().MinChange
	return steps(bad, from(-limit, plainText), from(limit, good))
}

// from is the threshold from which on a colour holds.
func from(limit float64, colour string) threshold { return threshold{Color: colour, Value: limit} }
