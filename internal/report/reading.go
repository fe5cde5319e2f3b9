package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/config"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// reading is a record as a report needs it: by arm and request rate.
type reading struct {
	*results.Record

	// result is without the steps that were aborted by the guard and made again.
	result  *prober.RunResult
	aborted []prober.StepResult
	// arms are by number of GPUs, batch size and name.
	arms []prober.Arm
	// probe is what the run was made with; it has no SLO where that cannot be read.
	probe config.Probe
	// pairs are the arms of one number of GPUs, each against the first of them.
	pairs []pair
	// since are the arms against themselves in the runs before, where these are known.
	since []contrast
}

// pair is two arms, one held against the other.
type pair struct {
	base, other prober.Arm
	table       *compare.Table
}

// contrast is one side held against the other. Their names are an arm's, or
// runsBefore.
type contrast struct {
	base, other any
	table       *compare.Table
}

// runsBefore is a number of runs.
type runsBefore int

func (p pair) contrast() contrast { return contrast{p.base, p.other, p.table} }

// point is what an arm's steps at one rate have shown.
type point struct {
	rate  float64
	steps []*prober.StepResult // valid ones
	// saturated is undetermined where the steps differ.
	saturated prober.Saturation
}

// read reads a record, and those of runs of its definition before it, if any.
func read(r *results.Record, former ...*results.Record) *reading {
	d := &reading{Record: r, result: r.Result()}
	d.result.Results, d.aborted = lastAttempts(d.result.Results)
	for i := range d.result.Results {
		if arm := d.result.Results[i].Arm; !slices.Contains(d.arms, arm) {
			d.arms = append(d.arms, arm)
		}
	}
	slices.SortFunc(d.arms, prober.Arm.Compare)
	if probe, err := r.Definition(); err == nil {
		d.probe = probe
	}
	d.compare()
	d.compareWith(former)
	return d
}

// lastAttempts are the steps without those that the guard aborted and that were made
// again, and these.
func lastAttempts(steps []prober.StepResult) (last, aborted []prober.StepResult) {
	for _, s := range steps {
		if !s.Repeated && slices.ContainsFunc(steps, func(again prober.StepResult) bool { return again.Repeated && again.Number == s.Number }) {
			aborted = append(aborted, s)
		} else {
			last = append(last, s)
		}
	}
	return last, aborted
}

func (d *reading) compareWith(former []*results.Record) {
	var runs []*prober.RunResult
	for _, r := range former {
		runs = append(runs, r.Result())
	}
	for _, before := range compare.OfRuns("before", runs) {
		table := compare.Between(before, d.side(before.Arm()), compare.Effect)
		if len(table.Cells) > 0 {
			d.since = append(d.since, contrast{runsBefore(len(former)), before.Arm(), table})
		}
	}
}

func (d *reading) compare() {
	for i, other := range d.arms {
		first := slices.IndexFunc(d.arms, func(a prober.Arm) bool { return a.GPUs == other.GPUs })
		if first == i {
			continue
		}
		base := d.arms[first]
		table := compare.Between(d.side(base), d.side(other), compare.Effect)
		if len(table.Cells) > 0 {
			d.pairs = append(d.pairs, pair{base, other, table})
		}
	}
}

func (d *reading) side(arm prober.Arm) compare.Side {
	side := compare.Side{Name: ArmName(arm, d.arms)}
	for _, s := range d.steps(arm) {
		side.Steps = append(side.Steps, compare.OfStep(s))
	}
	for i := range d.result.Answers {
		if a := &d.result.Answers[i]; a.Arm == arm {
			if answer, has := compare.OfAnswer(d.result, a); has {
				side.Answers = append(side.Answers, answer)
			}
		}
	}
	return side
}

// points are an arm's, by rising rate, of which it has a valid step.
func (d *reading) points(arm prober.Arm) (all []point) {
	for i := range d.result.Results {
		s := &d.result.Results[i]
		if s.Arm != arm || !s.Valid() {
			continue
		}
		at, known := slices.BinarySearchFunc(all, s.RequestRate, func(p point, rate float64) int { return cmp.Compare(p.rate, rate) })
		if !known {
			all = slices.Insert(all, at, point{rate: s.RequestRate, saturated: s.Saturated})
		}
		if all[at].saturated != s.Saturated {
			all[at].saturated = prober.Undetermined
		}
		all[at].steps = append(all[at].steps, s)
	}
	return all
}

// steps are an arm's valid ones, by rising rate.
func (d *reading) steps(arm prober.Arm) (all []*prober.StepResult) {
	for _, p := range d.points(arm) {
		all = append(all, p.steps...)
	}
	return all
}

