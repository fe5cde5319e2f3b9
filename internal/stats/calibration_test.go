package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// tally counts how often intervals held the truth, and how often a change was claimed.
type tally struct{ asked, told, covered, claimed int }

func (y *tally) add(c Change, told bool, truth float64) {
	y.asked++
	if !told {
		return
	}
	y.told++
	if i := c.Ratio(0.95); i.Lower <= truth && truth <= i.Upper {
		y.covered++
	}
	if word, _ := c.Say(c.P() <= 0.05, false, 0.05); word == Better || word == Worse {
		y.claimed++
	}
}

func (y *tally) join(other tally) {
	y.asked, y.told = y.asked+other.asked, y.told+other.told
	y.covered, y.claimed = y.covered+other.covered, y.claimed+other.claimed
}

func (y *tally) coverage() float64 { return float64(y.covered) / float64(max(y.told, 1)) }

// claims is the share of claims of all that were asked for.
func (y *tally) claims() float64 { return float64(y.claimed) / float64(y.asked) }

func (y *tally) String() string {
	return fmt.Sprintf("%4.1f%% covered, %4.1f%% claimed, of %d of %d", 100*y.coverage(), 100*y.claims(), y.told, y.asked)
}

// trials is how many times a test of calibration draws its samples.
func trials(t *testing.T) int {
	if testing.Short() || raceEnabled {
		t.Skip("takes many draws; without -short and the race detector")
	}
	return 1000
}

// sources are pairs of truths of which the second is a few percent better: queues at
// half of what they bear and close to it, and autoregressions with a short and a long
// memory.
func sources() [][2]truth {
	return [][2]truth{
		{md1(0.5, 3), md1(0.47, 3)},
		{md1(0.8, 3), md1(0.78, 3)},
		{md1(0.9, 3), md1(0.88, 3)},
		{mg1(0.5, 3), mg1(0.47, 3)},
		{mg1(0.8, 10), mg1(0.78, 10)},
		{mm1(0.5), mm1(0.48)},
		{mm1(0.8), mm1(0.78)},
		{ar1(1.05, 0.5, 0.3), ar1(1, 0.5, 0.3)},
		{ar1(1.05, 0.9, 0.3), ar1(1, 0.9, 0.3)},
		{ar1(1.05, 0.97, 0.1), ar1(1, 0.97, 0.1)},
	}
}

// One step of each side: the mean.
func TestIntervalsWithinAStepCoverTheTruth(t *testing.T) {
	draws := trials(t)
	for _, n := range []int{300, 1000} {
		var all, allFair tally
		for _, pair := range sources() {
			rng := rand.New(rand.NewPCG(uint64(n), 7))
			var differ, fair tally
			for range draws {
				var means [3]Estimate
				for i, source := range []truth{pair[0], pair[1], pair[0]} {
					batches, _ := step(draw(source, rng, n))
					means[i], _ = batches.Mean()
				}
				differ.add(OfSteps(means[0], means[1]), true, pair[1].mean/pair[0].mean)
				fair.add(OfSteps(means[0], means[2]), true, 1)
			}
			t.Logf("%s of mean %.3g, %d samples: %v; without a difference %v", pair[0].name, pair[0].mean, n, &differ, &fair)
			if c := differ.coverage(); c < 0.93 || c > 0.985 {
				t.Errorf("%.1f%% of the intervals cover the truth, want 93 to 98.5", 100*c)
			}
			all.join(differ)
			allFair.join(fair)
		}
		t.Logf("all, %d samples: %v; without a difference %v", n, &all, &allFair)
		if c := all.coverage(); c < 0.93 || c > 0.97 {
			t.Errorf("%.1f%% of the intervals cover the truth, want 93 to 97", 100*c)
		}
		if c := allFair.claims(); c > 0.05 {
			t.Errorf("%.1f%% claims without a difference, want 5 at most", 100*c)
		}
	}
}

