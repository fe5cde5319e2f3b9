package prober

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
)

// engines are simulated replicas whose capacity and latencies are known in closed
// form.
type engines struct {
	parameters     simulator.Parameters
	replicas       int
	prompt, output int
	pacing         config.Pacing
}

func (e engines) capacity() float64 {
	return float64(e.replicas) * e.parameters.Capacity(e.prompt, e.output)
}

// step holds a rate in synthetic time, as a step does: its window is doubled
// while the verdict is undetermined, and the load goes on while measured requests
// are in flight.
func (e engines) step(t *testing.T, rate float64, seed uint64, s *search, tpot time.Duration, base float64) *StepResult {
	t.Helper()
	r := &StepResult{Step: Step{RequestRate: rate, Warmup: 10 * time.Second, Window: 30 * time.Second}}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var replicas []*simulator.Engine
		for range e.replicas {
			replicas = append(replicas, simulator.NewEngine(ctx, e.parameters))
		}
		begin := time.Now()
		var all []seen
		var sequences []*simulator.Sequence
		look := func() judgement {
			synctest.Wait()
			for i, s := range sequences {
				all[i].take(s, begin)
				all[i].good = all[i].outcome == OK && all[i].end-all[i].firstToken <= tpot*time.Duration(e.output-1)
			}
			return judgement{
				attainment: s.attain, rate: rate, replicas: e.replicas, warmup: r.Warmup, window: r.Window, at: time.Since(begin), base: base, dispersion: 1,
			}
		}
		const drain = 10 * time.Second
		for at := range Arrivals(e.pacing, rate, seed) {
			if at >= r.Warmup+r.Window {
				time.Sleep(r.Warmup + r.Window - time.Since(begin))
				longer := min(2*r.Window, s.MaxWindow)
				if longer <= r.Window || !look().isOpen(all) {
					break
				}
				r.Window = longer
			}
			time.Sleep(at - time.Since(begin))
			replica := len(all) % e.replicas
			all = append(all, seen{replica: replica, intended: at})
			sequences = append(sequences, replicas[replica].Submit(e.prompt, 0, e.output))
		}
		j := look()
		r.Saturated, r.SettledThroughput = j.saturation(all), j.plateau(all)
		time.Sleep(drain)
		look()
		kept, offered := 0.0, 0.0
		for _, q := range all {
			if q.intended >= r.Warmup {
				offered++
				if q.good {
					kept++
				}
			}
		}
		r.Attainment, r.Offered = kept/offered, int(offered)
	})
	return r
}

// take takes the tokens that have come.
func (r *seen) take(s *simulator.Sequence, begin time.Time) {
	if r.outcome == OK {
		return
	}
	for {
		select {
		case token, more := <-s.Tokens:
			if !more {
				r.outcome = OK
				return
			}
			r.end = token.Sub(begin)
			if r.firstToken == 0 {
				r.firstToken = r.end
			}
		default:
			return
		}
	}
}

// find makes a run with a search.
func (e engines) find(t *testing.T, ladder []float64, s *search, tpot time.Duration, seed uint64) (Answer, time.Duration) {
	t.Helper()
	took := time.Duration(0)
	hold := func(rate float64) {
		r := e.step(t, rate, stepSeed(seed, rate, 0), s, tpot, 0)
		took += r.Warmup + r.Window
		s.add(r)
	}
	for _, rate := range ladder {
		hold(rate)
	}
	for rate, more := s.next(); more; rate, more = s.next() {
		hold(rate)
	}
	return s.answer(), took
}

// tpot is the TPOT in steady state at a rate, in closed form. With replicas that
// are asked in turn, of a Poisson process each gets every n-th arrival, whose
// count has the dispersion d = 1/n. A request then has b + d sequences beside and
// with it in the mean, with the variance d·b, b being rate·output·TPOT.
func (e engines) tpot(rate float64) time.Duration {
	p, d := e.parameters, 1/float64(e.replicas)
	each, tau := rate/float64(e.replicas), p.Base.Seconds()
	for range 1000 {
		b := each * float64(e.output) * tau
		tau = p.Base.Seconds() + p.PerSequence.Seconds()*(b+d) + p.PerSequenceSquared.Seconds()*((b+d)*(b+d)+d*b) +
			p.PerPrefillToken.Seconds()*float64(e.prompt)*each*tau
	}
	return time.Duration(tau * float64(time.Second))
}

