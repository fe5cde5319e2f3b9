package replica

import (
	"context"
	"iter"
	"sync"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

const (
	// period is the time between two readings of a replica within a step.
	period = time.Second / 4
	// settleLimit is how long a step waits for its replicas to have nothing left
	// to do. Where others use them, they never have.
	settleLimit = 2 * time.Second
	// blindLimit is how long the guard lets a step go on without a reading: who
	// cannot answer for so long is not known to be well.
	blindLimit = 2 * time.Second
)

// watching is the watch over one step's replicas.
type watching struct {
	*Watcher

	client  *client
	own     func() []prober.Load
	tell    func(prober.Trip)
	tripped sync.Once
	watches []*watch
}

// watch is the watch over one replica. Only its own goroutine touches it until
// that has ended.
type watch struct {
	*replica

	index         int
	before, after *Sample
	began, ended  time.Time
	during        []Sample
	err           error // of the latest reading that failed

	overs     overs
	ownBefore int // requests in flight at the look before
}

// Watch implements prober.Watcher.
func (w *Watcher) Watch(
	ctx context.Context, place prober.Place, own func() []prober.Load, trip func(prober.Trip),
) (end func(context.Context, prober.Step) []prober.ReplicaResult) {
	k := &watching{Watcher: w, client: w.targets[place.Target].client, own: own, tell: trip}
	for i, r := range w.replicas(place) {
		k.watches = append(k.watches, &watch{replica: r, index: i, overs: overs{}})
	}
	k.each(func(r *watch) { r.before = k.settle(ctx, r, true) })
	sampling, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	for _, r := range k.watches {
		wait.Go(func() { k.sample(sampling, r) })
	}
	wait.Go(func() { k.countErrors(sampling) })
	wait.Go(func() { k.feel(sampling) })
	return func(ctx context.Context, step prober.Step) []prober.ReplicaResult {
		stop()
		wait.Wait()
		k.each(func(r *watch) { r.after = k.settle(ctx, r, false) })
		return k.results(step)
	}
}

// each does the same with all replicas at the same time.
func (k *watching) each(do func(*watch)) {
	var wait sync.WaitGroup
	for _, r := range k.watches {
		wait.Go(func() { do(r) })
	}
	wait.Wait()
}

// settle reads a replica until it has nothing to do and counts no more, which
// takes two readings: vLLM writes its figures down after it has sent a last
// token. It returns the last reading, or nil where there was none.
func (k *watching) settle(ctx context.Context, r *watch, guarded bool) *Sample {
	var last *Sample
	failed := false
	for began := time.Now(); ; pause(ctx, period) {
		s, err := k.client.read(ctx, r.url)
		switch {
		case err != nil && failed, ctx.Err() != nil:
			r.err = err
			return nil
		case err != nil:
			failed = true
			continue
		}
		failed = false
		if guarded {
			k.judge(r, []Sample{s}, 0)
		}
		idle := s.Running.Value == 0 && s.Waiting.Value == 0
		if idle && last != nil && s.counts(*last) || time.Since(began) >= settleLimit {
			return &s
		}
		last = &s
	}
}

// counts says whether the replica counted nothing between two samples.
func (s Sample) counts(before Sample) bool {
	return s.OutputTokens == before.OutputTokens && s.PromptTokens == before.PromptTokens && s.FirstTokens == before.FirstTokens
}

// sample reads a replica until ctx ends. A reading that takes long, or fails, is
// a gap and holds nothing up.
func (k *watching) sample(ctx context.Context, r *watch) {
	r.began = time.Now()
	defer func() { r.ended = time.Now() }()
	answered := r.began
	for range looks(ctx) {
		own := k.inFlight(r)
		s, err := k.client.read(ctx, r.url)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.err = err
			if len(k.limits) > 0 && time.Since(answered) >= blindLimit {
				k.pass(k.unseen(k.limits[0], r.replica, err.Error()))
			}
			continue
		}
		answered = s.At
		r.during = append(r.during, s)
		k.judge(r, r.during, max(own, k.inFlight(r)))
	}
}

