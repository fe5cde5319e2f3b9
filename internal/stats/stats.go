// Package stats says what is real and what is chance. Its functions are pure and
// say which source they follow.
package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is an estimate and the interval that covers the truth with the
// confidence that was asked for.
type Interval struct {
	Value float64 `json:"value"`
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
}

// Excludes says whether the interval lies to one side of x.
func (i Interval) Excludes(x float64) bool { return i.Lower > x || i.Upper < x }

// Mean is the mean of independent samples, with Student's interval (Gosset,
// Biometrika 6(1), 1908). confidence lies between 0 and 1. It says false with
// fewer than two samples.
func Mean(samples []float64, confidence float64) (Interval, bool) {
	if len(samples) < 2 {
		return Interval{}, false
	}
	n := float64(len(samples))
	mean, deviation := stat.MeanStdDev(samples, nil)
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile((1+confidence)/2) * deviation / math.Sqrt(n)
	return Interval{mean, mean - half, mean + half}, true
}

// PairedRatio is how many times of a figure's base it is, from pairs that were
// measured one after the other, so that what drifts meets both: the geometric mean
// of their ratios, by the Mean of the logarithms (the paired t test). Pairs that
// are not positive are left out; it says false with fewer than two left.
func PairedRatio(base, figure []float64, confidence float64) (Interval, bool) {
	var logs []float64
	for i := range min(len(base), len(figure)) {
		if base[i] > 0 && figure[i] > 0 {
			logs = append(logs, math.Log(figure[i]/base[i]))
		}
	}
	mean, ok := Mean(logs, confidence)
	if !ok {
		return Interval{}, false
	}
	return Interval{math.Exp(mean.Value), math.Exp(mean.Lower), math.Exp(mean.Upper)}, true
}
