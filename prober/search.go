package prober

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"vllm_prober/internal/config"
)

// Estimate is a request rate that a search has found, in requests per second.
type Estimate struct {
	Value float64 `json:"value"`
	// Lower and Upper are rates that were tried: the arm bore the one and did not
	// bear the other, as far as that can be said of rates so near the value. Lower
	// is 0 where it bore none, and of the last run where its capacity was seen again.
	// The value is never outside of them.
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
}

// Answer is what a search has found of an arm.
type Answer struct {
	Arm Arm `json:"arm"`
	// Capacity is the most that the arm was seen to complete, and SLORate the
	// highest rate at which it keeps the SLO. Each is nil where it was not found or
	// there is no SLO.
	Capacity *Estimate `json:"capacity,omitempty"`
	SLORate  *Estimate `json:"slo_rate,omitempty"`
	// Confirmed says that the search asks no more for the capacity, whatever became of the
	// rest of it: the arm bears nearly as much, and little more saturates it, as far as its
	// rates tell that.
	Confirmed bool `json:"capacity_confirmed,omitempty"`
	// Steps is how many steps the search has added to the ladder's.
	Steps int `json:"search_steps"`
	// Err says why the search was given up.
	Err string `json:"error,omitempty"`
}

const (
	// climb is from one rate to the next while none saturates the arm.
	climb = 1.33
	// apart is how far apart two rates may stay that a value lies between: from
	// the middle it is then 5% to either.
	apart = 1.1
	// knownApart is how far apart they may stay to either side of a known value:
	// rounding to two digits can move them so far.
	knownApart = 1.15
	// under is the share of a capacity at which the arm is asked to bear it, and
	// sustained what it has to be seen to bear.
	under, sustained = 0.96, 0.92
	// leastOverload is the least share by which an arm is overloaded to tell what it
	// completes.
	leastOverload = 0.06
)

// search chooses the request rates of one arm that follow those of the ladder:
// upwards until the arm is saturated, then into the gap between what it bears and
// what it does not, and then the same for the SLO. It begins near the last run's
// answer where there is one. All rates have two significant digits, so that one
// search after another asks the same few.
type search struct {
	config.Search

	arm    Arm
	slo    bool    // is there one to search for?
	attain float64 // the share of requests that have to keep it
	lowest float64 // rate worth a step
	before Answer  // the last run's

	rungs   []rung // by rate
	steps   int    // that the search has chosen
	invalid int    // steps in a row
	err     string // why it was given up
}

// rung is what the valid steps at one rate have shown.
type rung struct {
	rate      float64
	saturated Saturation // Undetermined where they differ
	steps     float64
	// Sums over the steps: of the settled throughput, of the requests that arrived
	// per second, which chance makes more or less than the rate, and of the share
	// that kept the SLO.
	settled, arrived, attained float64
}

// completes is the settled throughput.
func (g *rung) completes() float64 {
	if g == nil {
		return 0
	}
	return g.settled / g.steps
}

// add takes the result of a step, be it of the ladder or of the search.
func (s *search) add(r *StepResult) {
	if !r.Valid() {
		if s.invalid++; s.invalid > 1 {
			s.err = "two steps in a row were invalid"
		}
		return
	}
	s.invalid = 0
	at, known := slices.BinarySearchFunc(s.rungs, r.RequestRate, func(g rung, rate float64) int { return cmp.Compare(g.rate, rate) })
	if !known {
		s.rungs = slices.Insert(s.rungs, at, rung{rate: r.RequestRate, saturated: r.Saturated})
	}
	g := &s.rungs[at]
	if g.saturated != r.Saturated {
		g.saturated = Undetermined
	}
	g.steps++
	g.settled += r.SettledThroughput
	g.arrived += float64(r.Offered) / r.Window.Seconds()
	g.attained += r.Attainment
}

