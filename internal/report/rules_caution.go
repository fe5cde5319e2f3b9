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
		v := values{"arms": []prober.Arm{arm}}
		if several != "" {
			found = append(found, finding{"traffic.several", v, "reconciliation: several_replicas, " + several})
		}
		if most > 0 {
			v["share"] = share(most)
			found = append(found, finding{"traffic.foreign", v, fmt.Sprintf("reconciliation: foreign_traffic, %.2g of the output tokens", most)})
		}
	}
	return found
}

// failures says how many requests failed, and how, and where the drain limit cut
// requests.
func failures(d *reading) (found []finding) {
	for _, arm := range d.arms {
		measured, failed, outcomes := 0, 0, map[prober.Outcome]int{}
		var cut []float64
		for _, p := range d.points(arm) {
			for _, s := range p.steps {
				for outcome, n := range s.Outcomes[prober.Window] {
					measured += n
					if outcome != prober.OK && outcome != prober.Aborted {
						failed += n
						outcomes[outcome] += n
					}
				}
				if s.Unfinished > 0 && !slices.Contains(cut, p.rate) {
					cut = append(cut, p.rate)
				}
			}
		}
		if failed > 0 {
			var each []string
			for _, outcome := range prober.Outcomes() {
				if n := outcomes[outcome]; n > 0 {
					each = append(each, fmt.Sprintf("%s × %d", outcome, n))
				}
			}
			found = append(found, finding{
				"failures.some", values{"arms": []prober.Arm{arm}, "failed": failed, "measured": measured, "outcomes": strings.Join(each, ", ")},
				"outcomes of the windows: " + strings.Join(each, ", "),
			})
		}
		if len(cut) > 0 {
			found = append(found, finding{"failures.cut", values{"arms": []prober.Arm{arm}, "rates": cut}, "unfinished: more than 0"})
		}
	}
	return found
}

// caches says what the caches of the replicas did to the figures.
func caches(d *reading) (found []finding) {
	for _, arm := range d.arms {
		preempted, cached := 0, 0
		var rates []float64
		for _, p := range d.points(arm) {
			for _, s := range p.steps {
				n, _ := s.Preemptions()
				if preempted += n; n > 0 && !slices.Contains(rates, p.rate) {
					rates = append(rates, p.rate)
				}
				cached += s.CachedTokens
			}
		}
		if preempted > 0 {
			found = append(found, finding{
				"cache.preempted", values{"arms": []prober.Arm{arm}, "rates": rates, "preemptions": preempted}, fmt.Sprintf("preemptions: %d", preempted),
			})
		}
		if cached > 0 && d.probe.Workload.SharedPrefixTokens == 0 {
			found = append(found, finding{"cache.hit", values{"arms": []prober.Arm{arm}, "tokens": cached}, fmt.Sprintf("cached_tokens: %d", cached)})
		}
	}
	return found
}

// joules are the energy of an output token at each rate where the steps know it.
func joules(points []point) (known []point, values []float64) {
	for _, p := range points {
		if !slices.ContainsFunc(p.steps, func(s *prober.StepResult) bool { return s.GPU == nil || s.GPU.JoulesPerOutputToken == nil }) {
			known, values = append(known, p), append(values, p.mean(func(s *prober.StepResult) float64 { return *s.GPU.JoulesPerOutputToken }))
		}
	}
	return known, values
}

// energy says what an output token costs, and where GPUs were held back.
func energy(d *reading) (found []finding) {
	for _, arm := range d.arms {
		points := d.points(arm)
		if known, each := joules(points); len(known) > 1 {
			least, most := slices.Index(each, slices.Min(each)), slices.Index(each, slices.Max(each))
			says := make([]string, len(known))
			for i := range known {
				says[i] = fmt.Sprintf("%.3g at %g", each[i], known[i].rate)
			}
			found = append(found, finding{"energy.least", values{
				"arms": []prober.Arm{arm}, "joules": each[least], "rate": known[least].rate, "most": each[most], "most_rate": known[most].rate,
			}, "joules_per_output_token: " + strings.Join(says, ", ")})
		}
		var rates []float64
		reasons := map[string]bool{}
		for _, p := range points {
			for _, s := range p.steps {
				if s.GPU == nil {
					continue
				}
				for _, reason := range s.GPU.Throttled() {
					reasons[reason] = true
					if !slices.Contains(rates, p.rate) {
						rates = append(rates, p.rate)
					}
				}
			}
		}
		if len(rates) > 0 {
			all := strings.Join(slices.Sorted(maps.Keys(reasons)), ", ")
			found = append(found, finding{
				"energy.throttled", values{"arms": []prober.Arm{arm}, "rates": rates, "reasons": all}, "throttled_seconds: " + all,
			})
		}
	}
	return found
}