// looks yields once a period, until ctx ends.
func looks(ctx context.Context) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		tick := time.NewTicker(period)
		defer tick.Stop()
		for {
			select {
			case at := <-tick.C:
				if !yield(at) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// inFlight is how many requests of the step's a replica has.
func (k *watching) inFlight(r *watch) int { return k.own()[r.index].InFlight }

// judge holds a replica's newest sample against the guard's limits. own is how
// many requests of the prober's the replica has at the most; what it had at the
// look before it may still have had when it last wrote its figures.
func (k *watching) judge(r *watch, samples []Sample, own int) {
	most := max(own, r.ownBefore)
	r.ownBefore = own
	for _, limit := range k.limits {
		figure := seen(limit, samples, most)
		if t := k.trip(limit, r.name, figure.Value); r.overs.take(limit, figure, t.Allowed) {
			k.pass(t)
		}
	}
}

// countErrors looks at the step's own requests as often as at the replicas.
func (k *watching) countErrors(ctx context.Context) {
	allowed, set := k.guard.Limit(config.ErrorRatio)
	if !set {
		return
	}
	counted := overs{}
	for range looks(ctx) {
		if ratio := errorRatio(k.own()); counted.take(config.ErrorRatio, ratio, allowed) {
			k.pass(k.trip(config.ErrorRatio, "", ratio.Value))
		}
	}
}

// feel looks at the heartbeat as often as at the replicas. What it felt before the
// step is no news: a run has waited for that, and where the two share a replica the
// heartbeat waits for the run.
func (k *watching) feel(ctx context.Context) {
	allowed, set := k.guard.Limit(config.HeartbeatTTFT)
	if !set || k.pulse == nil {
		return
	}
	began := time.Now()
	for range looks(ctx) {
		if felt, ok := k.pulse(); ok && felt.At.After(began) && felt.TTFT.Seconds() > allowed {
			k.pass(k.trip(config.HeartbeatTTFT, "", felt.TTFT.Seconds()))
		}
	}
}

// pass tells the first limit that was passed.
func (k *watching) pass(t *prober.Trip) { k.tripped.Do(func() { k.tell(*t) }) }

// results are what the replicas said during the step.
func (k *watching) results(step prober.Step) []prober.ReplicaResult {
	own := k.own()
	results := make([]prober.ReplicaResult, len(k.watches))
	for i, r := range k.watches {
		results[i] = r.result(step, own[i])
		blind := len(r.during) == 0 && r.err != nil
		if blind && !r.blind {
			k.log.Warn("a replica's own metrics cannot be read: nothing is known of its slots and of its other traffic",
				"replica", r.name, "err", r.err)
		}
		r.blind = blind
	}
	return results
}

func (r *watch) result(step prober.Step, own prober.Load) prober.ReplicaResult {
	opening := step.StartedAt.Add(step.Warmup)
	steady := r.during
	for len(steady) > 0 && steady[0].At.Before(opening) {
		steady = steady[1:]
	}
	result := prober.ReplicaResult{
		Replica: r.name, Samples: len(r.during), Gaps: gaps(r.ended.Sub(r.began), len(r.during)),
		Running:        levelOf(steady, func(s *Sample) Figure { return s.Running }),
		Waiting:        levelOf(steady, func(s *Sample) Figure { return s.Waiting }),
		KVCacheUsage:   levelOf(steady, func(s *Sample) Figure { return s.KVCacheUsage }),
		InForce:        inForce(steady, step.Arm.BatchSize),
		Reconciliation: reconcile(r.before, r.during, r.after, own),
	}
	if r.before != nil && r.after != nil {
		if n := difference(r.before.Preemptions, r.after.Preemptions); n.Known && n.Value >= 0 {
			result.Preemptions = new(int(n.Value))
		}
	}
	// Of a replica that began anew, or of several behind one URL, a difference is of nothing.
	whole := result.Reconciliation.Verdict != prober.Restarted && result.Reconciliation.Verdict != prober.SeveralReplicas
	if from := r.lastBefore(opening); from != nil && r.after != nil && whole {
		result.Queue = spent(difference(from.Queued, r.after.Queued), difference(from.QueueSeconds, r.after.QueueSeconds))
		result.Prefill = spent(difference(from.Prefilled, r.after.Prefilled), difference(from.PrefillSeconds, r.after.PrefillSeconds))
	}
	return result
}

// lastBefore is the last reading up to a time, or nil where there was none.
func (r *watch) lastBefore(at time.Time) *Sample {
	last := r.before
	for i := range r.during {
		if s := &r.during[i]; !s.At.After(at) {
			last = s
		}
	}
	return last
}

// spent is the mean of what so many requests took together. It is nil where either is
// not known, or fell: what fell was counted from 0 on since.
func spent(requests, seconds Figure) *prober.Spent {
	switch {
	case !requests.Known || !seconds.Known || requests.Value < 0 || seconds.Value < 0:
		return nil
	case requests.Value == 0:
		return &prober.Spent{}
	}
	return &prober.Spent{Requests: int(requests.Value), Mean: seconds.Value / requests.Value}
}

// gaps is how many readings are missing of those that belong into a time. One
// that was due just at its end is not missed.
func gaps(sampled time.Duration, samples int) int {
	return max(0, int((sampled-period/2)/period)-samples)
}

// levelOf is the level of a figure, or nil where no sample has it.
func levelOf(samples []Sample, figure func(*Sample) Figure) *prober.Level {
	var level prober.Level
	n := 0
	for i := range samples {
		if f := figure(&samples[i]); f.Known {
			level.Mean += f.Value
			level.Max = max(level.Max, f.Value)
			n++
		}
	}
	if n == 0 {
		return nil
	}
	level.Mean /= float64(n)
	return &level
}
