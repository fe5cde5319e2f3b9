package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxRate bounds request rates, in requests per second: more than one prober can make
// honestly.
const MaxRate = 10_000

// MinMeasured is how many requests a window must expect at the least.
const MinMeasured = 5

// maxRepeats bounds the repeats of a ladder.
const maxRepeats = 1000

func (k *checks) probe(p *Probe, path string) {
	k.arms(p, path)
	k.workload(&p.Workload, path+".workload")
	k.pacing(p.Pacing, path+".pacing")
	k.notNegative(p.SLO.TTFT, path+".slo.ttft")
	k.notNegative(p.SLO.TPOT, path+".slo.tpot")
	k.notNegative(p.SLO.E2E, path+".slo.e2e")
	k.need(p.SLO.Attainment > 0 && p.SLO.Attainment <= 1, path+".slo.attainment", number(p.SLO.Attainment), "above 0, up to 1")
	k.timeouts(p.Timeouts, path+".timeouts")
	k.need(p.MaxInFlight >= 1, path+".max_in_flight", strconv.Itoa(p.MaxInFlight), "1 or more")
	k.positive(p.MaxSendLag, path+".max_send_lag")
	if p.Heartbeat != nil {
		k.heartbeat(p, path)
		return
	}
	k.guard(&p.Guard, path+".guard")
	if k.ladder(p, path+".ladder") {
		k.schedule(p, path+".schedule")
	}
	if p.Search != nil {
		k.search(p, path+".search")
	}
	if p.Compare != nil {
		k.compare(p, path+".compare")
	}
}

func (k *checks) arms(p *Probe, path string) {
	k.need(len(p.Arms) > 0, path+".arms", "are none", "one or more, such as [{target: NAME}]")
	var names []string
	for _, t := range k.cfg.Targets {
		if t.Name != "" {
			names = append(names, t.Name)
		}
	}
	allowed := "the name of a target"
	if len(names) > 0 {
		allowed = strings.Join(names, ", ")
	}
	type identity struct {
		target                    string
		replicas, gpus, batchSize int
	}
	seen, prepared := map[identity]bool{}, map[string]bool{}
	for i, a := range p.Arms {
		at := item(path+".arms", i)
		target, known := k.cfg.Target(a.Target)
		if k.need(known, at+".target", show(a.Target)+" is no target"+didYouMean(a.Target, names), allowed) {
			n := len(target.Replicas)
			made := a.On(target)
			id := identity{a.Target, a.Replicas, made.GPUsPerReplica, made.BatchSize}
			switch {
			case target.IsDiscovered():
				k.need(a.Replicas >= 0, at+".replicas", strconv.Itoa(a.Replicas), "1 or more, or left out for all that there are")
			default:
				k.need(a.Replicas >= 0 && a.Replicas <= n, at+".replicas", strconv.Itoa(a.Replicas),
					fmt.Sprintf("1 to %d, which are target %q's, or left out for all", n, a.Target))
				if a.Replicas == 0 {
					id.replicas = n
				}
			}
			k.need(!seen[id], at, "is the same as an earlier arm",
				"each target with each number of replicas once, or with another batch_size or gpus_per_replica that prepare makes")
			seen[id] = true
			by, before := prepared[a.Target]
			k.need(!before || by == (a.Prepare != nil), at, "leaves open which engines the target runs",
				"prepare for all arms of a target, or for none")
			prepared[a.Target] = a.Prepare != nil
		}
		k.prepared(&p.Arms[i], at)
		k.need(a.Prepare == nil || !target.IsDiscovered(), at+".prepare", "is of no use where replicas are discovered: its command makes others",
			"for a target that lists its replicas")
		if a.Rates != nil {
			k.rates(a.Rates, at+".rates")
		}
	}
}

