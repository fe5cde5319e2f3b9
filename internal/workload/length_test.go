package workload

import (
	"math"
	"math/rand/v2"
	"testing"

	"vllm_prober/internal/config"
)

// distribution is the probability of each length from least on.
type distribution struct {
	least int
	p     []float64
}

// central is the k-th moment about c.
func (d distribution) central(k float64, c float64) float64 {
	sum := 0.0
	for i, p := range d.p {
		sum += p * math.Pow(float64(d.least+i)-c, k)
	}
	return sum
}

func uniformDistribution(least, most int) distribution {
	d := distribution{least, make([]float64, most-least+1)}
	for i := range d.p {
		d.p[i] = 1 / float64(len(d.p))
	}
	return d
}

// truncatedLognormal integrates the density of the lognormal distribution over
// what rounds to each length, by Simpson's rule, and divides by the whole.
func truncatedLognormal(l config.LognormalTokens) distribution {
	density := func(x float64) float64 {
		z := (math.Log(x) - math.Log(l.Median)) / l.Sigma
		return math.Exp(-z*z/2) / (x * l.Sigma * math.Sqrt(2*math.Pi))
	}
	d := distribution{l.Min, make([]float64, l.Max-l.Min+1)}
	whole := 0.0
	for i := range d.p {
		const pieces = 200
		from, h := float64(l.Min+i)-0.5, 1.0/pieces
		for j := range pieces {
			x := from + float64(j)*h
			d.p[i] += h / 6 * (density(x) + 4*density(x+h/2) + density(x+h))
		}
		whole += d.p[i]
	}
	for i := range d.p {
		d.p[i] /= whole
	}
	return d
}

func TestLengthsFollowTheirDistribution(t *testing.T) {
	type drawn struct {
		length config.Length
		want   distribution
	}
	cases := map[string]drawn{
		"fixed":            {fixed(7), uniformDistribution(7, 7)},
		"uniform":          {uniform(10, 500), uniformDistribution(10, 500)},
		"uniform of one":   {uniform(3, 3), uniformDistribution(3, 3)},
		"uniform from one": {uniform(1, 2), uniformDistribution(1, 2)},
	}
	for name, l := range map[string]config.LognormalTokens{
		"lognormal":                {Median: 100, Sigma: 0.5, Min: 10, Max: 400},
		"lognormal, hardly cut":    {Median: 50, Sigma: 0.3, Min: 1, Max: 1000},
		"lognormal, cut at median": {Median: 100, Sigma: 1, Min: 100, Max: 300},
		"lognormal, cut above":     {Median: 100, Sigma: 1, Min: 1, Max: 100},
		"lognormal, short":         {Median: 1.5, Sigma: 1, Min: 1, Max: 4},
		"lognormal, wide":          {Median: 20, Sigma: 10, Min: 1, Max: 2000},
		"lognormal of one":         {Median: 1000, Sigma: 10, Min: 1000, Max: 1000},
	} {
		cases[name] = drawn{config.Length{Lognormal: &l}, truncatedLognormal(l)}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			checkDraws(t, c.length, c.want)
		})
	}
}

// checkDraws holds mean, variance and the shares of both ends against what the
// distribution says, within five standard errors.
func checkDraws(t *testing.T, length config.Length, want distribution) {
	t.Helper()
	const n = 200_000
	rng := rand.New(rand.NewPCG(1, 2))
	mean := want.central(1, 0)
	variance := want.central(2, mean)
	fourth := want.central(4, mean)
	counts := make([]float64, len(want.p))
	sum, squares := 0.0, 0.0
	for range n {
		i := draw(length, rng) - want.least
		if i < 0 || i >= len(counts) {
			t.Fatalf("%d is drawn, which lies outside", want.least+i)
		}
		counts[i]++
		x := float64(want.least + i)
		sum += x
		squares += (x - mean) * (x - mean)
	}
	near := func(what string, got, want, standardError float64) {
		t.Helper()
		if math.Abs(got-want) > 5*standardError+1e-9 {
			t.Errorf("%s is %g, want %g ± %g", what, got, want, standardError)
		}
	}
	near("the mean", sum/n, mean, math.Sqrt(variance/n))
	near("the variance", squares/n, variance, math.Sqrt((fourth-variance*variance)/n))
	for _, i := range []int{0, len(want.p) / 2, len(want.p) - 1} {
		p := want.p[i]
		near("the share of a length", counts[i]/n, p, math.Sqrt(p*(1-p)/n))
	}
}

// The closed forms that the numbers above must have.
func TestDistributionsAreThoseOfTheBooks(t *testing.T) {
	near := func(what string, got, want, tolerance float64) {
		t.Helper()
		if math.Abs(got-want) > tolerance*want {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	u := uniformDistribution(10, 500)
	near("the uniform mean", u.central(1, 0), (10+500)/2.0, 1e-12)
	near("the uniform variance", u.central(2, 255), (491*491-1)/12.0, 1e-12)
	// Hardly cut, and long enough that rounding adds but its 1/12.
	l := truncatedLognormal(config.LognormalTokens{Median: 200, Sigma: 0.25, Min: 1, Max: 2000})
	mean := 200 * math.Exp(0.25*0.25/2)
	near("the lognormal mean", l.central(1, 0), mean, 1e-6)
	near("the lognormal variance", l.central(2, mean), (math.Exp(0.25*0.25)-1)*mean*mean+1.0/12, 1e-6)
}