// two kinds of engine, one of which gets slower by the square of its batch.
func kinds() map[string]simulator.Parameters {
	flat := simulator.FieldReport()
	flat.Base, flat.PerSequence, flat.PerSequenceSquared, flat.PerPrefillToken = 15*time.Millisecond, 100*time.Microsecond, 0, 100*time.Microsecond
	return map[string]simulator.Parameters{"field report": simulator.FieldReport(), "flat": flat}
}

// A search finds the capacity, and the highest rate with a TPOT that half of the
// requests keep, to 5% of the closed forms in nine of ten runs; and a search that
// begins at the answer of another takes few steps.
func TestSearchFindsWhatIsTrue(t *testing.T) {
	seeds, arms, searches, few := 10, []int{1, 4}, 0, 0
	if raceEnabled {
		seeds, arms = 2, []int{1} // the same code, ten times slower; make truth has it all
	}
	for kind, p := range kinds() {
		for _, replicas := range arms {
			for _, of := range []struct{ slots, prompt, output int }{{50, 128, 43}, {16, 128, 64}, {64, 512, 128}} {
				p.MaxNumSeqs = of.slots
				e := engines{p, replicas, of.prompt, of.output, config.Pacing{Process: config.Poisson}}
				t.Run(fmt.Sprintf("%s, %d replicas, %d slots, %d+%d tokens", kind, replicas, of.slots, of.prompt, of.output), func(t *testing.T) {
					few += e.searches(t, seeds)
					searches += seeds
				})
			}
		}
	}
	t.Logf("%d of %d searches from a known answer made at most 4 steps beside the ladder's", few, searches)
	if few*10 < searches*9 {
		t.Errorf("only %d of %d searches from a known answer made at most 4 steps", few, searches)
	}
}

// searches says how many of the searches from a known answer made at most 4 steps.
func (e engines) searches(t *testing.T, seeds int) (few int) {
	t.Helper()
	capacity := e.capacity()
	sloRate := 0.7 * capacity
	limit := e.tpot(sloRate)
	capacityFound, sloFound, cold, warm := 0, 0, 0, 0
	var coldTook, warmTook time.Duration
	for seed := range uint64(seeds) {
		first := &search{Search: config.DefaultSearch(), slo: true, attain: 0.5, lowest: 0.1}
		answer, took := e.find(t, []float64{twoDigits(capacity / 4), twoDigits(capacity / 2)}, first, limit, seed)
		cold += answer.Steps
		coldTook += took
		again := &search{Search: config.DefaultSearch(), slo: true, attain: 0.5, lowest: 0.1, before: answer}
		second, took := e.find(t, []float64{twoDigits(capacity / 4)}, again, limit, seed+1000)
		warm += second.Steps
		warmTook += took
		if second.Steps <= 4 {
			few++
		}
		for _, a := range []Answer{answer, second} {
			if a.Err != "" || a.Capacity == nil || a.SLORate == nil {
				t.Fatalf("seed %d: the answer is %+v", seed, a)
			}
			if math.Abs(a.Capacity.Value/capacity-1) <= 0.05 && a.Capacity.Lower <= capacity*1.05 && a.Capacity.Upper >= capacity {
				capacityFound++
			}
			if math.Abs(a.SLORate.Value/sloRate-1) <= 0.05 {
				sloFound++
			}
		}
	}
	n := float64(seeds)
	t.Logf("capacity %.4g found in %d of %d searches, SLO rate %.4g in %d; mean steps beside the ladder's, and time with them: %.1f, %s; warm %.1f, %s, at most 4 in %d",
		capacity, capacityFound, 2*seeds, sloRate, sloFound, float64(cold)/n, coldTook/time.Duration(seeds), float64(warm)/n, warmTook/time.Duration(seeds), few)
	if least := 2 * seeds * 9 / 10; capacityFound < least || sloFound < least-1 {
		t.Errorf("of %d searches %d found the capacity and %d the SLO rate", 2*seeds, capacityFound, sloFound)
	}
	return few
}

// bearing answers a search as an arm with that capacity and SLO rate does, exactly.
func bearing(capacity, sloRate float64) func(rate float64) *StepResult {
	return func(rate float64) *StepResult {
		r := &StepResult{
			Step: Step{RequestRate: rate, Window: 100 * time.Second}, Offered: int(100 * rate),
			Saturated: Unsaturated, SettledThroughput: min(rate, capacity),
		}
		if rate > capacity {
			r.Saturated = Saturated
		}
		if rate <= sloRate {
			r.Attainment = 1
		}
		return r
	}
}

