package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Parts is how many parts of equal length a window is cut into, whose sums are
// kept in place of its requests.
const Parts = 32

// Levels are the quantiles of which Batches know how sure they are.
func Levels() [4]float64 { return [4]float64{0.50, 0.90, 0.95, 0.99} }

// Batches sum up the samples of one figure in a window by its parts: as much as is
// needed to tell what chance, which meets requests that are near each other alike,
// has done to their mean and to their quantiles.
type Batches struct {
	// Count is how many samples each part has, Sum what they add up to.
	Count []int     `json:"count"`
	Sum   []float64 `json:"sum"`
	// Above is, for each of Levels, how many samples of each part are above that
	// quantile of all; Slope is by how much the quantile's logarithm grows for each
	// unit of the level.
	Above [4][]int   `json:"above"`
	Slope [4]float64 `json:"slope"`
}

// Sample is one sample of a figure. At says when, as a share of the window.
type Sample struct{ At, Value float64 }

// BatchesOf sums up samples, of which none is below 0.
func BatchesOf(samples []Sample) *Batches {
	b := &Batches{Count: make([]int, Parts), Sum: make([]float64, Parts)}
	sorted := make([]float64, len(samples))
	for i, s := range samples {
		part := PartOf(s.At)
		b.Count[part]++
		b.Sum[part] += s.Value
		sorted[i] = s.Value
	}
	slices.Sort(sorted)
	for i := range b.Sum {
		b.Sum[i] = math.Round(b.Sum[i]*1e6) / 1e6 // of seconds, which keeps records short
	}
	for l, level := range Levels() {
		b.Above[l] = make([]int, Parts)
		quantile := Quantile(sorted, level)
		for _, s := range samples {
			if s.Value > quantile {
				b.Above[l][PartOf(s.At)]++
			}
		}
		b.Slope[l] = slope(sorted, level)
	}
	return b
}

// PartOf is the part that a time lies in, which is a share of the window.
func PartOf(at float64) int { return min(max(int(at*Parts), 0), Parts-1) }

// Quantile interpolates linearly between the order statistics of sorted, which
// is definition 7 of Hyndman and Fan, "Sample quantiles in statistical
// packages", The American Statistician 50(4), 1996.
func Quantile(sorted []float64, level float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := level * float64(len(sorted)-1)
	below := int(math.Floor(at))
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// tail is how many samples have to lie above a quantile for it to be known.
const tail = 10

// fewestTurns is how often parts with many samples above a quantile have to follow
// parts with few, or the other way round: there are then four stretches of either, and
// as many degrees of freedom. With fewer, intervals were seen to miss the truth far too
// often.
const fewestTurns = 8

// slope is the derivative of a quantile's logarithm, from the quantiles to either
// side at the distance of Hall and Sheather (Journal of the Royal Statistical
// Society B 50(3), 1988), but no farther than half of what lies above.
func slope(sorted []float64, level float64) float64 {
	n := float64(len(sorted))
	if n*(1-level) < 1 {
		return 0
	}
	z := distuv.UnitNormal.Quantile(level)
	density := distuv.UnitNormal.Prob(z)
	width := math.Pow(n, -1./3) * math.Pow(distuv.UnitNormal.Quantile(0.975), 2./3) *
		math.Cbrt(1.5*density*density/(2*z*z+1))
	width = min(width, (1-level)/2)
	lower, upper := Quantile(sorted, level-width), Quantile(sorted, level+width)
	if lower <= 0 {
		return 0
	}
	return math.Log(upper/lower) / (2 * width)
}

// Estimate is a figure above 0 with what each part of the window adds to the error
// of its logarithm, to the first order: the figure's influence function, summed
// over the part (Hampel, Journal of the American Statistical Association 69, 1974).
type Estimate struct {
	Value  float64
	Errors []float64
	// freedom is the degrees of freedom of the error.
	freedom float64
}

// Mean is the mean of all samples, a ratio of sums (Cochran, Sampling Techniques,
// 1977, section 6.3). It says false where there are too few.
func (b *Batches) Mean() (Estimate, bool) {
	n, sum := b.totals()
	if n < Parts || sum <= 0 {
		return Estimate{}, false
	}
	e := Estimate{Value: sum / n, Errors: make([]float64, len(b.Count)), freedom: waves}
	for i := range e.Errors {
		e.Errors[i] = (b.Sum[i] - e.Value*float64(b.Count[i])) / sum
	}
	return e, true
}

// Quantile is the one of that index of Levels, whose value is given: its error is
// that of the share of samples above it, over the density there (Bahadur, Annals of
// Mathematical Statistics 37(3), 1966; of dependent samples Sen, Journal of
// Multivariate Analysis 2(1), 1972). It says false where too few samples lie above
// it, where so many are the same that there is no density to reckon with, or where they came in too few stretches of time for these to tell how often
// such a stretch comes.
func (b *Batches) Quantile(level int, value float64) (Estimate, bool) {
	n, _ := b.totals()
	if math.Round(n*(1-Levels()[level])) < tail || value <= 0 || b.Slope[level] <= 0 {
		return Estimate{}, false
	}
	above := 0.0
	for _, x := range b.Above[level] {
		above += float64(x)
	}
	e := Estimate{Value: value, Errors: make([]float64, len(b.Count))}
	turns, was := 0, false
	for i := range e.Errors {
		share := (float64(b.Above[level][i]) - above/n*float64(b.Count[i])) / n
		e.Errors[i] = b.Slope[level] * share
		if i > 0 && (share > 0) != was {
			turns++
		}
		was = share > 0
	}
	e.freedom = min(waves, float64(turns)/2)
	return e, turns >= fewestTurns
}

// Means are the means of the parts that have samples, in their order.
func (b *Batches) Means() []float64 {
	var means []float64
	for i, n := range b.Count {
		if n > 0 {
			means = append(means, b.Sum[i]/float64(n))
		}
	}
	return means
}

// Whole says whether the batches are such as BatchesOf makes: those of a file may be
// anything.
func (b *Batches) Whole() bool {
	whole := len(b.Count) == Parts && len(b.Sum) == Parts
	for _, above := range b.Above {
		whole = whole && len(above) == Parts
	}
	return whole
}

func (b *Batches) totals() (n, sum float64) {
	for i := range b.Count {
		n += float64(b.Count[i])
		sum += b.Sum[i]
	}
	return n, sum
}

// RateOf is what happened per second of a window, from the counts of its parts. It
// says false where there are too few.
func RateOf(counts []int, seconds float64) (Estimate, bool) {
	total := 0.0
	for _, x := range counts {
		total += float64(x)
	}
	if total < Parts || seconds <= 0 {
		return Estimate{}, false
	}
	e := Estimate{Value: total / seconds, Errors: make([]float64, len(counts)), freedom: waves}
	for i, x := range counts {
		e.Errors[i] = float64(x)/total - 1/float64(len(counts))
	}
	return e, true
}