func (k *checks) pacing(p Pacing, path string) {
	switch {
	case p.Process == Gamma:
		k.need(p.Burstiness > 0 && p.Burstiness <= 1e6, path+".burstiness", number(p.Burstiness),
			"the shape of the gaps, above 0, up to 1e6: below 1 is burstier than poisson, above 1 more regular")
	case k.oneOf(string(p.Process), path+".process", string(Poisson), string(Constant), string(Gamma)):
		k.need(p.Burstiness == 0, path+".burstiness", "is of no use with process "+string(p.Process), "with process gamma alone")
	}
}

func (k *checks) timeouts(t Timeouts, path string) {
	if !k.positive(t.Total, path+".total") {
		return
	}
	phase := func(d time.Duration, key string) {
		k.need(d > 0 && d <= t.Total, path+"."+key, d.String(), fmt.Sprintf("more than 0s, up to timeouts.total, %s", t.Total))
	}
	phase(t.Connect, "connect")
	phase(t.FirstToken, "first_token")
	phase(t.Stall, "stall")
}

// ladder says whether the steps have lengths that can be reckoned with.
func (k *checks) ladder(p *Probe, path string) bool {
	l := p.Ladder
	own := len(p.Arms) > 0 && !slices.ContainsFunc(p.Arms, func(a Arm) bool { return a.Rates == nil })
	if len(l.Rates) > 0 || !own {
		k.rates(l.Rates, path+".rates")
	}
	warmup := k.notNegative(l.Warmup, path+".warmup")
	window := k.positive(l.Window, path+".window")
	drain := k.positive(l.Drain, path+".drain")
	cooldown := k.notNegative(l.Cooldown, path+".cooldown")
	if window {
		k.window(p, path+".window")
	}
	repeats := k.need(l.Repeats >= 1 && l.Repeats <= maxRepeats, path+".repeats", strconv.Itoa(l.Repeats), fmt.Sprintf("1 to %d", maxRepeats))
	return warmup && window && drain && cooldown && repeats
}

func (k *checks) search(p *Probe, path string) {
	s := p.Search
	k.need(s.MaxWindow >= p.Ladder.Window, path+".max_window", s.MaxWindow.String(),
		fmt.Sprintf("at least the ladder's window, %s", p.Ladder.Window))
	top := 0.0
	for _, a := range p.Arms {
		for _, r := range p.Rates(a) {
			top = max(top, r)
		}
	}
	k.need(s.MaxRate >= top && s.MaxRate <= MaxRate, path+".max_rate", number(s.MaxRate),
		fmt.Sprintf("from the ladder's highest rate, %s, to %d requests per second", number(top), MaxRate))
	k.need(s.MaxSteps >= 1, path+".max_steps", strconv.Itoa(s.MaxSteps), "1 or more")
}

func (k *checks) compare(p *Probe, path string) {
	k.oneOf(string(p.Compare.At), path+".at", string(AtSaturation))
	k.need(p.Compare.Repeats >= 2 && p.Compare.Repeats <= maxRepeats, path+".repeats", strconv.Itoa(p.Compare.Repeats),
		fmt.Sprintf("2 to %d: one repeat cannot say what is chance", maxRepeats))
	k.need(p.Search != nil, path, "has no search that finds the rate", "with the probe's search, such as search: {}")
	if !k.oneOf(string(p.Compare.By), path+".by", string(ByBatchSize)) {
		return
	}
	sizes, gpus := map[int]bool{}, map[int]bool{}
	for _, a := range p.Arms {
		target, known := k.cfg.Target(a.Target)
		if !known {
			return
		}
		replicas := a.Replicas
		if replicas == 0 {
			replicas = len(target.Replicas)
		}
		if replicas == 0 && target.IsDiscovered() {
			k.need(false, path+".by", fmt.Sprintf("target %q may have any number of GPUs, since its replicas are discovered", a.Target),
				"arms of such targets that say how many replicas they use")
			return
		}
		made := a.On(target)
		sizes[made.BatchSize], gpus[replicas*made.GPUsPerReplica] = true, true
	}
	k.need(len(sizes) > 1 && len(sizes) == len(p.Arms) && !sizes[0] && len(gpus) == 1, path+".by", "batch_size cannot tell the arms apart",
		"two arms or more with as many GPUs, each of another batch_size, its target's or its own")
}

