package stats

import (
	"math"
	"testing"
)

// By hand: the ratios' logarithms are 0.1, 0.2 and 0.3, so the mean is 0.2, the
// deviation 0.1, and Student's 97.5th percentile with 2 degrees of freedom 4.3027.
func TestOfPairs(t *testing.T) {
	base := []float64{10, 20, 30}
	figure := []float64{10 * math.Exp(0.1), 20 * math.Exp(0.2), 30 * math.Exp(0.3)}
	change, ok := OfPairs(base, figure)
	got := change.Ratio(0.95)
	half := 4.3027 * 0.1 / math.Sqrt(3)
	want := Interval{math.Exp(0.2), math.Exp(0.2 - half), math.Exp(0.2 + half)}
	for name, pair := range map[string][2]float64{
		"value": {got.Value, want.Value}, "lower": {got.Lower, want.Lower}, "upper": {got.Upper, want.Upper},
	} {
		if !ok || math.Abs(pair[0]/pair[1]-1) > 1e-4 {
			t.Errorf("%s is %g, want %g", name, pair[0], pair[1])
		}
	}
	if got.Excludes(1) || !got.Excludes(2) {
		t.Errorf("%v excludes 1: %t, 2: %t", got, got.Excludes(1), got.Excludes(2))
	}
}

// By hand: the deviation of 1, 2 and 3 is 1, and Student's 95th percentile with 2
// degrees of freedom 2.9200.
func TestMean(t *testing.T) {
	got, ok := Mean([]float64{1, 2, 3}, 0.9)
	half := 2.9200 / math.Sqrt(3)
	if !ok || got.Value != 2 || math.Abs(got.Lower-(2-half)) > 1e-4 || math.Abs(got.Upper-(2+half)) > 1e-4 {
		t.Errorf("%v, want 2 ± %g", got, half)
	}
	if got, ok := Mean([]float64{1}, 0.9); ok {
		t.Errorf("one sample: %v", got)
	}
}

func TestTooFewPairsSayNothing(t *testing.T) {
	for name, pairs := range map[string][2][]float64{
		"none": {nil, nil}, "one": {{1}, {2}}, "one of two is nothing": {{1, 0}, {2, 2}}, "of unequal length": {{1}, {2, 3}},
	} {
		if got, ok := OfPairs(pairs[0], pairs[1]); ok {
			t.Errorf("%s: %v", name, got)
		}
	}
}
