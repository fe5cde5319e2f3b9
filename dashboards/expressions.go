package dashboards

import (
	"fmt"
	"strings"
)

const (
	armLabels  = "target, gpus, batch_size"
	stepLabels = armLabels + ", request_rate"

	// Which arms and steps of the chosen probe are shown.
	ofArms = `probe="$probe",target=~"$target",gpus=~"$gpus"`
)

// series is a metric or a recorded series with matchers.
func series(name string, matchers ...string) string {
	return name + "{" + strings.Join(matchers, ",") + "}"
}

// stillMade are the series of a gauge of valid steps, but for steps that the probe does
// not make any more: a search comes by other rates each time, and their gauges stay.
func stillMade(gauge string, matchers ...string) string {
	return series(gauge, matchers...) + " and on (probe, " + stepLabels + ") " + latestStep("end_timestamp_seconds", matchers[0])
}

// madeLately are the same of a gauge of invalid steps, too: those of steps that were
// made within the time range.
func madeLately(gauge string, matchers ...string) string {
	return series(gauge, matchers...) + " and on (probe, " + stepLabels + ") " +
		"increase(" + series("vllm_prober_requests_total", matchers[0], `phase="window"`) + "[$__range]) > 0"
}

// withArm names the arm of each series in a label.
func withArm(expr string) string {
	return fmt.Sprintf(`label_replace(label_replace(label_join(%s, "arm", "/", "target", "gpus", "batch_size"), `+
		`"arm", "$1, $2×GPU, batch $3", "arm", "(.*)/(.*)/(.+)"), "arm", "$1, $2×GPU", "arm", "(.*)/(.*)/")`, expr)
}

// withMatchers writes what selects the arm of each series into a label. They have
// backticks, for a quotation mark would end the label's value in a query_result.
func withMatchers(expr string) string {
	return fmt.Sprintf(`label_replace(label_join(%s, "matchers", "/", "target", "gpus", "batch_size"), `+
		"\"matchers\", \"batch_size=`$3`,gpus=`$2`,target=`$1`\", \"matchers\", \"(.*)/(.*)/(.*)\")", expr)
}

// ofEachArm is a series of the arms with their names, and no other labels.
func ofEachArm(name string, matchers ...string) string {
	return withArm(maxBy(armLabels, series(name, matchers...)))
}

// labelled gives all series of an expression the same value of a label.
func labelled(expr, label, value string) string {
	return fmt.Sprintf(`label_replace(%s, %q, %q, "", "")`, expr, label, value)
}

// renamed copies a label into another one, with something after it.
func renamed(expr, from, to, after string) string {
	return fmt.Sprintf(`label_replace(%s, %q, "$1%s", %q, "(.*)")`, expr, to, after, from)
}

// maxBy and minBy take one of several series of the same labels, such as those of
// two instances.
func maxBy(labels, expr string) string { return fmt.Sprintf(`max by (%s) (%s)`, labels, expr) }
func minBy(labels, expr string) string { return fmt.Sprintf(`min by (%s) (%s)`, labels, expr) }
func sumBy(labels, expr string) string { return fmt.Sprintf(`sum by (%s) (%s)`, labels, expr) }

// either is the first expression, and the second where the first has no series.
func either(first, second string) string { return first + " or " + second }
