package prober

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vllm_prober/internal/config"
)

// station is a service of known truth: replicas that are asked in turn, each a
// queue in front of slots, which a request holds for its service time. The first
// token comes one tenth of it after the slot is free.
type station struct {
	replicas, slots int
	service         time.Duration
	spread          float64 // of the service times: they are even from 1-spread to 1+spread
	warmup, window  time.Duration
}

// capacity is exact: every slot completes one request in each service time.
func (s station) capacity() float64 {
	return float64(s.replicas*s.slots) / s.service.Seconds()
}

// look offers a rate and looks at the end of the window.
func (s station) look(rate float64, seed uint64) (judgement, []seen) {
	j := judgement{rate: rate, replicas: s.replicas, warmup: s.warmup, window: s.window, at: s.warmup + s.window, dispersion: 1}
	free := make([][]time.Duration, s.replicas) // when each slot is
	for i := range free {
		free[i] = make([]time.Duration, s.slots)
	}
	rng := rand.New(rand.NewPCG(seed, 7))
	var all []seen
	for at := range Arrivals(config.Pacing{Process: config.Poisson}, rate, seed) {
		if at >= j.at {
			break
		}
		r := seen{replica: len(all) % s.replicas, intended: at}
		slot := 0
		for i, f := range free[r.replica] {
			if f < free[r.replica][slot] {
				slot = i
			}
		}
		takes := time.Duration(float64(s.service) * (1 + s.spread*(2*rng.Float64()-1)))
		begin := max(at, free[r.replica][slot])
		free[r.replica][slot] = begin + takes
		if first := begin + takes/10; first < j.at {
			r.firstToken = first
		}
		if end := begin + takes; end < j.at {
			r.end, r.outcome = end, OK
		}
		all = append(all, r)
	}
	return j, all
}

// stations are a small and a large one, with little and much chance in them.
func stations(window time.Duration) map[string]station {
	return map[string]station{
		"1 replica":               {1, 50, 3 * time.Second, 0, 10 * time.Second, window},
		"4 replicas":              {4, 50, 3 * time.Second, 0, 10 * time.Second, window},
		"few slots":               {2, 4, 200 * time.Millisecond, 0, 10 * time.Second, window},
		"answers of any length":   {1, 32, 2 * time.Second, 1, 10 * time.Second, window},
		"many slots, long answer": {1, 256, 20 * time.Second, 0.5, 30 * time.Second, window},
	}
}

// verdicts counts the verdicts of so many seeds.
func (s station) verdicts(load float64, seeds uint64) map[Saturation]int {
	count := map[Saturation]int{}
	for seed := range seeds {
		j, all := s.look(load*s.capacity(), seed)
		count[j.saturation(all)]++
	}
	return count
}

// What an arm bears for ever is never called saturated, up to its very capacity,
// at which the backlog moves by chance alone; and below it that is soon clear of most.
func TestWhatIsBorneIsNotSaturated(t *testing.T) {
	const seeds = 50
	for name, s := range stations(time.Minute) {
		t.Run(name, func(t *testing.T) {
			for _, load := range []float64{0.1, 0.5, 0.8, 0.9, 0.95, 1} {
				count := s.verdicts(load, seeds)
				if count[Saturated] > 0 || load <= 0.9 && count[Unsaturated] < seeds*8/10 {
					t.Errorf("at %g of the capacity: %v", load, count)
				}
			}
		})
	}
}

func TestOverloadIsSaturation(t *testing.T) {
	const seeds = 50
	for name, s := range stations(2 * time.Minute) {
		t.Run(name, func(t *testing.T) {
			for load, least := range map[float64]int{1.33: seeds, 2: seeds, 5: seeds, 1.2: seeds * 8 / 10} {
				if count := s.verdicts(load, seeds); count[Saturated] < least || count[Unsaturated] > 0 {
					t.Errorf("at %g of the capacity: %v", load, count)
				}
			}
			// So small an overload needs its time, but is not denied.
			if count := s.verdicts(1.1, seeds); count[Unsaturated] > seeds/10 {
				t.Errorf("at 1.1 of the capacity: %v", count)
			}
		})
	}
}

// What a saturated arm completes is its capacity.
func TestSettledThroughputOfASaturatedArmIsItsCapacity(t *testing.T) {
	for name, s := range stations(2 * time.Minute) {
		for seed := range uint64(10) {
			j, all := s.look(1.33*s.capacity(), seed)
			if got := j.plateau(all); math.Abs(got/s.capacity()-1) > 0.04 {
				t.Errorf("%s: %.3g completed per second, the capacity is %.3g", name, got, s.capacity())
			}
		}
	}
}

// One slow replica of several saturates the arm: half of what it is sent waits.
func TestASlowReplicaSaturatesTheArm(t *testing.T) {
	fast := station{1, 50, 3 * time.Second, 0, 10 * time.Second, time.Minute}
	slow := fast
	slow.slots = 10
	rate := 0.5 * fast.capacity()
	j, all := fast.look(rate, 1)
	_, others := slow.look(rate, 2)
	for _, r := range others {
		r.replica = 1
		all = append(all, r)
	}
	j.rate, j.replicas = 2*rate, 2
	if got := j.saturation(all); got != Saturated {
		t.Errorf("the verdict is %s", got)
	}
}

// A batch that still fills completes less than is offered, and makes nobody wait.
func TestAFillingBatchIsUndetermined(t *testing.T) {
	s := station{1, 10_000, 60 * time.Second, 0, 0, 30 * time.Second}
	j, all := s.look(50, 1)
	if got := j.saturation(all); got != Undetermined {
		t.Errorf("the verdict is %s", got)
	}
}

// Requests that were refused for lack of room are overload; those that failed
// otherwise are none.
func TestFailuresAndRefusals(t *testing.T) {
	s := station{1, 1000, time.Second, 0, 10 * time.Second, time.Minute}
	for outcome, want := range map[Outcome]Saturation{HTTP503: Saturated, HTTP429: Saturated, HTTP5xx: Unsaturated, Truncated: Unsaturated} {
		j, all := s.look(50, 1)
		for i := range all {
			if i%3 > 0 { // two of three
				all[i].firstToken, all[i].outcome = 0, outcome
				all[i].end = all[i].intended + time.Millisecond
			}
		}
		if got := j.saturation(all); got != want {
			t.Errorf("%s: the verdict is %s, want %s", outcome, got, want)
		}
	}
}

func TestNothingKnownIsUndetermined(t *testing.T) {
	j := judgement{rate: 10, replicas: 2, warmup: time.Second, window: 10 * time.Second, at: 11 * time.Second, dispersion: 1}
	if got := j.saturation(nil); got != Undetermined {
		t.Errorf("the verdict on nothing is %s", got)
	}
	hung := []seen{{replica: 0, intended: 2 * time.Second}, {replica: 1, intended: 2 * time.Second}}
	if got := j.saturation(slices.Repeat(hung, 50)); got != Undetermined {
		t.Errorf("the verdict on requests that hang from early on is %s", got)
	}
}

func TestDispersion(t *testing.T) {
	for pacing, want := range map[config.Pacing]float64{
		{Process: config.Poisson}: 1, {Process: config.Constant}: 1,
		{Process: config.Gamma, Burstiness: 0.25}: 4, {Process: config.Gamma, Burstiness: 4}: 1,
	} {
		if got := dispersion(pacing); got != want {
			t.Errorf("%v: %g, want %g", pacing, got, want)
		}
	}
}
