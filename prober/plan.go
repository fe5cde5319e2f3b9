package prober

import (
	"math"
	"math/rand/v2"
	"slices"

	"vllm_prober/internal/config"
)

// plan is the steps of a run, as they become known. The arms take turns at the
// ladder's rates and then at those that their searches choose, in rounds of one
// step for each and in a random order, so that a drift of the service meets all of
// them alike.
type plan struct {
	climbers   []*climber
	experiment *experiment // nil where there is none
	rng        *rand.Rand
	round      []planned // what is left of it
	last       *arm      // of the latest step
}

// planned is one step of a plan.
type planned struct {
	*climber
	rate     float64
	repeat   int  // of the rate, from 0 on
	compared bool // is it a step of the experiment?
}

// climber is an arm on its way up.
type climber struct {
	arm     *arm
	ladder  []float64 // all repeats of it, one after the other
	repeats map[float64]int
	search  *search // nil where there is none
	// base is the shortest median TTFT of the arm's steps, in seconds: that of
	// requests which found no queue. 0 is none yet.
	base float64
}

// newPlan plans a run of the probe. before are the answers of the last one.
func newPlan(probe config.Probe, arms []*arm, before map[Arm]Answer, seed uint64) *plan {
	p := &plan{rng: rand.New(rand.NewPCG(seed, 0x5eed))}
	for _, a := range arms {
		c := &climber{arm: a, repeats: map[float64]int{}}
		for range probe.Ladder.Repeats {
			c.ladder = append(c.ladder, a.rates...)
		}
		if probe.Search != nil {
			c.search = &search{
				Search: *probe.Search, arm: a.Arm, slo: probe.SLO.IsSet(), attain: probe.SLO.Attainment,
				lowest: config.MinMeasured / probe.Ladder.Window.Seconds(), before: before[a.Arm],
			}
		}
		p.climbers = append(p.climbers, c)
	}
	if probe.Compare != nil {
		p.experiment = &experiment{Compare: *probe.Compare}
	}
	return p
}

// known is how many steps are known of that have not been made.
func (p *plan) known() int {
	n := len(p.round)
	for _, c := range p.climbers {
		n += len(c.ladder)
	}
	return n
}

// next is the next step. It says false after the last.
func (p *plan) next() (planned, bool) {
	if len(p.round) == 0 {
		for _, c := range p.climbers {
			if rate, more := c.next(); more {
				p.round = append(p.round, planned{climber: c, rate: rate, repeat: c.repeats[rate]})
				c.repeats[rate]++
			}
		}
		if len(p.round) == 0 {
			p.round = p.comparison()
		}
		p.rng.Shuffle(len(p.round), func(i, j int) { p.round[i], p.round[j] = p.round[j], p.round[i] })
		p.keepEngines()
	}
	if len(p.round) == 0 {
		return planned{}, false
	}
	first := p.round[0]
	p.round, p.last = p.round[1:], first.arm
	return first, true
}

// keepEngines begins a round with the arm that ended the one before it, where its
// engines had to be made for it. Two arms are then made once a round, not twice,
// and still meet a drift alike: AB BA AB.
func (p *plan) keepEngines() {
	if p.last == nil || p.last.prepare == nil {
		return
	}
	if i := slices.IndexFunc(p.round, func(s planned) bool { return s.arm == p.last }); i > 0 {
		p.round[0], p.round[i] = p.round[i], p.round[0]
	}
}

// comparison is a round of the experiment.
func (p *plan) comparison() (round []planned) {
	if p.experiment == nil {
		return nil
	}
	rate, more := p.experiment.next(p.climbers)
	if !more {
		return nil
	}
	const afterAllRepeats = 1 << 20 // its arrivals are those of no other step
	for _, c := range p.climbers {
		round = append(round, planned{c, rate, afterAllRepeats + p.experiment.made, true})
	}
	return round
}

// ended takes the result of a step.
func (p *plan) ended(step planned, r *StepResult) {
	if step.compared {
		p.experiment.add(r)
		return
	}
	step.climber.ended(r)
}

func (c *climber) next() (rate float64, more bool) {
	if len(c.ladder) > 0 {
		rate, c.ladder = c.ladder[0], c.ladder[1:]
		return rate, true
	}
	if c.search == nil {
		return 0, false
	}
	return c.search.next()
}

// ended takes the result of one of the climber's steps.
func (c *climber) ended(r *StepResult) {
	if c.search != nil {
		c.search.add(r)
	}
	if l := r.Latencies; l != nil && l.TTFT.Count > 0 && (c.base == 0 || l.TTFT.P50 < c.base) {
		c.base = l.TTFT.P50
	}
}

// answers are what the searches have found.
func (p *plan) answers() []Answer {
	var all []Answer
	for _, c := range p.climbers {
		if c.search != nil {
			all = append(all, c.search.answer())
		}
	}
	return all
}

// found is what the comparison has found, nil where there is none.
func (p *plan) found() *Comparison {
	if p.experiment == nil {
		return nil
	}
	return p.experiment.result()
}

// stepSeed mixes a run's seed with a step's rate and its repeat, by the finalizer
// of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), so that near rates get
// unlike seeds. It does not depend on the arm: all arms get the same arrivals and
// lengths at a rate, which takes that variance out of their difference.
func stepSeed(seed uint64, rate float64, repeat int) uint64 {
	x := seed + (math.Float64bits(rate)+uint64(repeat))*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return (x ^ x>>31) >> 11
}