func TestSearchAsks(t *testing.T) {
	limits := config.Search{MaxWindow: 4 * time.Minute, MaxRate: 100, MaxSteps: 8}
	wide := limits
	wide.MaxRate = 1e4
	few := limits
	few.MaxSteps = 2
	known := Answer{Capacity: &Estimate{Value: 80, Lower: 76}, SLORate: &Estimate{Value: 50}}
	invalid := func(rate float64) *StepResult {
		r := bearing(80, 50)(rate)
		r.Broken = []Broken{{Promise: PromiseCPU}}
		return r
	}
	for name, tt := range map[string]struct {
		search
		ladder []float64
		arm    func(float64) *StepResult
		rates  []float64
		err    string
	}{
		"upwards by a third, and then near the capacity": {
			search{Search: limits},
			[]float64{20, 40},
			bearing(80, 0),
			// 40·1.33 = 53.2, 53·1.33 = 70.5, 70·1.33 = 93.1; then 0.96·80 = 76.8, and as
			// 93 is more than 1.12·80, 1.06·80 = 84.8.
			[]float64{53, 70, 93, 77, 85},
			"",
		},
		"and for the SLO between what keeps it and what does not": {
			search{Search: limits, slo: true, attain: 0.9},
			[]float64{20, 40},
			bearing(80, 50),
			// √(40·53) = 46.04; between 46 and 53 √(46·53) = 49.4; 53 < 1.1·49.
			[]float64{53, 70, 93, 77, 85, 46, 49},
			"",
		},
		"near a known answer": {
			search{Search: limits, slo: true, attain: 0.9, before: known},
			[]float64{20},
			bearing(80, 50),
			// 3.3·1.3/√(80·120) = 0.0438, so 1.02·1.06·80 = 86.5; 50/1.0436 = 47.9, 50·1.0436 = 52.2.
			[]float64{86, 48, 52},
			"",
		},
		"and below, where it has fallen a little": {
			search{Search: limits, slo: true, attain: 0.9, before: known},
			[]float64{20},
			// 73 is 9% less than 80, so the last run's 76 is no answer any more.
			bearing(73, 46),
			// 86 is more than 1.12·73, so after 0.96·73 = 70.1 comes 1.06·73 = 77.4; 50/1.0436³ = 44.
			[]float64{86, 70, 77, 48, 44},
			"",
		},
		"and above, where it has risen a little": {
			search{Search: limits, slo: true, attain: 0.9, before: known},
			[]float64{20},
			bearing(88, 54),
			// 1.02·(1 + 1.5·0.06)·80 = 88.9; 50·1.0436³ = 56.8.
			[]float64{86, 89, 48, 52, 57},
			"",
		},
		"and twice where nothing near it was borne": {
			search{Search: limits, before: Answer{Capacity: &Estimate{Value: 80}}},
			[]float64{20},
			bearing(80, 0),
			[]float64{86, 77},
			"",
		},
		"downwards where the ladder is too high": {
			search{Search: limits, lowest: 0.5},
			[]float64{40},
			bearing(10, 0),
			// 0.96·10 = 9.6; between 9.6 and 40 the measured capacity's 1.06·10.
			[]float64{9.6, 11},
			"",
		},
		"no further down than a window can measure": {
			search{Search: limits, lowest: 5, slo: true, attain: 0.9},
			[]float64{8},
			bearing(20, 1),
			// 8·1.33 = 10.6, 11·1.33 = 14.6, 15·1.33 = 19.95, 20·1.33 = 26.6; then, for 20 is
			// borne and 1+2·0.0876 times 20 is less than 27, 1.0876·20 = 21.8; and down from 8.
			[]float64{11, 15, 20, 27, 22, 6},
			"even the lowest rates are too high; the next would bring too few requests into a window",
		},
		"no further up than allowed": {
			search{Search: limits},
			[]float64{60},
			bearing(1000, 0),
			[]float64{80, 100},
			"no rate up to search.max_rate, 100, saturates the arm",
		},
		"no more steps than allowed": {
			search{Search: few},
			[]float64{20},
			bearing(80, 0),
			[]float64{27, 36},
			"it made 2 steps, as many as search.max_steps allows",
		},
		"nothing after an invalid step alone": {
			search{Search: wide},
			[]float64{20},
			invalid,
			nil, "no step of the ladder was valid",
		},
		"nothing after two invalid steps": {
			search{Search: wide},
			[]float64{20, 40},
			invalid,
			nil, "two steps in a row were invalid",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := tt.search
			for _, rate := range tt.ladder {
				s.add(tt.arm(rate))
			}
			var rates []float64
			for rate, more := s.next(); more; rate, more = s.next() {
				rates = append(rates, rate)
				s.add(tt.arm(rate))
			}
			if !slices.Equal(rates, tt.rates) || s.answer().Err != tt.err {
				t.Errorf("asked %v, %q; want %v, %q", rates, s.answer().Err, tt.rates, tt.err)
			}
		})
	}
}

