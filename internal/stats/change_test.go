package stats

import (
	"math"
	"slices"
	"testing"
)

func exps(logs ...float64) []float64 {
	for i := range logs {
		logs[i] = math.Exp(logs[i])
	}
	return logs
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s is %g, want %g", what, got, want)
	}
}

// By hand: the logarithms have the means 0.1 and 0.4 and the variances 0.02 and 0.01.
// 0.02/2 + 0.01/3 is 0.013333, whose root is 0.11547, with
// 0.013333²/(0.01²/1 + 0.003333²/2) = 1.6842 degrees of freedom.
func TestOfRepeats(t *testing.T) {
	got, ok := OfRepeats(exps(0, 0.2), exps(0.3, 0.4, 0.5))
	if !ok || got.Method != Repeats {
		t.Fatalf("%+v, %t", got, ok)
	}
	near(t, "the change", got.Log, 0.3, 1e-9)
	near(t, "its error", got.Error, 0.11547, 1e-5)
	near(t, "its freedom", got.Freedom, 1.6842, 1e-4)
	near(t, "the spread of a repeat", got.Spread, math.Sqrt(0.03), 1e-9)
}

// By hand: the logarithms of the former ones have the deviation 0.1, so one more of
// them lies 0.1·√(1 + 1/3) from their mean.
func TestOneMoreIsHeldAgainstTheFormerOnes(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		base, figure, want := exps(0.1, 0.2, 0.3), exps(0.5), 0.3
		if swapped {
			base, figure, want = figure, base, -0.3
		}
		got, ok := OfRepeats(base, figure)
		if !ok || got.Method != Former || got.Freedom != 2 {
			t.Fatalf("%+v, %t", got, ok)
		}
		near(t, "the change", got.Log, want, 1e-9)
		near(t, "its error", got.Error, 0.11547, 1e-5)
	}
	for _, sides := range [][2][]float64{{nil, nil}, {{1}, {1}}, {{1, 2}, nil}, {{1, 2}, {0}}} {
		if got, ok := OfRepeats(sides[0], sides[1]); ok {
			t.Errorf("%v: %+v", sides, got)
		}
	}
}

// By hand: a t of 4.3027 with 2 degrees of freedom lies at the 97.5th percentile.
func TestP(t *testing.T) {
	near(t, "P", Change{Log: -0.43027, Error: 0.1, Freedom: 2}.P(), 0.05, 1e-5)
	near(t, "P of no change", Change{Freedom: 2}.P(), 1, 0)
	near(t, "P of a change without an error", Change{Log: 0.1, Freedom: 2}.P(), 0, 0)
	near(t, "P of that with a count's", Change{Log: 0.43027, Freedom: 2}.AtLeast(0.1).P(), 0.05, 1e-5)
}

func TestWords(t *testing.T) {
	const sure = 1e9 // degrees of freedom: the interval is 1.96 errors to either side
	for name, test := range map[string]struct {
		change       Change
		significant  bool
		higher       bool
		want         Word
		wantBeyondTo float64
	}{
		"slower":                           {Change{Log: 0.1, Error: 0.01, Freedom: sure}, true, false, Worse, 0},
		"faster":                           {Change{Log: -0.1, Error: 0.01, Freedom: sure}, true, false, Better, 0},
		"more":                             {Change{Log: 0.1, Error: 0.01, Freedom: sure}, true, true, Better, 0},
		"less":                             {Change{Log: -0.1, Error: 0.01, Freedom: sure}, true, true, Worse, 0},
		"by chance":                        {Change{Log: 0.1, Error: 0.01, Freedom: sure}, false, true, Undetermined, 0},
		"none, within 1.96 times 2%":       {Change{Error: 0.02, Freedom: sure}, false, true, NoDifference, math.Exp(0.0392) - 1},
		"one that may be beyond 5%":        {Change{Error: 0.03, Freedom: sure}, false, true, Undetermined, 0},
		"one that is known and negligible": {Change{Log: 0.005, Error: 0.001, Freedom: sure}, true, true, NoDifference, math.Exp(0.00696) - 1},
		"one that is known and small":      {Change{Log: 0.02, Error: 0.001, Freedom: sure}, true, true, Better, 0},
	} {
		word, beyond := test.change.Say(test.significant, test.higher, 0.05)
		if word != test.want || math.Abs(beyond-test.wantBeyondTo) > 1e-4 {
			t.Errorf("%s: %s ±%g, want %s ±%g", name, word, beyond, test.want, test.wantBeyondTo)
		}
	}
}

