package report

import (
	"fmt"

	"vllm_prober/internal/compare"
	"vllm_prober/prober"
)

const (
	// explodes is the growth of a latency that is told of, which of TTFT tells of a queue,
	// and muchMore how much more than TPOT that has to grow.
	explodes, muchMore = 3, 2
	// noteworthy is the share of TTFT from which a wait is told of.
	noteworthy = 0.25
)

// calm says how TTFT and TPOT go with the rate while the arm keeps up.
func calm(d *reading) (found []finding) {
	for _, arm := range d.arms {
		points := d.points(arm)
		borne, _, _ := bounds(points)
		if borne == nil || points[0].rate == borne.rate || !points[0].has(tpot) || !borne.has(tpot) || len(contrary(points)) > 0 {
			continue
		}
		rule := "latency.calm"
		if borne.mean(ttftMean) >= explodes*points[0].mean(ttftMean) || borne.mean(tpotMean) >= explodes*points[0].mean(tpotMean) {
			rule = "latency.rises"
		}
		found = append(found, finding{rule, rise(arm, &points[0], borne), verdicts(points)})
	}
	return found
}

// queue says how they go from what the arm bears to what it does not, or to what a
// step was too short to tell of: there, too, it may show what waiting does.
func queue(d *reading) (found []finding) {
	for _, arm := range d.arms {
		points := d.points(arm)
		borne, over, _ := bounds(points)
		if over == nil {
			over = after(points, borne)
		}
		if borne == nil || over == nil || !borne.has(tpot) || !over.has(tpot) || !borne.has(e2e) || !over.has(e2e) {
			continue
		}
		waits, works := over.mean(ttftMean)/borne.mean(ttftMean), over.mean(tpotMean)/borne.mean(tpotMean)
		if waits < explodes || waits < muchMore*works || over.mean(ttftMean)-borne.mean(ttftMean) <= over.mean(decoding)-borne.mean(decoding) {
			continue
		}
		v := rise(arm, borne, over)
		v["ttft_times"], v["tpot_times"] = waits, works
		found = append(found, finding{"latency.queue", v, verdicts([]point{*borne, *over})})
		if wait, known := queued(points, over); known && wait > noteworthy*over.mean(ttftMean) {
			found = append(found, finding{
				"latency.waiting",
				values{"arms": []prober.Arm{arm}, "rate": over.rate, "share": share(wait / over.mean(ttftMean))},
				fmt.Sprintf("waiting / throughput: %.3g s of %.3g s", wait, over.mean(ttftMean)),
			})
		}
	}
	return found
}

// rise is from which latencies to which an arm's go between two rates.
func rise(arm prober.Arm, from, to *point) values {
	return values{
		"arms": []prober.Arm{arm}, "lower": from.rate, "upper": to.rate,
		"ttft_from": seconds(from.mean(ttftMean)), "ttft_to": seconds(to.mean(ttftMean)),
		"tpot_from": seconds(from.mean(tpotMean)), "tpot_to": seconds(to.mean(tpotMean)),
	}
}

// after is the point at the next higher rate; nil where there is none.
func after(points []point, p *point) *point {
	for i := range points {
		if p != nil && points[i].rate > p.rate {
			return &points[i]
		}
	}
	return nil
}

// warmUp says where the windows began before the warm-up had ended, which takes
// repeats to see.
func warmUp(d *reading) (found []finding) {
	var steps []compare.Step
	for _, arm := range d.arms {
		steps = append(steps, d.side(arm).Steps...)
	}
	for _, f := range compare.Findings(steps) {
		if f.Kind == compare.WarmUp {
			v := values{"arms": []prober.Arm{f.Arm}, "rate": f.RequestRate, "detail": f}
			found = append(found, finding{"steady.warm_up", v, fmt.Sprintf("finding: %s at %g", f.Kind, f.RequestRate)})
		}
	}
	return found
}

// artefact is from which share of the throughput what a bench lacks is told of.
const artefact = 0.05

// drain says where a bench's figure falls short of what completed although the arm
// was not saturated: the worst case of all.
func drain(d *reading) []finding {
	worst, found := artefact, []finding(nil)
	for _, arm := range d.arms {
		for _, p := range d.points(arm) {
			if p.saturated != prober.Unsaturated {
				continue
			}
			done, bench := p.mean(throughput), p.mean(func(s *prober.StepResult) float64 { return s.BenchThroughput })
			if bench <= 0 || 1-bench/done <= worst {
				continue
			}
			worst = 1 - bench/done
			found = []finding{{
				"drain.artefact",
				values{"arm": arm, "rate": p.rate, "bench": bench, "throughput": done},
				fmt.Sprintf("bench_throughput: %.4g, throughput: %.4g; %s", bench, done, verdicts([]point{p})),
			}}
		}
	}
	return found
}