// One step of each side: quantiles. In queues with a long memory too little is known
// of a tail, and nothing is said.
func TestIntervalsOfQuantilesCoverTheTruth(t *testing.T) {
	draws := trials(t)
	const n = 1000
	var all, allFair tally
	for _, pair := range sources() {
		if pair[0].quantile == nil {
			continue
		}
		rng := rand.New(rand.NewPCG(n, 8))
		var differ, fair [4]tally
		for range draws {
			var estimates [3][4]Estimate
			var told [3][4]bool
			for i, source := range []truth{pair[0], pair[1], pair[0]} {
				batches, quantile := step(draw(source, rng, n))
				for l, level := range Levels() {
					estimates[i][l], told[i][l] = batches.Quantile(l, quantile(level))
				}
			}
			for l, level := range Levels() {
				add := func(y *tally, a, b int, truth float64) {
					if told[a][l] && told[b][l] {
						y.add(OfSteps(estimates[a][l], estimates[b][l]), true, truth)
					} else {
						y.add(Change{}, false, truth)
					}
				}
				add(&differ[l], 0, 1, pair[1].quantile(level)/pair[0].quantile(level))
				add(&fair[l], 0, 2, 1)
			}
		}
		for l, level := range Levels() {
			t.Logf("%s of mean %.3g, p%g: %v; without a difference %v", pair[0].name, pair[0].mean, 100*level, &differ[l], &fair[l])
			if c := fair[l].claims(); c > 0.05 {
				t.Errorf("%.1f%% claims without a difference, want 5 at most", 100*c)
			}
			all.join(differ[l])
			allFair.join(fair[l])
		}
	}
	t.Logf("all: %v; without a difference %v", &all, &allFair)
	if c := all.coverage(); c < 0.93 || c > 0.97 {
		t.Errorf("%.1f%% of the intervals cover the truth, want 93 to 97", 100*c)
	}
}

// Several repeats: beside each other with the same arrivals, each for itself, and one
// more of those before.
func TestIntervalsOfRepeatsCoverTheTruth(t *testing.T) {
	draws := trials(t)
	for _, repeats := range []int{3, 5, 10} {
		var pairs, free, former, fairPairs, fairFree tally
		for _, pair := range [][2]truth{{mg1(0.5, 3), mg1(0.47, 3)}, {mg1(0.8, 10), mg1(0.78, 10)}, {mm1(0.5), mm1(0.48)}, {ar1(1.05, 0.9, 0.3), ar1(1, 0.9, 0.3)}} {
			rng := rand.New(rand.NewPCG(uint64(repeats), 9))
			truth := pair[1].mean / pair[0].mean
			for range draws {
				var a, b, fair, other, otherFair []float64
				for range repeats {
					x, y := drawTwo(pair[0], pair[1], rng)
					z, w := drawTwo(pair[0], pair[0], rng)
					_, o := drawTwo(pair[0], pair[1], rng)
					a, b, fair = append(a, average(x)), append(b, average(y)), append(fair, average(z))
					other, otherFair = append(other, average(o)), append(otherFair, average(w))
				}
				add := func(y *tally, truth float64) func(Change, bool) {
					return func(c Change, told bool) { y.add(c, told, truth) }
				}
				add(&pairs, truth)(OfPairs(a, b))
				add(&free, truth)(OfRepeats(a, other))
				add(&former, truth)(OfRepeats(a, other[:1]))
				add(&fairPairs, 1)(OfPairs(fair, otherFair))
				add(&fairFree, 1)(OfRepeats(a, fair))
			}
		}
		t.Logf("%d repeats: pairs %v; repeats %v; one more %v; without a difference: pairs %v; repeats %v",
			repeats, &pairs, &free, &former, &fairPairs, &fairFree)
		for _, y := range []*tally{&pairs, &free, &former} {
			if c := y.coverage(); c < 0.93 || c > 0.97 {
				t.Errorf("%.1f%% of the intervals cover the truth, want 93 to 97", 100*c)
			}
		}
		for _, y := range []*tally{&fairPairs, &fairFree} {
			if c := y.claims(); c > 0.05 {
				t.Errorf("%.1f%% claims without a difference, want 5 at most", 100*c)
			}
		}
	}
}

// Of a table of many cells, which depend on each other as the figures of one step do,
// at most one in twenty has any word that is false.
func TestATableWithoutADifferenceClaimsNone(t *testing.T) {
	draws := trials(t)
	const rates, repeats = 4, 5
	source := mm1(0.7)
	rng := rand.New(rand.NewPCG(1, 10))
	uncorrected, corrected, cells := 0, 0, 0
	for range draws {
		var changes []Change
		for range rates {
			var sides [2][4][]float64 // the mean and three quantiles, by repeat
			for range repeats {
				x, y := drawTwo(source, source, rng)
				for side, values := range [][]float64{x, y} {
					_, quantile := step(values)
					for figure, value := range []float64{average(values), quantile(0.5), quantile(0.9), quantile(0.99)} {
						sides[side][figure] = append(sides[side][figure], value)
					}
				}
			}
			for figure := range 4 {
				change, _ := OfPairs(sides[0][figure], sides[1][figure])
				changes = append(changes, change)
			}
		}
		cells = len(changes)
		p := make([]float64, len(changes))
		claims := false
		for i, c := range changes {
			p[i] = c.P()
			claims = claims || p[i] <= 0.05
		}
		if claims {
			uncorrected++
		}
		shown := Holm(p, 0.05)
		for i, c := range changes {
			if word, _ := c.Say(shown[i], false, 0.05); word == Better || word == Worse {
				corrected++
				break
			}
		}
	}
	t.Logf("of %d tables of %d cells, %d have a false word, and would have %d without the correction", draws, cells, corrected, uncorrected)
	if corrected > draws/20 {
		t.Errorf("%d of %d tables have a false word", corrected, draws)
	}
	if uncorrected < draws/5 {
		t.Errorf("only %d of %d tables would have one without the correction: the test shows nothing", uncorrected, draws)
	}
}