// next is the next rate to try. It says false when there is none.
func (s *search) next() (rate float64, more bool) {
	if s.err == "" && len(s.rungs) == 0 {
		s.err = "no step of the ladder was valid"
	}
	if s.err != "" {
		return 0, false
	}
	rate = s.forCapacity()
	if rate == 0 && s.slo && s.err == "" {
		rate = s.forSLO()
	}
	switch {
	case rate == 0:
		return 0, false
	case s.steps >= s.MaxSteps:
		s.err = fmt.Sprintf("it made %d steps, as many as search.max_steps allows", s.MaxSteps)
		return 0, false
	}
	s.steps++
	return rate, true
}

// forCapacity is the next rate that the capacity needs, 0 for none.
func (s *search) forCapacity() float64 {
	lower, upper := s.between(s.bears, s.isSaturated)
	if upper == nil {
		return s.upwards()
	}
	capacity := max(lower.completes(), upper.completes())
	if lower == nil {
		return s.downwards(under * capacity)
	}
	if s.repeats(upper) {
		return 0
	}
	fromBelow, fromAbove := lower.rate >= sustained*capacity, upper.rate <= (1+2*s.overload(capacity))*capacity
	if fromBelow && fromAbove {
		return 0
	}
	if rate := s.into(lower.rate, upper.rate, under*capacity); !fromBelow && rate > 0 {
		return rate
	}
	if rate := s.into(lower.rate, upper.rate, (1+s.overload(capacity))*capacity); !fromAbove && rate > 0 {
		return rate
	}
	return s.halve(lower.rate, upper.rate)
}

// repeats says whether a saturated rung shows the last run's capacity again: the
// rate that the arm bore then needs no step now.
func (s *search) repeats(saturated *rung) bool {
	known := s.before.Capacity
	if known == nil || known.Lower == 0 {
		return false
	}
	completes := saturated.completes()
	return saturated.rate <= (1+2*s.overload(completes))*completes && math.Abs(completes/known.Value-1) <= tolerated
}

// overload is the least share by which an arm of that capacity has to be
// overloaded for a step to tell. Some servers do less the more they are asked, so
// it should be no larger. A judgement's own limit is passed with room for chance.
func (s *search) overload(capacity float64) float64 {
	const room = 1.3
	settled := s.MaxWindow.Seconds() / 2
	return max(leastOverload, room*beyondChance/math.Sqrt(capacity*settled))
}

// upwards is the next rate while none has saturated the arm.
func (s *search) upwards() float64 {
	top := s.rungs[len(s.rungs)-1].rate
	next := top * climb
	if c := s.before.Capacity; c != nil {
		const more = 1.02 // for rounding must not take the overload away
		for _, times := range []float64{1, 1.5, 2} {
			if near := twoDigits(more * (1 + times*s.overload(c.Value)) * c.Value); near > top {
				next = near
				break
			}
		}
	}
	switch next = twoDigits(next); {
	case next <= s.MaxRate:
		return next
	case top < s.MaxRate:
		return s.MaxRate
	}
	s.err = "no rate up to search.max_rate, " + strconv.FormatFloat(s.MaxRate, 'g', -1, 64) + ", saturates the arm"
	return 0
}

// downwards is the next rate while all were too high, near the expected one if
// that is below them.
func (s *search) downwards(expected float64) float64 {
	bottom := s.rungs[0].rate
	next := twoDigits(expected)
	if next >= bottom {
		next = twoDigits(bottom / climb)
	}
	if next < s.lowest {
		s.err = "even the lowest rates are too high; the next would bring too few requests into a window"
		return 0
	}
	return next
}

// forSLO is the next rate that the SLO needs, 0 for none.
func (s *search) forSLO() float64 {
	lower, upper := s.between(s.keeps, s.misses)
	expected, enough := math.Inf(1), apart
	if known := s.before.SLORate; known != nil {
		expected, enough = known.Value, knownApart
	}
	half := math.Sqrt(apart) * 0.995 // rounding must not move the two farther apart than that
	switch {
	case upper == nil:
		return 0 // the arm cannot be saturated, which is an error already
	case lower == nil:
		return s.downwards(expected / half)
	case upper.rate <= enough*lower.rate:
		return 0
	}
	for _, steps := range []float64{-1, 1, -3, 3} { // chance, or a small change, may have moved it
		if rate := s.into(lower.rate, upper.rate, expected*math.Pow(half, steps)); rate > 0 {
			return rate
		}
	}
	return s.halve(lower.rate, upper.rate)
}

