package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// betweenArms says in words how arms of one number of GPUs differ.
func betweenArms(d *reading) (found []finding) {
	for _, p := range d.pairs {
		found = append(found, difference(p.contrast())...)
	}
	return found
}

// sinceBefore says in words how the arms differ from what they were.
func sinceBefore(d *reading) (found []finding) {
	for _, c := range d.since {
		found = append(found, difference(c)...)
	}
	return found
}

// difference is that of one contrast: of its figures at the request rates together, and
// of each that searches have found.
func difference(p contrast) []finding {
	var steps, answers []compare.Cell
	for _, c := range p.table.Cells {
		if c.Metric.IsAnswer() {
			answers = append(answers, c)
		} else {
			steps = append(steps, c)
		}
	}
	var found []finding
	if len(steps) > 0 {
		found = ofSteps(p, steps)
	}
	for i := range answers {
		if f, says := ofAnswer(p, &answers[i]); says {
			found = append(found, f)
		}
	}
	return found
}

// reference is the side that another is held against, as the end of a sentence: "that of
// an arm", or "in the runs before".
type reference struct{ side any }

// ofAnswer says how what searches have found differs. Of one run of each there is nothing
// to say.
func ofAnswer(p contrast, c *compare.Cell) (f finding, says bool) {
	if c.Interval == nil {
		return f, false
	}
	than := reference{p.base}
	if _, isRuns := p.base.(runsBefore); isRuns {
		than.side = runsBefore(c.BaseSteps) // that searched: of the runs before they may be some
	}
	v := values{
		"metric": c.Metric, "other": p.other, "than": than, "from": c.Base, "to": c.Other, "runs": c.NeededRepeats, "reason": c.Reason,
		"change": signed(c.Change), "share": strings.TrimLeft(signed(c.Change), "+−"), "interval": intervalOf(c), "beyond": margin(c.Beyond),
	}
	rule := "difference.answer_more"
	switch {
	case c.Word == stats.NoDifference:
		rule = "difference.answer_same"
	case c.Word == stats.Undetermined && c.NeededRepeats > 0:
		rule = "difference.answer_runs"
	case c.Word == stats.Undetermined:
		rule = "difference.answer_open"
	case c.Change < 0:
		rule = "difference.answer_less"
	}
	return finding{rule, v, fmt.Sprintf("%s: %.4g, %.4g; word: %s", c.Metric, c.Base, c.Other, c.Word)}, true
}

// ofSteps says how the figures at request rates differ.
func ofSteps(p contrast, cells []compare.Cell) []finding {
	count := map[stats.Word]int{}
	beyond := 0.0
	var most *compare.Cell
	for i := range cells {
		c := &cells[i]
		count[c.Word]++
		beyond = max(beyond, c.Beyond)
		if isChange := c.Word == stats.Better || c.Word == stats.Worse; isChange && (most == nil || math.Abs(c.Change) > math.Abs(most.Change)) {
			most = c
		}
	}
	n := len(cells)
	v := values{"base": p.base, "other": p.other, "cells": n}
	says := fmt.Sprintf("words: %d better, %d worse, %d no difference, %d undetermined",
		count[stats.Better], count[stats.Worse], count[stats.NoDifference], count[stats.Undetermined])
	var found []finding
	switch {
	case most != nil:
		v["better"], v["worse"] = count[stats.Better], count[stats.Worse]
		v["metric"], v["rate"], v["change"] = most.Metric, most.RequestRate, cellChange(most)
		found = append(found, finding{"difference.found", v, says})
	case count[stats.NoDifference] == n:
		v["beyond"] = margin(beyond)
		return []finding{{"difference.none", v, says}}
	case count[stats.Undetermined] == n:
		v["reason"] = reasons(cells)
		found = append(found, finding{"difference.undetermined", v, says})
	default:
		v["beyond"], v["same"], v["undetermined"] = margin(beyond), count[stats.NoDifference], count[stats.Undetermined]
		found = append(found, finding{"difference.some", v, says})
	}
	return append(found, recommended(p, cells)...)
}

