package report

import (
	"fmt"
	"math"
	"slices"

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

// difference is that of one contrast.
func difference(p contrast) []finding {
	count := map[stats.Word]int{}
	beyond, repeats := 0.0, 0
	open, decided := 0, 0 // means that are undetermined, and those of them that repeats decide
	var most *compare.Cell
	for i := range p.table.Cells {
		c := &p.table.Cells[i]
		count[c.Word]++
		beyond = max(beyond, c.Beyond)
		if isMean(c.Metric) && c.Word == stats.Undetermined {
			open++
			if c.NeededRepeats > 0 {
				decided++
			}
			repeats = max(repeats, c.NeededRepeats)
		}
		if isChange := c.Word == stats.Better || c.Word == stats.Worse; isChange && (most == nil || math.Abs(c.Change) > math.Abs(most.Change)) {
			most = c
		}
	}
	n := len(p.table.Cells)
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
		v["reason"] = reasons(p.table.Cells)
		found = append(found, finding{"difference.undetermined", v, says})
	default:
		v["beyond"], v["same"], v["undetermined"] = margin(beyond), count[stats.NoDifference], count[stats.Undetermined]
		found = append(found, finding{"difference.some", v, says})
	}
	if repeats > 0 {
		rule := "difference.repeats"
		if decided < open {
			rule = "difference.repeats_part"
		}
		v := values{"base": p.base, "other": p.other, "repeats": repeats, "decided": decided, "means": open}
		found = append(found, finding{rule, v, fmt.Sprintf("needed_repeats: %d", repeats)})
	}
	return found
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
		text += fmt.Sprintf(" (%s, %s)", signed(c.Interval.Lower), signed(c.Interval.Upper))
	}
	return text
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
	v := values{"rate": c.RequestRate, "best": *c.Best}
	for _, a := range c.Arms {
		if a.Arm == *c.Best {
			v["throughput"] = a.Throughput
		}
	}
	return []finding{{"experiment.best", v, "best: " + ArmName(*c.Best, armsOf(c))}}
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