// rates are all request rates of the run at which one of the arms has a valid step.
func (d *reading) rates() (all []float64) {
	for _, arm := range d.arms {
		for _, p := range d.points(arm) {
			all = append(all, p.rate)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// answer is what the search has found of an arm.
func (d *reading) answer(arm prober.Arm) prober.Answer {
	i := slices.IndexFunc(d.result.Answers, func(a prober.Answer) bool { return a.Arm == arm })
	if i < 0 {
		return prober.Answer{Arm: arm}
	}
	return d.result.Answers[i]
}

// ceiling is the most that an arm completes: its capacity by the search, or else the most
// that it settled at where it was saturated. Where that was not seen, or is contradicted,
// it is the most that it completed, and isLimit is false.
func (d *reading) ceiling(arm prober.Arm) (value float64, isLimit bool) {
	if a := d.answer(arm); a.Capacity != nil {
		return a.Capacity.Value, true
	}
	points := d.points(arm)
	limit := 0.0
	for _, p := range points {
		value = max(value, p.mean(throughput))
		if p.saturated == prober.Saturated {
			limit = max(limit, p.mean(func(s *prober.StepResult) float64 { return s.SettledThroughput }))
		}
	}
	if limit > 0 && len(contrary(points)) == 0 {
		return limit, true
	}
	return value, false
}

// mean is that of a figure over the steps.
func (p *point) mean(of func(*prober.StepResult) float64) float64 {
	sum := 0.0
	for _, s := range p.steps {
		sum += of(s)
	}
	return sum / float64(len(p.steps))
}

// meanOf is that of a figure that a step may lack. It says false where one does.
func (p *point) meanOf(of func(*prober.StepResult) (float64, bool)) (mean float64, known bool) {
	for _, s := range p.steps {
		x, has := of(s)
		if !has {
			return 0, false
		}
		mean += x / float64(len(p.steps))
	}
	return mean, true
}

// waitingMean is how many requests waited in the mean, where all replicas tell.
func waitingMean(s *prober.StepResult) (float64, bool) {
	level, known := s.LevelOf(func(r *prober.ReplicaResult) *prober.Level { return r.Waiting })
	return level.Mean, known
}

// The means that sentences and tables speak of.
func ttftMean(s *prober.StepResult) float64   { return s.Latencies.TTFT.Mean }
func tpotMean(s *prober.StepResult) float64   { return s.Latencies.TPOT.Mean }
func e2eMean(s *prober.StepResult) float64    { return s.Latencies.E2E.Mean }
func decoding(s *prober.StepResult) float64   { return e2eMean(s) - ttftMean(s) }
func throughput(s *prober.StepResult) float64 { return s.Throughput }
func goodput(s *prober.StepResult) float64    { return s.Goodput }
func attainment(s *prober.StepResult) float64 { return s.Attainment }

// The latencies that a step may have.
func ttft(l *prober.Latencies) prober.Distribution { return l.TTFT }
func tpot(l *prober.Latencies) prober.Distribution { return l.TPOT }
func e2e(l *prober.Latencies) prober.Distribution  { return l.E2E }

// has says whether all of the steps have a latency: one in which no request was
// answered has none, and answers of one token have no TPOT.
func (p *point) has(latency func(*prober.Latencies) prober.Distribution) bool {
	return !slices.ContainsFunc(p.steps, func(s *prober.StepResult) bool { return s.Latencies == nil || latency(s.Latencies).Count == 0 })
}

// queued is an estimate of how long a request waited until the engine took it, in
// seconds: the mean number that waited over the rate at which answers begin (Little,
// Operations Research 9(3), 1961). Where a queue grows this is too much, so that it is
// at most what leaves a request the rest of its TTFT: the least that was left where
// hardly any waited, or else what was left at the arm's lowest rate. It says false where
// the replicas do not tell.
func queued(points []point, p *point) (seconds float64, known bool) {
	const hardly = 0.1 // of TTFT
	waited, known := p.waited()
	least, knownLeast := points[0].waited()
	if !known || !knownLeast {
		return 0, false
	}
	rest := points[0].mean(ttftMean) - least
	for i := range points {
		q := &points[i]
		if waited, known := q.waited(); known && waited <= hardly*q.mean(ttftMean) {
			rest = min(rest, q.mean(ttftMean)-waited)
		}
	}
	return max(0, min(waited, p.mean(ttftMean)-rest)), true
}

// waited is that by Little's law alone, and at most TTFT.
func (p *point) waited() (seconds float64, known bool) {
	for _, s := range p.steps {
		waiting, has := waitingMean(s)
		if !has || s.Throughput <= 0 || !p.has(ttft) {
			return 0, false
		}
		seconds += min(waiting/s.Throughput, ttftMean(s)) / float64(len(p.steps))
	}
	return seconds, true
}

// evidence writes what the steps said at some rates.
func evidence(what string, of func(*point) string, points []point) string {
	var parts []string
	for i := range points {
		parts = append(parts, fmt.Sprintf("%s at %g", of(&points[i]), points[i].rate))
	}
	return what + ": " + strings.Join(parts, ", ")
}