// recommended is how many repeats of each step would decide means that are undetermined.
func recommended(p contrast, cells []compare.Cell) []finding {
	const feasible = 100 // repeats, at most
	open, decided, repeats := 0, 0, 0
	for i := range cells {
		c := &cells[i]
		if !isMean(c.Metric) || c.Word != stats.Undetermined {
			continue
		}
		open++
		if c.NeededRepeats > 0 && c.NeededRepeats <= feasible {
			decided++
			repeats = max(repeats, c.NeededRepeats)
		}
	}
	rule := "difference.repeats"
	switch {
	case decided == 0:
		return nil
	case decided < open:
		rule = "difference.repeats_part"
	}
	v := values{"base": p.base, "other": p.other, "repeats": repeats, "decided": decided, "means": open, "feasible": feasible}
	return []finding{{rule, v, fmt.Sprintf("needed_repeats: %d", repeats)}}
}

// reasons are those of all cells that are undetermined.
func reasons(cells []compare.Cell) (all cellReasons) {
	for i := range cells {
		if cells[i].Word != stats.Undetermined {
			continue
		}
		at := slices.IndexFunc(all, func(t tally) bool { return t.of == cells[i].Reason })
		if at < 0 {
			at, all = len(all), append(all, tally{of: cells[i].Reason})
		}
		all[at].n++
	}
	return all
}

// isMean says whether a metric is one of those that tables of means have.
func isMean(m compare.Metric) bool { return slices.Contains(means, m) }

var means = []compare.Metric{compare.Throughput, compare.TTFTMean, compare.TPOTMean}

// cellChange is the change of a cell with its interval.
func cellChange(c *compare.Cell) string {
	if c.Base == 0 || c.Other == 0 {
		return "–"
	}
	text := signed(c.Change)
	if c.Interval != nil {
		text += fmt.Sprintf(" (%s)", intervalOf(c))
	}
	return text
}

func intervalOf(c *compare.Cell) string {
	return fromTo(c.Interval.Lower, c.Interval.Upper)
}

// experiment says what the run's experiment has found.
func experiment(d *reading) []finding {
	c := d.result.Comparison
	switch {
	case c == nil:
		return nil
	case c.Err != "" || len(c.Arms) == 0:
		v := values{"reason": quote(c.Err)}
		if c.Err == "" {
			v["reason"] = ending{d.Outcome, d.Err}
		}
		return []finding{{"experiment.failed", v, "comparison error: " + c.Err}}
	case c.Best == nil && tooFew(c):
		return []finding{{"experiment.few", values{"rate": c.RequestRate}, "best: none; to_base: none"}}
	case c.Best == nil:
		return []finding{{"experiment.none", values{"rate": c.RequestRate}, "best: none"}}
	}
	best := c.Arms[slices.IndexFunc(c.Arms, func(a prober.Compared) bool { return a.Arm == *c.Best })]
	v := values{"rate": c.RequestRate, "best": best.Arm, "throughput": best.Throughput}
	says := "best: " + ArmName(best.Arm, armsOf(c))
	if best.ToBase == nil { // it is the base
		return []finding{{"experiment.best", v, says}}
	}
	v["base"], v["change"] = c.Arms[0].Arm, fmt.Sprintf("%s (%s)", signed(best.ToBase.Value-1), toBase(best))
	says += fmt.Sprintf("; to_base: %.4g, between %.4g and %.4g", best.ToBase.Value, best.ToBase.Lower, best.ToBase.Upper)
	return []finding{{"experiment.better", v, says}}
}

// toBase is the interval of the change from the base to an arm, which has one.
func toBase(a prober.Compared) string {
	return fromTo(a.ToBase.Lower-1, a.ToBase.Upper-1)
}

// tooFew says whether an arm has too few valid steps to be held against the base.
func tooFew(c *prober.Comparison) bool {
	return slices.ContainsFunc(c.Arms[1:], func(a prober.Compared) bool { return a.ToBase == nil })
}

func armsOf(c *prober.Comparison) (arms []prober.Arm) {
	for _, a := range c.Arms {
		arms = append(arms, a.Arm)
	}
	return arms
}