// By hand: 0.005 ≤ 0.05/4 and 0.01 ≤ 0.05/3, but 0.03 > 0.05/2, and 0.04 comes after it.
func TestHolm(t *testing.T) {
	if got := Holm([]float64{0.01, 0.04, 0.03, 0.005}, 0.05); !slices.Equal(got, []bool{true, false, false, true}) {
		t.Errorf("%v", got)
	}
	if got := Holm(nil, 0.05); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// By hand: with 34 degrees of freedom the percentiles are 2.0322 and 0.8523, and their
// sum of 0.1/√35 is 0.0488 = ln 1.05; with 33, 2.8872·0.1/√34 is 0.0495.
func TestNeeded(t *testing.T) {
	known := Change{Spread: 0.1, Freedom: 1e9}
	if got, ok := known.Needed(0.05, 0.05, 0.8, true); !ok || got != 35 {
		t.Errorf("%d, %t; want 35", got, ok)
	}
	if got, ok := known.Needed(0.0001, 0.05, 0.8, true); ok {
		t.Errorf("%d for what no number finds", got)
	}
	// χ² with 2 degrees of freedom has its 20th percentile at −2·ln 0.8 = 0.4463, so
	// that the spread may be √(2/0.4463) = 2.117 times as large.
	few := Change{Spread: 0.1 / 2.117, Freedom: 2}
	if got, _ := few.Needed(0.05, 0.05, 0.8, true); got != 35 {
		t.Errorf("%d of what is little known, want 35", got)
	}
}

// By hand: parts of two samples of 1 and parts of two of 3 take turns, so that the
// mean is 2, and each part is off by 2 of a sum of 128. Half of the samples are above
// 1, which is the interpolated quantile of the lower half.
func TestBatches(t *testing.T) {
	var samples []Sample
	for part := range Parts {
		value := float64(1 + part%2*2)
		samples = append(samples, Sample{(float64(part) + 0.2) / Parts, value}, Sample{(float64(part) + 0.8) / Parts, value})
	}
	b := BatchesOf(samples)
	mean, ok := b.Mean()
	if !ok || mean.Value != 2 {
		t.Fatalf("%+v, %t", mean, ok)
	}
	for part, err := range mean.Errors {
		near(t, "the error of a part", err, float64(part%2*2-1)*2/128, 1e-12)
		if b.Count[part] != 2 || b.Sum[part] != float64(2+part%2*4) || b.Above[0][part] != part%2*2 {
			t.Errorf("part %d: %d samples, sum %g, %d above the median", part, b.Count[part], b.Sum[part], b.Above[0][part])
		}
	}
	if !b.Whole() || len(b.Means()) != Parts || b.Means()[1] != 3 {
		t.Errorf("whole %t, means %v", b.Whole(), b.Means())
	}
	if e, ok := b.Quantile(3, 3); ok {
		t.Errorf("a p99 of 64 samples: %+v", e)
	}
	if e, ok := BatchesOf(samples[:20]).Mean(); ok {
		t.Errorf("a mean of 20 samples: %+v", e)
	}
	if (&Batches{Count: []int{1}}).Whole() {
		t.Error("one part is whole")
	}
}

// The slope of a quantile is that of its distribution: of a uniform one from 1 to 2,
// 1 over the quantile.
func TestTheSlopeOfAQuantile(t *testing.T) {
	sorted := make([]float64, 10_001)
	for i := range sorted {
		sorted[i] = 1 + float64(i)/10_000
	}
	for _, level := range Levels() {
		near(t, "the slope", slope(sorted, level), 1/(1+level), 0.005)
	}
}

// By hand: 96 requests within 24 s, 6 and 0 in turns.
func TestRateOf(t *testing.T) {
	counts := make([]int, Parts)
	for i := 0; i < Parts; i += 2 {
		counts[i] = 6
	}
	e, ok := RateOf(counts, 24)
	if !ok || e.Value != 4 || math.Abs(e.Errors[0]-1./32) > 1e-12 || math.Abs(e.Errors[1]+1./32) > 1e-12 {
		t.Errorf("%+v, %t", e, ok)
	}
	if e, ok := RateOf(make([]int, Parts), 24); ok {
		t.Errorf("of nothing: %+v", e)
	}
}

// Around a quantile where all samples are the same there is no density, and no error to
// reckon: it is not known, and not known for certain.
func TestAQuantileAmongEquals(t *testing.T) {
	samples := make([]Sample, 320)
	for i := range samples {
		samples[i] = Sample{At: (float64(i) + 0.5) / 320, Value: 1}
		if i%25 == 0 { // 13 of them, in every second or third part
			samples[i].Value = 2
		}
	}
	if e, ok := BatchesOf(samples).Quantile(1, 1); ok {
		t.Errorf("%+v", e)
	}
	for i := range samples { // 10% and more lie above, and none is like another
		samples[i].Value += 0.001 * float64(i%19)
	}
	b := BatchesOf(samples)
	if e, ok := b.Quantile(1, 1.017); !ok || e.Errors[0] == 0 {
		t.Errorf("%+v, %t", e, ok)
	}
}

// By hand: the percentiles of 2 degrees of freedom are ±4.3027, and 0.05 of the logarithm
// is left of 0.08 where the truth may be 0.03 less; the other way round it may be 0.01 more.
func TestNoFinerThan(t *testing.T) {
	coarse := Change{Log: 0.08, Error: 0.05 / 4.3027, Freedom: 2}.NoFinerThan(0.03, 0.01)
	near(t, "P", coarse.P(), 0.05, 1e-5)
	ratio := coarse.Ratio(0.95)
	near(t, "the lower end", ratio.Lower, 1, 1e-5)
	near(t, "the upper end", ratio.Upper, math.Exp(0.08+0.01+0.05), 1e-5)
	less := Change{Log: -0.06, Error: 0.05 / 4.3027, Freedom: 2}.NoFinerThan(0.03, 0.01)
	near(t, "P of less", less.P(), 0.05, 1e-5)
	near(t, "P of what the bounds explain", Change{Log: 0.02, Error: 1e-9, Freedom: 2}.NoFinerThan(0.03, 0).P(), 1, 0)
	near(t, "P of that without chance", Change{Log: 0.02, Freedom: 2}.NoFinerThan(0.02, 0).P(), 1, 0)
	near(t, "P of more without chance", Change{Log: 0.02, Freedom: 2}.NoFinerThan(0.019, 0).P(), 0, 0)

	// As in TestNeeded, where half of a change by 10.25% = 1.05² − 1 is not to be found.
	known := Change{Spread: 0.1, Freedom: 1e9}
	if got, ok := known.NoFinerThan(0.01, math.Log(1.05)).Needed(1.05*1.05-1, 0.05, 0.8, true); !ok || got != 35 {
		t.Errorf("%d, %t; want 35", got, ok)
	}
	for bound, want := range map[float64]bool{math.Log(1.04): false, math.Log(1.06): true} {
		if got := known.NoFinerThan(bound, 0).TooCoarse(0.05); got != want {
			t.Errorf("bounds of %g are too coarse: %t", bound, got)
		}
		if _, ok := known.NoFinerThan(0, bound).Needed(0.05, 0.05, 0.8, true); ok == want {
			t.Errorf("bounds of %g: %t", bound, ok)
		}
	}
}

// By hand, at an effect of 15%, whose logarithm is 0.1398, and bounds of 0.0976 to either side:
// of a change by 0.077 the truth may be −0.0206 to 0.1746, which neither excludes none nor the
// effect; by 0.03, it is 0.1276 at most, within it; and by 0.1, it is above none. How much
// chance there is now does not matter.
func TestTooCoarse(t *testing.T) {
	for log, want := range map[float64]bool{0.077: true, -0.077: true, 0.03: false, 0.1: false} {
		c := Change{Log: log, Error: 0.01, Spread: 0.02, Freedom: 6}.NoFinerThan(0.0976, 0.0976)
		if got := c.TooCoarse(0.15); got != want {
			t.Errorf("%g is too coarse: %t", log, got)
		}
	}
}
