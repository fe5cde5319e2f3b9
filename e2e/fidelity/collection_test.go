package main

import (
	"strings"
	"testing"

	"vllm_prober/internal/stats"
)

// A ratio is of pairs, by hand: 2 and 2 are twice as much, with nothing left to
// chance; what goes both ways is none.
func TestRatiosOfPairs(t *testing.T) {
	of := func(f figures) float64 { return f.meanError }
	errors := func(all ...float64) (list []figures) {
		for _, e := range all {
			list = append(list, figures{meanError: e})
		}
		return list
	}
	if got := ratioOf(errors(1, 3), errors(2, 6), of); got.Value < 1.999 || got.Value > 2.001 || beyondChance(got) != "MISSED: more, beyond chance" {
		t.Errorf("twice as much is %+v", got)
	}
	if got := ratioOf(errors(1, 1, 1), errors(1.1, 0.9, 1.05), of); beyondChance(got) != "kept: no more, beyond chance" {
		t.Errorf("to and fro is %+v", got)
	}
	if got := beyondChance(ratioOf(nil, nil, of)); got != "MISSED: not known" {
		t.Errorf("of nothing: %s", got)
	}
}

func TestCollectionIsJudged(t *testing.T) {
	one := stats.Interval{Value: 1, Lower: 0.9, Upper: 1.1}
	for core, want := range map[float64]string{0.0042: "| 0.42% of a core |    1% | kept ", 0.011: "| 1.10% of a core |    1% | MISSED "} {
		var b strings.Builder
		printCollection(&b, collection{core: core, meanError: one, p99Error: one, cpuPerToken: one})
		if text := strings.Join(strings.Fields(b.String()), " "); !strings.Contains(text, strings.Join(strings.Fields(want), " ")) ||
			strings.Count(text, "1.000 (0.900 to 1.100) | 1 | kept: no more, beyond chance") != 3 {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
