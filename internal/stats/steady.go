package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// truncation is how many of the first values MSER (White, Simulation 69(6), 1997)
// leaves out: at most half of them, as the error of the few that are left at the end
// is small by chance.
func truncation(values []float64) int {
	best, least := 0, math.Inf(1)
	// From the end on, so that each sum extends the one before.
	sum, squared := 0.0, 0.0
	center := 0.0
	if len(values) > 0 {
		center = values[len(values)-1] // keeps the sums of squares exact
	}
	for i, value := range slices.Backward(values) {
		x := value - center
		sum += x
		squared += x * x
		left := float64(len(values) - i)
		if i > len(values)/2 || left < 2 {
			continue
		}
		if err := max(squared-sum*sum/left, 0) / (left * left); err <= least {
			best, least = i, err
		}
	}
	return best
}

// trend is the probability that values, in the order of time, rise or fall as
// steadily as these or more where time does nothing to them: Kendall's exact test of
// their order against time (Mann, Econometrica 13(3), 1945). Correlated values have
// to be averaged over longer times first. It is 1 for fewer than four. rises says
// which way they go.
func trend(values []float64) (p float64, rises bool) {
	n := len(values)
	if n < 4 {
		return 1, false
	}
	rising, falling := 0, 0
	for i := range values {
		for j := range i {
			switch {
			case values[i] > values[j]:
				rising++
			case values[i] < values[j]:
				falling++
			}
		}
	}
	// The number of orders with so many falling pairs is a Mahonian number; ties are
	// half of each.
	pairs := n * (n - 1) / 2
	few := min(rising, falling) + (pairs-rising-falling)/2
	ways := []float64{1}
	for i := 2; i <= n; i++ {
		next := make([]float64, len(ways)+i-1)
		for k, x := range ways {
			for j := range i {
				next[k+j] += x / float64(i)
			}
		}
		ways = next
	}
	for k := 0; k <= few && k < len(ways); k++ {
		p += 2 * ways[k]
	}
	return min(p, 1), rising > falling
}

// trendParts is how many parts the window has for the test of its steadiness: few
// enough for what a queue remembers to be short beside one of them.
const trendParts = 8

// Steady says whether a window's batches show no trend, with a false alarm in a
// hundred, and which way it goes if they do.
func (b *Batches) Steady() (steady, rises bool) {
	const alarm = 0.01
	var means []float64
	for part := range trendParts {
		n, sum := 0.0, 0.0
		for i := part * Parts / trendParts; i < (part+1)*Parts/trendParts; i++ {
			n += float64(b.Count[i])
			sum += b.Sum[i]
		}
		if n > 0 {
			means = append(means, sum/n)
		}
	}
	p, rises := trend(means)
	return p > alarm, rises
}

// Warming looks for a warm-up within the windows of repeats of one step, each given by
// the means of its parts in the order of time. One window alone cannot tell it from a
// queue that is long by chance. So the mean of every other window says where it may end
// (Welch's procedure: The Statistical Analysis of Simulation Results, in The Computer
// Performance Modeling Handbook, 1983; the end by MSER), and the remaining ones, which
// know nothing of that, whether the parts before differ from those after: the change is
// by how many times they do. It says false where there are fewer than two such windows,
// or no place where it may end.
func Warming(windows [][]float64) (parts int, change Change, ok bool) {
	var sum []float64
	var before, after []float64
	for i, w := range windows {
		if len(w) != Parts {
			return 0, Change{}, false
		}
		if i%2 == 0 {
			sum = added(sum, w)
		}
	}
	parts = truncation(sum)
	if parts == 0 || parts >= len(sum)/2 {
		return 0, Change{}, false
	}
	for i, w := range windows {
		if i%2 == 1 {
			before, after = append(before, stat.Mean(w[:parts], nil)), append(after, stat.Mean(w[parts:], nil))
		}
	}
	change, ok = OfPairs(after, before)
	return parts, change, ok
}

// added adds the parts up, each as a share of its window's mean.
func added(sum, window []float64) []float64 {
	if sum == nil {
		sum = make([]float64, len(window))
	}
	whole := stat.Mean(window, nil)
	for i, x := range window {
		if whole > 0 {
			sum[i] += x / whole
		}
	}
	return sum
}
