package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Method is where the error of a Change comes from.
type Method string

// The methods, the most trustworthy first.
const (
	// Pairs: from the repeats of both sides, each beside the other.
	Pairs Method = "pairs"
	// Repeats: from the repeats of each side.
	Repeats Method = "repeats"
	// Former: from the repeats of one side, for the single one of the other.
	Former Method = "former"
	// Within: from the parts of one step of each side. It tells what chance does to
	// requests, and nothing of what makes one step unlike the next.
	Within Method = "within"
)

// Change is how a figure above 0 differs between two sides: the logarithm of how
// many times the base's it is. Latencies and rates are spread by factors rather
// than by summands, so that their logarithms are nearer to a normal distribution.
type Change struct {
	// Log is the natural logarithm of the ratio, Error its standard error, with so
	// many degrees of freedom.
	Log     float64
	Error   float64
	Freedom float64
	// Spread is the standard deviation that Log has with one repeat of each side.
	Spread float64
	// Less and More are by how much less or more than Log the truth may be beside
	// chance, however many repeats there are; 0 where they find it. See NoFinerThan.
	Less, More float64
	Method     Method
}

// Ratio is how many times the base's the figure is, with Student's interval
// (Gosset, Biometrika 6(1), 1908), to either side of all that the truth may be.
// confidence lies between 0 and 1.
func (c Change) Ratio(confidence float64) Interval {
	half := student(c.Freedom).Quantile((1+confidence)/2) * c.Error
	return Interval{math.Exp(c.Log), math.Exp(c.Log - c.Less - half), math.Exp(c.Log + c.More + half)}
}

// P is the probability, at most, of a change as large as this one, or larger, to either
// side where there is none.
func (c Change) P() float64 {
	beyond := max(c.Log-c.Less, -c.Log-c.More) // what the measurement's grain does not explain
	switch {
	case beyond <= 0:
		return 1
	case c.Error == 0:
		return 0
	default:
		return 2 * student(c.Freedom).CDF(-beyond/c.Error)
	}
}

// AtLeast is the change with an error of no less than that: a figure that is a
// count of n is not known any better than to a share of about 1/n, however alike
// the repeats are.
func (c Change) AtLeast(err float64) Change {
	c.Error, c.Spread = max(c.Error, err), max(c.Spread, err)
	return c
}

// NoFinerThan is the change of figures that are known to lie between others, and where
// between them by no number of repeats: less and more, at least 0, are by how much the
// truth may be less or more. The interval is that of a truth which is identified in part
// alone (Imbens and Manski, Econometrica 72(6), 2004), with the two-sided percentiles, so
// that it is rather too wide: it holds the truth as often as it says wherever between the
// bounds that lies.
func (c Change) NoFinerThan(less, more float64) Change {
	c.Less, c.More = less, more
	return c
}

// TooCoarse says whether no number of repeats tells the share effect from no change, if the
// change is what it seems: they would leave it undetermined even if they took all chance
// out of it, or they cannot find a change by the effect.
func (c Change) TooCoarse(effect float64) bool {
	certain := c
	certain.Error = 0
	word, _ := certain.Say(certain.P() == 0, true, effect)
	return word == Undetermined || c.findable(effect) <= 0
}

// findable is how much of the logarithm of a change by the share effect is left to find,
// for the truth may be so much nearer to none.
func (c Change) findable(effect float64) float64 { return math.Log1p(effect) - max(c.Less, c.More) }

func student(freedom float64) distuv.StudentsT {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}
}

// OfPairs compares repeats that were measured one after the other, so that what
// drifts meets both sides: the paired t test of the logarithms. Pairs that are not
// positive are left out; it says false with fewer than two left.
func OfPairs(base, figure []float64) (Change, bool) {
	var logs []float64
	for i := range min(len(base), len(figure)) {
		if base[i] > 0 && figure[i] > 0 {
			logs = append(logs, math.Log(figure[i]/base[i]))
		}
	}
	if len(logs) < 2 {
		return Change{}, false
	}
	n := float64(len(logs))
	mean, spread := stat.MeanStdDev(logs, nil)
	return Change{Log: mean, Error: spread / math.Sqrt(n), Freedom: n - 1, Spread: spread, Method: Pairs}, true
}

// OfRepeats compares independent repeats by the t test of their logarithms that
// does not take both sides' spreads for equal (Welch, Biometrika 34(1/2), 1947).
// Where one side has a single repeat, it asks whether that is one more of the
// other's: the error is that of a prediction from these (Hahn, Journal of Quality
// Technology 2(3), 1970), which is what compares a run with those before it.
// Repeats that are not positive are left out; it says false unless one side has
// two and the other one.
func OfRepeats(base, figure []float64) (Change, bool) {
	a, b := logsOf(base), logsOf(figure)
	na, nb := float64(len(a)), float64(len(b))
	if min(na, nb) < 1 || max(na, nb) < 2 {
		return Change{}, false
	}
	change := Change{Log: stat.Mean(b, nil) - stat.Mean(a, nil), Method: Repeats}
	if min(na, nb) == 1 {
		several := a
		if nb > na {
			several = b
		}
		spread := stat.StdDev(several, nil)
		change.Method, change.Freedom = Former, max(na, nb)-1
		change.Error, change.Spread = spread*math.Sqrt(1/na+1/nb), spread*math.Sqrt2
		return change, true
	}
	va, vb := stat.Variance(a, nil), stat.Variance(b, nil)
	change.Spread = math.Sqrt(va + vb)
	change.Error, change.Freedom = welch(va/na, na-1, vb/nb, nb-1)
	return change, true
}

// welch adds two squared errors up and gives the degrees of freedom that the sum
// has about (Satterthwaite, Biometrics Bulletin 2(6), 1946).
func welch(a, freedomA, b, freedomB float64) (err, freedom float64) {
	if a+b == 0 {
		return 0, freedomA + freedomB
	}
	return math.Sqrt(a + b), (a + b) * (a + b) / (a*a/freedomA + b*b/freedomB)
}

func logsOf(figures []float64) []float64 {
	var logs []float64
	for _, x := range figures {
		if x > 0 {
			logs = append(logs, math.Log(x))
		}
	}
	return logs
}
