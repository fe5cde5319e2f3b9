package stats

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Word is what may be said of a change.
type Word string

// The words.
const (
	Better       Word = "better"
	Worse        Word = "worse"
	NoDifference Word = "no difference"
	Undetermined Word = "undetermined"
)

// Words lists all words.
func Words() []Word { return []Word{Better, Worse, NoDifference, Undetermined} }

// Negligible is the change that is none, as a share: an interval that lies within
// it says that nothing has changed, also where it excludes 0.
const Negligible = 0.01

// Say puts a change into a word. significant says that it is one beyond chance,
// which depends on what else was tested: see Holm. effect is the smallest change
// that matters, as a share above 0. Where nothing beyond it can be, which the 95%
// interval within it shows (the two one-sided tests of Schuirmann, Journal of
// Pharmacokinetics and Biopharmaceutics 15(6), 1987, each at 2.5%), the word is
// NoDifference, and beyond the largest change that may be all the same.
func (c Change) Say(significant, higherIsBetter bool, effect float64) (word Word, beyond float64) {
	ratio := c.Ratio(0.95)
	beyond = max(ratio.Upper-1, 1-ratio.Lower)
	switch {
	case beyond <= Negligible:
		return NoDifference, beyond
	case significant && (c.Log > 0) == higherIsBetter:
		return Better, 0
	case significant:
		return Worse, 0
	case beyond <= effect:
		return NoDifference, beyond
	default:
		return Undetermined, 0
	}
}

// Holm says which of several tests, by their probabilities under chance, show
// something, so that with probability 1−alpha or more none does falsely (Holm,
// Scandinavian Journal of Statistics 6(2), 1979). It holds however the tests depend
// on each other, as the metrics of one step do. It was chosen over the more powerful
// control of the share of false ones (Benjamini and Hochberg, Journal of the Royal
// Statistical Society B 57(1), 1995) because each word of a table is read and acted
// on by itself, and because a word that is missed costs no more than some repeats.
func Holm(p []float64, alpha float64) []bool {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	shown := make([]bool, len(p))
	for rank, i := range order {
		if p[i] > alpha/float64(len(p)-rank) {
			break
		}
		shown[i] = true
	}
	return shown
}

// MostRepeats is the largest number of repeats that Needed names.
const MostRepeats = 1000

// Needed is how many repeats of each side find a change by the share effect with
// the given power, in a test at alpha, paired or not. What is known of the spread
// comes from few repeats and may be too small, so the upper end of its one-sided 80%
// interval takes its place (Browne, Statistics in Medicine 14(17), 1995). It says
// false where even MostRepeats are too few.
func (c Change) Needed(effect, alpha, power float64, paired bool) (int, bool) {
	const sure = 0.8
	spread := c.Spread
	if c.Freedom > 0 {
		spread *= math.Sqrt(c.Freedom / distuv.ChiSquared{K: c.Freedom}.Quantile(1-sure))
	}
	wanted := c.findable(effect)
	if wanted <= 0 {
		return 0, false
	}
	for n := 2; n <= MostRepeats; n++ {
		freedom := float64(n - 1)
		if !paired {
			freedom *= 2
		}
		t := student(freedom)
		if (t.Quantile(1-alpha/2)+t.Quantile(power))*spread/math.Sqrt(float64(n)) <= wanted {
			return n, true
		}
	}
	return 0, false
}