// heartbeat checks a probe that is one: it has no ladder, and nothing that belongs
// to one.
func (k *checks) heartbeat(p *Probe, path string) {
	const (
		useless = "is of no use beside heartbeat"
		alone   = "a heartbeat alone, or a ladder with its schedule"
	)
	k.need(reflect.ValueOf(p.Ladder).IsZero(), path+".ladder", useless, alone)
	k.need(reflect.ValueOf(p.Schedule).IsZero(), path+".schedule", useless, alone)
	k.need(reflect.ValueOf(p.Guard).IsZero(), path+".guard", useless, "beside a ladder, whose load can do harm")
	k.need(p.Search == nil, path+".search", useless, "beside a ladder, which it goes on from")
	k.need(p.Compare == nil, path+".compare", useless, "beside a ladder and a search")
	for i, a := range p.Arms {
		k.need(a.Rates == nil, item(path+".arms", i)+".rates", useless, "heartbeat.rate for all arms")
		k.need(a.Prepare == nil, item(path+".arms", i)+".prepare", useless, "engines that run")
	}
	path += ".heartbeat"
	rate := p.Heartbeat.Rate
	k.need(rate > 0 && rate <= MaxRate, path+".rate", number(rate), fmt.Sprintf("above 0, up to %d requests per second", MaxRate))
	if k.positive(p.Heartbeat.Window, path+".window") {
		k.window(p, path+".window")
	}
}

// window checks that the window is long enough for what is measured in it.
func (k *checks) window(p *Probe, path string) {
	window := p.Steps().Window
	if limit, keys := longestGood(p); limit > 0 {
		k.need(window >= limit, path, window.String()+" is shorter than a good request may take",
			fmt.Sprintf("%s or more, by %s", limit, keys))
	}
	lowest := math.Inf(1)
	for _, a := range p.Arms {
		if rates := p.Rates(a); len(rates) > 0 && rates[0] > 0 {
			lowest = min(lowest, rates[0])
		}
	}
	if expected := lowest * window.Seconds(); expected < MinMeasured {
		k.need(false, path, fmt.Sprintf("%s at %s requests per second measures %s requests", window, number(lowest), number(expected)),
			fmt.Sprintf("%d requests or more, which take %s seconds", MinMeasured, number(math.Ceil(MinMeasured/lowest))))
	}
}

// longestGood is how long a request may take that keeps the SLO, and the keys
// which say so; 0 where they do not. A window shorter than that could see none
// of its own requests end: its throughput would be that of the warm-up's
// requests, its latencies those of others.
func longestGood(p *Probe) (limit time.Duration, keys string) {
	slo := p.SLO
	limit, keys = slo.E2E, "slo.e2e"
	// The lengths in a file of prompts are not known here.
	if slo.TTFT <= 0 || slo.TPOT <= 0 || p.Workload.PromptsFile != "" {
		return limit, keys
	}
	// More gaps than fill the longest window need not be told apart.
	gaps := min(int64(p.Workload.OutputTokens.MaxTokens()-1), int64(longest/slo.TPOT)+1)
	if sum := slo.TTFT + time.Duration(gaps)*slo.TPOT; limit <= 0 || sum < limit {
		limit, keys = sum, "slo.ttft and, for each of output_tokens after the first, slo.tpot"
	}
	return limit, keys
}

func (k *checks) rates(rates []float64, path string) {
	k.need(len(rates) > 0, path, "are none", "one or more, rising, in requests per second")
	for i, r := range rates {
		at := item(path, i)
		if k.need(r > 0 && r <= MaxRate, at, number(r), fmt.Sprintf("above 0, up to %d requests per second", MaxRate)) && i > 0 {
			k.need(r > rates[i-1], at, fmt.Sprintf("%s after %s", number(r), number(rates[i-1])), "rates that rise")
		}
	}
}
