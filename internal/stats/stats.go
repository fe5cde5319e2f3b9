// Package stats says what is real and what is chance. Its functions are pure and
// say which source they follow. What gonum has is gonum's. golang.org/x/perf/benchmath
// is not used: it compares medians of independent repeats, and knows neither pairs nor
// an interval for a difference.
package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
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
	half := student(n-1).Quantile((1+confidence)/2) * deviation / math.Sqrt(n)
	return Interval{mean, mean - half, mean + half}, true
}