// A capacity is confirmed once the search asks no more for it, whatever becomes of the rest:
// of an arm that completes 20 a second 23 are enough, for 3.3·1.3/√(20·120) = 0.0876, and
// twice that is 17.5%.
func TestACapacityIsConfirmedWhereTheSearchAcceptsIt(t *testing.T) {
	limits := config.Search{MaxWindow: 4 * time.Minute, MaxRate: 100, MaxSteps: 8}
	for name, test := range map[string]struct {
		search
		ladder []float64
		want   bool
	}{
		"and the SLO rate cannot be found": {search{Search: limits, slo: true, attain: 0.9, lowest: 5}, []float64{15, 19, 23}, true},
		"and there is no SLO":              {search{Search: limits}, []float64{15, 19, 23}, true},
		"not yet from below":               {search{Search: limits}, []float64{15, 23}, false},
		"not yet from above":               {search{Search: limits}, []float64{19, 24}, false},
		"not at all":                       {search{Search: limits}, []float64{15, 19}, false},
		"not where nothing is borne":       {search{Search: limits}, []float64{23}, false},
		"by the last run":                  {search{Search: limits, before: Answer{Capacity: &Estimate{Value: 20, Lower: 19}}}, []float64{10, 23}, true},
	} {
		s := test.search
		for _, rate := range test.ladder {
			s.add(bearing(20, 1)(rate))
		}
		if s.slo {
			for rate, more := s.next(); more; rate, more = s.next() {
				s.add(bearing(20, 1)(rate))
			}
		}
		if a := s.answer(); a.Confirmed != test.want || (s.err == "") == s.slo {
			t.Errorf("%s: %+v, of capacity %+v", name, a, a.Capacity)
		}
	}
}

func TestAnInvalidStepIsAskedAgainOnce(t *testing.T) {
	s := search{Search: config.DefaultSearch()}
	s.add(bearing(80, 0)(20))
	first, _ := s.next()
	broken := bearing(80, 0)(first)
	broken.Broken = []Broken{{Promise: PromiseSendLag}}
	s.add(broken)
	if again, more := s.next(); !more || again != first {
		t.Errorf("after an invalid step at %g comes %g, %t", first, again, more)
	}
	s.add(broken)
	if rate, more := s.next(); more || s.answer().Err == "" {
		t.Errorf("after a second invalid step comes %g", rate)
	}
}

func TestRepeatsThatDifferAreUndetermined(t *testing.T) {
	s := search{Search: config.DefaultSearch()}
	s.add(bearing(80, 0)(60))
	s.add(bearing(80, 0)(90))
	s.add(bearing(120, 0)(90))
	if lower, upper := s.between(s.bears, s.isSaturated); lower.rate != 60 || upper != nil {
		t.Errorf("the capacity is between %v and %v", lower, upper)
	}
}

// Fewer requests arrived than were to be offered, so the SLO is lost at a rate
// below both.
func TestAnAnswerLiesWithinItsBounds(t *testing.T) {
	s := search{Search: config.DefaultSearch(), slo: true, attain: 0.5}
	for _, r := range []StepResult{
		{Step: Step{RequestRate: 13}, Attainment: 0.6, Offered: 1150},
		{Step: Step{RequestRate: 14}, Attainment: 0.4, Offered: 1250},
		{Step: Step{RequestRate: 20}, Saturated: Saturated, Offered: 2000},
	} {
		r.Window = 100 * time.Second
		s.add(&r)
	}
	// Half-way between 11.5 and 12.5, which arrived.
	if got := s.answer().SLORate; got == nil || *got != (Estimate{12, 12, 14}) {
		t.Errorf("the answer is %v", got)
	}
}

func TestTwoDigits(t *testing.T) {
	for rate, want := range map[float64]float64{0.01234: 0.012, 9.96: 10, 14.5: 14, 1049: 1000, 1051: 1100, 8: 8} {
		if got := twoDigits(rate); got != want {
			t.Errorf("%g becomes %g, want %g", rate, got, want)
		}
	}
}