func (s *search) isSaturated(g rung) bool { return g.saturated == Saturated }
func (s *search) bears(g rung) bool       { return g.saturated == Unsaturated }

// keeps says whether the SLO was kept; while a queue grows it is not for long.
func (s *search) keeps(g rung) bool {
	return g.saturated != Saturated && g.attained/g.steps >= s.attain
}
func (s *search) misses(g rung) bool { return !s.keeps(g) }

// between returns the lowest rung that is too high, and the highest below it that
// is not; nil for none.
func (s *search) between(borne, tooHigh func(rung) bool) (lower, upper *rung) {
	for i := range s.rungs {
		switch g := &s.rungs[i]; {
		case tooHigh(*g):
			return lower, g
		case borne(*g):
			lower = g
		}
	}
	return lower, nil
}

// into is a new rate near the expected one that lies between two others, or 0.
func (s *search) into(lower, upper, expected float64) float64 {
	if rate := twoDigits(expected); rate > lower && rate < upper && !s.tried(rate) {
		return rate
	}
	return 0
}

// halve is a new rate in the middle of the widest gap between the rates tried
// from lower to upper, or 0 where none is wide.
func (s *search) halve(lower, upper float64) float64 {
	widest, from, to := apart, 0.0, 0.0
	for i := range s.rungs[1:] {
		a, b := s.rungs[i].rate, s.rungs[i+1].rate
		if a >= lower && b <= upper && b/a > widest {
			widest, from, to = b/a, a, b
		}
	}
	if from == 0 {
		return 0
	}
	return s.into(from, to, math.Sqrt(from*to))
}

func (s *search) tried(rate float64) bool {
	return slices.ContainsFunc(s.rungs, func(g rung) bool { return g.rate == rate })
}

// answer is what has been found.
func (s *search) answer() Answer {
	a := Answer{Arm: s.arm, Steps: s.steps, Err: s.err}
	if lower, upper := s.between(s.bears, s.isSaturated); upper != nil {
		// Either was completed, and more was not: that an arm bears a rate overlooks
		// a small overload, and some complete less the more they are asked.
		capacity := max(lower.completes(), upper.completes())
		a.Capacity = &Estimate{capacity, 0, upper.rate}
		if lower != nil {
			a.Confirmed = s.forCapacity() == 0
			a.Capacity.Lower = min(lower.rate, capacity)
			if s.repeats(upper) {
				a.Capacity.Lower = min(max(lower.rate, s.before.Capacity.Lower), capacity)
			}
		}
	}
	if lower, upper := s.between(s.keeps, s.misses); s.slo && lower != nil && upper != nil {
		rate := s.crossing(lower, upper) // over what arrived, which chance may have moved out of the rates
		a.SLORate = &Estimate{rate, min(lower.rate, rate), max(upper.rate, rate)}
	}
	return a
}

// crossing is the rate between two rungs at which just enough requests keep the
// SLO: on the line between the shares that did, over the rates that really arrived,
// which takes out most of what chance made of them.
func (s *search) crossing(lower, upper *rung) float64 {
	from, to := lower.arrived/lower.steps, upper.arrived/upper.steps
	high, low := lower.attained/lower.steps, upper.attained/upper.steps
	part := 0.5
	if upper.saturated != Saturated && high > low {
		part = min(max((high-s.attain)/(high-low), 0), 1)
	}
	return from + part*(to-from)
}

// twoDigits rounds to two significant digits.
func twoDigits(rate float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(rate, 'g', 2, 64), 64)
	if err != nil {
		return rate // infinite
	}
	return rounded
}
