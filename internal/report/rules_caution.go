package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"vllm_prober/prober"
)

// foreignTraffic says who else was there.
func foreignTraffic(d *reading) (found []finding) {
	for _, arm := range d.arms {
		most, several := 0.0, ""
		for _, p := range d.points(arm) {
			for _, s := range p.steps {
				switch c := s.Reconciliation; {
				case c == nil:
				case c.Verdict == prober.ForeignTraffic:
					most = max(most, c.ForeignShare)
				case c.Verdict == prober.SeveralReplicas:
					several = c.Detail
				}
			}
		}
		if several != "" {
			found = append(found, finding{"traffic.several", values{"arms": []prober.Arm{arm}}, "reconciliation: several_replicas, " + several})
		}
		if most > 0 {
			v := values{"arms": []prober.Arm{arm}, "share": share(most)}
			found = append(found, finding{"traffic.foreign", v, fmt.Sprintf("reconciliation: foreign_traffic, %.2g of the output tokens", most)})
		}
	}
	return found
}

// failures says how many requests failed, and how.
func failures(d *reading) (found []finding) {
	for _, arm := range d.arms {
		measured, failed, outcomes := 0, 0, map[prober.Outcome]int{}
		for _, p := range d.points(arm) {
			for _, s := range p.steps {
				for outcome, n := range s.Outcomes[prober.Window] {
					measured += n
					outcomes[outcome] += n
				}
			}
		}
		var each []tally
		for _, outcome := range prober.Outcomes() {
			if n := outcomes[outcome]; n > 0 && outcome != prober.OK && outcome != prober.Aborted {
				failed += n
				each = append(each, tally{outcome, n})
			}
		}
		if failed > 0 {
			found = append(found, finding{
				"failures.some",
				values{"arms": []prober.Arm{arm}, "failed": failed, "measured": measured, "outcomes": each},
				"outcomes of the windows: " + strings.Join(texts(english, each), ", "),
			})
		}
	}
	return found
}

// cutRequests says where the drain limit cut measured requests.
func cutRequests(d *reading) (found []finding) {
	for _, arm := range d.arms {
		rates, unfinished := ratesWith(d.points(arm), func(s *prober.StepResult) int { return s.Unfinished })
		if unfinished > 0 {
			found = append(found, finding{
				"failures.cut", values{"arms": []prober.Arm{arm}, "rates": rates, "cut": unfinished}, fmt.Sprintf("unfinished: %d", unfinished),
			})
		}
	}
	return found
}

// ratesWith are the rates at which there is something to count, and how much at all of
// them.
func ratesWith(points []point, count func(*prober.StepResult) int) (rates []float64, sum int) {
	for _, p := range points {
		before := sum
		for _, s := range p.steps {
			sum += count(s)
		}
		if sum > before {
			rates = append(rates, p.rate)
		}
	}
	return rates, sum
}

// caches says what the caches of the replicas did to the figures.
func caches(d *reading) (found []finding) {
	for _, arm := range d.arms {
		rates, preempted := ratesWith(d.points(arm), func(s *prober.StepResult) int {
			n, _ := s.Preemptions()
			return n
		})
		if preempted > 0 {
			found = append(found, finding{
				"cache.preempted",
				values{"arms": []prober.Arm{arm}, "rates": rates, "preemptions": preempted},
				fmt.Sprintf("preemptions: %d", preempted),
			})
		}
		_, cached := ratesWith(d.points(arm), func(s *prober.StepResult) int { return s.CachedTokens })
		if isKnown := d.probe.Name != ""; cached > 0 && isKnown && d.probe.Workload.SharedPrefixTokens == 0 {
			found = append(found, finding{"cache.hit", values{"arms": []prober.Arm{arm}, "tokens": cached}, fmt.Sprintf("cached_tokens: %d", cached)})
		}
	}
	return found
}

// joules are the energy of an output token at each rate where the steps know it.
func joules(points []point) (known []point, values []float64) {
	for _, p := range points {
		if mean, has := p.meanOf(ofGPUs(func(g *prober.GPUResult) *float64 { return g.JoulesPerOutputToken })); has {
			known, values = append(known, p), append(values, mean)
		}
	}
	return known, values
}

// energy says what an output token costs.
func energy(d *reading) (found []finding) {
	for _, arm := range d.arms {
		known, each := joules(d.points(arm))
		if len(known) < 2 {
			continue
		}
		least, most := slices.Index(each, slices.Min(each)), slices.Index(each, slices.Max(each))
		says := make([]string, len(known))
		for i := range known {
			says[i] = fmt.Sprintf("%.3g at %g", each[i], known[i].rate)
		}
		found = append(found, finding{"energy.least", values{
			"arms": []prober.Arm{arm}, "joules": each[least], "rate": known[least].rate, "most": each[most], "most_rate": known[most].rate,
		}, "joules_per_output_token: " + strings.Join(says, ", ")})
	}
	return found
}

// throttling says where GPUs were held back.
func throttling(d *reading) (found []finding) {
	for _, arm := range d.arms {
		reasons := map[string]bool{}
		rates, _ := ratesWith(d.points(arm), func(s *prober.StepResult) int {
			if s.GPU == nil {
				return 0
			}
			for _, reason := range s.GPU.Throttled() {
				reasons[reason] = true
			}
			return len(s.GPU.Throttled())
		})
		if len(rates) > 0 {
			all := strings.Join(slices.Sorted(maps.Keys(reasons)), ", ")
			found = append(found, finding{
				"energy.throttled", values{"arms": []prober.Arm{arm}, "rates": rates, "reasons": all}, "throttled_seconds: " + all,
			})
		}
	}
	return found
}