// A first experiment says how many repeats a second one needs, and that one finds a
// difference of 5% as often as it is to.
func TestTheRepeatsThatAreAskedForFindTheDifference(t *testing.T) {
	draws := trials(t) / 2
	const first, effect, alpha, power = 4, 0.05, 0.05, 0.80
	worse := func(source truth) truth { // by the effect, whatever else it is
		slower := source
		slower.draw = func(a, s *rand.Rand, n int) []float64 {
			values := source.draw(a, s, n)
			for i := range values {
				values[i] *= 1 + effect
			}
			return values
		}
		return slower
	}
	for _, source := range []truth{mg1(0.5, 8), md1(0.8, 20), ar1(1, 0.9, 0.3)} {
		rng := rand.New(rand.NewPCG(1, 11))
		slow := worse(source)
		for _, paired := range []bool{true, false} {
			found, asked := 0, 0
			measure := func(repeats int) Change {
				var a, b []float64
				for range repeats {
					x, y := drawTwo(source, slow, rng)
					if !paired {
						y = draw(slow, rng, samples)
					}
					a, b = append(a, average(x)), append(b, average(y))
				}
				change, _ := OfRepeats(a, b)
				if paired {
					change, _ = OfPairs(a, b)
				}
				return change
			}
			for range draws {
				pilot := measure(first)
				repeats, ok := pilot.Needed(effect, alpha, power, paired)
				if !ok {
					continue
				}
				asked += repeats
				second := measure(repeats)
				if word, _ := second.Say(second.P() <= alpha, false, effect); word == Worse {
					found++
				}
			}
			share := float64(found) / float64(draws)
			t.Logf("%s, pairs %t: found %.1f%%, with %.1f repeats in the mean", source.name, paired, 100*share, float64(asked)/float64(draws))
			if share < power {
				t.Errorf("found %.1f%%, want %.0f or more", 100*share, 100*power)
			}
		}
	}
}

// One step of each side says how many are needed, too.
func TestTheRepeatsThatAStepAsksForFindTheDifference(t *testing.T) {
	draws := trials(t) / 2
	const n, effect, alpha, power = 300, 0.05, 0.05, 0.80
	source, slow := ar1(1, 0.9, 0.3), ar1(1+effect, 0.9, 0.3)
	rng := rand.New(rand.NewPCG(1, 12))
	found, asked := 0, 0
	for range draws {
		x, _ := step(draw(source, rng, n))
		y, _ := step(draw(slow, rng, n))
		mx, _ := x.Mean()
		my, _ := y.Mean()
		repeats, ok := OfSteps(mx, my).Needed(effect, alpha, power, false)
		if !ok {
			continue
		}
		asked += repeats
		var a, b []float64
		for range repeats {
			a, b = append(a, average(draw(source, rng, n))), append(b, average(draw(slow, rng, n)))
		}
		change, _ := OfRepeats(a, b)
		if change.P() <= alpha && change.Log > 0 {
			found++
		}
	}
	share := float64(found) / float64(draws)
	t.Logf("found %.1f%%, with %.1f repeats in the mean", 100*share, float64(asked)/float64(draws))
	if share < power {
		t.Errorf("found %.1f%%, want %.0f or more", 100*share, 100*power)
	}
}

