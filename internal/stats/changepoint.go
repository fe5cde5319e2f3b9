package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// fewest is how many values of a history there have to be to either side of a
// change: one or two may be a bad day.
const fewest = 3

// shuffles is how many random orders a change is held against.
const shuffles = 999

// ChangePoints finds where a history of values changed its level: the indices of
// the first values after each change, in rising order. A history without a change
// shows one with probability alpha or less, whatever its values' distribution, as
// long as each says nothing of the next. It looks for the split with the largest
// difference between the mean ranks of both sides, in its standard deviations
// (Lausen and Schumacher, Biometrics 48(1), 1992), so that an outlier counts no more
// than any largest value; holds it against the same in random orders (Matteson and
// James, Journal of the American Statistical Association 109, 2014, take that test
// of a split too); and goes on in both parts (binary segmentation: Scott and Knott,
// Biometrics 30(3), 1974). The random orders come from a fixed seed.
func ChangePoints(history []float64, alpha float64) []int {
	rng := rand.New(rand.NewPCG(uint64(len(history)), 0xc4a46e))
	found := changes(history, 0, alpha, rng)
	slices.Sort(found)
	return found
}

func changes(history []float64, offset int, alpha float64, rng *rand.Rand) []int {
	if len(history) < 2*fewest {
		return nil
	}
	ranks := ranksOf(history)
	at, most := split(ranks)
	if most == 0 {
		return nil
	}
	higher, shuffled := 1, slices.Clone(ranks)
	for range shuffles {
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if _, by := split(shuffled); by >= most {
			higher++
		}
		if float64(higher) > alpha*(shuffles+1) {
			return nil // whatever the rest says
		}
	}
	return slices.Concat([]int{offset + at},
		changes(history[:at], offset, alpha, rng), changes(history[at:], offset+at, alpha, rng))
}

// split is the best split of ranks and how large its difference is.
func split(ranks []float64) (at int, most float64) {
	n := float64(len(ranks))
	mean := (n + 1) / 2
	sum := 0.0
	for i, r := range ranks[:len(ranks)-fewest] {
		sum += r - mean
		left := float64(i + 1)
		if i+1 < fewest {
			continue
		}
		if by := math.Abs(sum) / math.Sqrt(left*(n-left)); by > most {
			at, most = i+1, by
		}
	}
	return at, most
}

// ranksOf are the ranks from 1 on; equal values share the mean of theirs.
func ranksOf(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case values[i] < values[j]:
			return -1
		case values[i] > values[j]:
			return 1
		default:
			return 0
		}
	})
	ranks := make([]float64, len(values))
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && values[order[to]] == values[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			ranks[i] = float64(from+to+1) / 2
		}
		from = to
	}
	return ranks
}
