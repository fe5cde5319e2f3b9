package report

import (
	"fmt"
	"math"
	"strings"

	"vllm_prober/internal/compare"
)

// reason says why nothing can be said of a figure; it is empty where there is no reason.
func (s speaker) reason(r compare.Reason) string {
	if r == (compare.Reason{}) {
		return ""
	}
	return s.say("reason."+string(r.Code), values{"count": r.Count, "rate": r.Rate, "actual": r.Actual, "run": r.Run, "error": quote(r.Err)})
}

// cellReasons are why cells are undetermined, with how many have each reason.
type cellReasons []tally

func (all cellReasons) in(s speaker) string {
	if len(all) == 1 {
		return s.show(all[0].of)
	}
	said := make([]string, len(all))
	for i, t := range all {
		said[i] = fmt.Sprintf("%s (%d)", s.show(t.of), t.n)
	}
	return strings.Join(said, "; ")
}

// detail says what was found, and from which figures, of whichever arm.
func (s speaker) detail(f compare.Finding) string {
	switch d := f.Detail.(type) {
	case compare.ByReplicas:
		return s.say("finding.by_replicas", values{"size": d.BatchSize, "rate": f.RequestRate})
	case compare.ByLittle:
		return s.say("finding.by_little", values{
			"size": d.BatchSize, "rate": f.RequestRate, "throughput": d.Throughput, "time": seconds(d.Seconds),
			"running": d.Running, "slots": d.Slots,
		})
	case compare.Contradiction:
		return s.say("finding.impossible", values{
			"size": d.BatchSize, "rate": f.RequestRate, "slots": d.Slots, "calm": d.CalmRate, "throughput": d.Throughput,
			"longest": seconds(d.Longest), "tokens": d.Tokens, "requests": math.Round(d.Requests), "lasted": seconds(d.Lasted),
			"most": seconds(d.MostWait), "wait": seconds(d.Wait),
		})
	case compare.Drained:
		return s.say("finding.drain_artefact", values{
			"rate": f.RequestRate, "to": f.To, "first": seconds(d.First), "last": seconds(d.Last), "grew": d.Grew, "time_grew": d.TimeGrew,
			"throughput": fmt.Sprintf("%.4g", d.Throughput),
		})
	case compare.NoSlotWanted:
		return s.say("finding.did_not_bind", values{"base": d.Base, "other": d.Other})
	case compare.StillWarming:
		key := "finding.warming_more"
		if d.By < 0 {
			key = "finding.warming_less"
		}
		return s.say(key, values{"rate": f.RequestRate, "after": seconds(d.Seconds), "latency": d.Latency, "by": share(math.Abs(d.By))})
	case compare.Differing:
		return s.say("finding.definitions_differ", values{"run": d.Run, "others": strings.Join(d.Others, ", "), "keys": d.Keys})
	case compare.OtherTool:
		return s.say("finding."+string(d.Tool), nil)
	case compare.InFlightLimit:
		return s.say("finding.in_flight_limit", values{"rate": f.RequestRate, "file": d.File, "requests": d.Requests})
	case compare.FailedRequests:
		return s.say("finding.failed_requests", values{"rate": f.RequestRate, "file": d.File, "requests": d.Requests})
	case compare.WeightedByTokens:
		return s.say("finding.weighted_by_tokens", values{"file": d.File})
	default:
		return string(f.Kind)
	}
}