// A history without a change shows one as seldom as it is to, however its values are
// spread, and one with a change where it is.
func TestChangePointsAreAsRareAsTheyAreToBe(t *testing.T) {
	draws := trials(t)
	for name, value := range map[string]func(*rand.Rand) float64{
		"normal": func(r *rand.Rand) float64 { return r.NormFloat64() },
		"with outliers": func(r *rand.Rand) float64 {
			if r.IntN(10) == 0 {
				return 100 * r.NormFloat64()
			}
			return r.NormFloat64()
		},
		"of few values": func(r *rand.Rand) float64 { return float64(r.IntN(3)) },
	} {
		rng := rand.New(rand.NewPCG(1, 13))
		for _, n := range []int{10, 40, 200} {
			alarms, found := 0, 0
			for range draws / 2 {
				history := make([]float64, n)
				for i := range history {
					history[i] = value(rng)
				}
				if len(ChangePoints(history, 0.05)) > 0 {
					alarms++
				}
				for i := n / 2; i < n; i++ {
					history[i] += 3
				}
				for _, at := range ChangePoints(history, 0.05) {
					if math.Abs(float64(at-n/2)) <= 2 {
						found++
						break
					}
				}
			}
			rate, power := 2*float64(alarms)/float64(draws), 2*float64(found)/float64(draws)
			t.Logf("%s, %d values: %.1f%% false alarms; a change of 3 found at its place in %.1f%%", name, n, 100*rate, 100*power)
			if limit := 0.05 + 3*math.Sqrt(0.05*0.95/float64(draws/2)); rate > limit {
				t.Errorf("%.1f%% false alarms, want 5", 100*rate)
			}
			if n >= 40 && power < 0.8 {
				t.Errorf("found %.1f%%, want 80", 100*power)
			}
		}
	}
}

// A warm-up that is not there is seldom seen, and one that is there is seen where it is.
func TestWarmUpsAreSeenWhereTheyAre(t *testing.T) {
	draws := trials(t) / 4
	for _, source := range []truth{mg1(0.5, 3), md1(0.8, 3), ar1(1, 0.9, 0.3)} {
		for _, repeats := range []int{6, 10} {
			rng := rand.New(rand.NewPCG(uint64(repeats), 14))
			alarms, seen, ends := 0, 0, 0
			for range draws {
				var steady, warming [][]float64
				for range repeats {
					values := draw(source, rng, 320)
					b, _ := step(values)
					steady = append(steady, b.Means())
					for i := range 40 { // four parts, in the mean 1.5 times as long
						values[i] *= 2 - float64(i)/40
					}
					b, _ = step(values)
					warming = append(warming, b.Means())
				}
				if _, change, ok := Warming(steady); ok && change.P() <= 0.05 {
					alarms++
				}
				if parts, change, ok := Warming(warming); ok && change.P() <= 0.05 && change.Log > 0 {
					seen++
					ends += parts
				}
			}
			t.Logf("%s of mean %.3g, %d repeats: %.1f%% false alarms; a warm-up of 4 parts seen in %.1f%%, to end after %.1f in the mean",
				source.name, source.mean, repeats, 100*float64(alarms)/float64(draws), 100*float64(seen)/float64(draws), float64(ends)/float64(max(seen, 1)))
			if limit := 0.05 + 3*math.Sqrt(0.05*0.95/float64(draws)); float64(alarms)/float64(draws) > limit {
				t.Errorf("%d false alarms of %d, want 5%%", alarms, draws)
			}
		}
	}
}

// Rates of two queues with the same arrivals and services of their own: both bear them
// all, or both are saturated and one completes 3% more.
func TestIntervalsOfRatesCoverTheTruth(t *testing.T) {
	draws := trials(t)
	completions := func(service float64, arrivals, services *rand.Rand) []int {
		const window = 300. // times between arrivals, after as many to settle
		counts := make([]int, Parts)
		at, free := 0., 0.
		for at < 2*window {
			at += arrivals.ExpFloat64()
			free = max(free, at) + service*services.ExpFloat64()
			if in := free/window - 1; in >= 0 && in < 1 {
				counts[PartOf(in)]++
			}
		}
		return counts
	}
	for name, test := range map[string]struct{ base, figure, truth float64 }{
		"within their capacity": {0.5, 0.55, 1}, "saturated": {1.30, 1.30 / 1.03, 1.03},
	} {
		rng := rand.New(rand.NewPCG(1, 15))
		var same, own tally
		for range draws {
			arrivals := rng.Uint64()
			rate := func(service float64) Estimate {
				e, _ := RateOf(completions(service, rand.New(rand.NewPCG(arrivals, 1)), rand.New(rand.NewPCG(rng.Uint64(), 2))), 300)
				return e
			}
			base, figure := rate(test.base), rate(test.figure)
			same.add(OfSameArrivals(base, figure).AtLeast(0.5/300), true, test.truth)
			own.add(OfSteps(base, figure), true, test.truth)
		}
		t.Logf("%s: with the same arrivals %v; as if they were not %v", name, &same, &own)
		if c := same.coverage(); c < 0.93 {
			t.Errorf("%s: %.1f%% of the intervals cover the truth, want 93 or more", name, 100*c)
		}
	}
}
