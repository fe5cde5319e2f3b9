package stats

import "math"

// waves is how many of the slowest waves the error of a step is read from, which
// are the most degrees of freedom that it has.
const waves = 12

// OfSteps compares one step of each side by what their parts tell. The steps count
// as independent also where both got the same arrivals: what these make alike is
// seldom spread normally, and to take it out made intervals too short by half.
func OfSteps(base, figure Estimate) Change {
	err, freedom := welch(variance(base.Errors), base.freedom, variance(figure.Errors), figure.freedom)
	return Change{Log: math.Log(figure.Value / base.Value), Error: err, Freedom: freedom, Spread: err, Method: Within}
}

// OfSameArrivals compares rates of one step of each side that got the same arrivals: what
// these do to the counts of a part is the same on both sides and falls out of their
// difference. It is for rates alone; see OfSteps.
func OfSameArrivals(base, figure Estimate) Change {
	errors := make([]float64, len(base.Errors))
	for i := range errors {
		errors[i] = figure.Errors[i] - base.Errors[i]
	}
	err := math.Sqrt(variance(errors))
	return Change{Log: math.Log(figure.Value / base.Value), Error: err, Freedom: waves, Spread: err, Method: Within}
}

// variance is that of the sum of errors that follow one another in time, of which
// neighbours are alike: requests share the queue. It is the larger of two, since
// either alone is too small in some queues, with the first's degrees of freedom:
//
//   - the power of the slowest waves, in which what is correlated adds up (the
//     equal-weighted cosine estimator: Lazarus, Lewis, Stock and Watson, Journal of
//     Business & Economic Statistics 36(4), 2018);
//   - that of a first-order autoregression (Andrews and Monahan, Econometrica
//     60(4), 1992), which is long where memory is longer than those waves. Its
//     correlation, which a short series shows too small, is made larger by
//     (1+4ρ)/n (Marriott and Pope, Biometrika 41(3/4), 1954).
func variance(errors []float64) float64 {
	return max(slowWaves(errors), autoregression(errors))
}

func slowWaves(errors []float64) float64 {
	power := 0.0
	for wave := 1; wave <= waves; wave++ {
		sum := 0.0
		for i, x := range errors {
			sum += x * math.Cos(math.Pi*float64(wave)*(float64(i)+0.5)/float64(len(errors)))
		}
		power += 2 * sum * sum
	}
	return power / waves
}

func autoregression(errors []float64) float64 {
	const most = 0.95 // correlated: more than that is a trend
	n := float64(len(errors))
	rho := correlation(errors)
	rho = min(rho+(1+4*rho)/n, most)
	return squares(errors) * n / (n - 1) * (1 + rho) / (1 - rho)
}

// correlation is that of each error with the next; they add up to 0.
func correlation(errors []float64) float64 {
	all, next := squares(errors), 0.0
	if all == 0 {
		return 0
	}
	for i := 1; i < len(errors); i++ {
		next += errors[i] * errors[i-1]
	}
	return next / all
}

func squares(errors []float64) (sum float64) {
	for _, x := range errors {
		sum += x * x
	}
	return sum
}

// Interval is the estimate with Student's interval for what the error of its
// logarithm is by the parts of the step. confidence lies between 0 and 1.
func (e Estimate) Interval(confidence float64) Interval {
	half := student(e.freedom).Quantile((1+confidence)/2) * math.Sqrt(variance(e.Errors))
	return Interval{e.Value, e.Value * math.Exp(-half), e.Value * math.Exp(half)}
}
