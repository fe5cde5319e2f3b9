package prober

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vllm_prober/internal/alarm"
	"vllm_prober/internal/config"
	"vllm_prober/internal/workload"
)

// stepRun is one step under way: the load is offered by one goroutine, each
// request in flight has its own, and all tell the tally.
type stepRun struct {
	step     Step
	arm      *arm
	probe    config.Probe
	requests *workload.Generator
	observer Observer
	alarm    func(context.Context) alarm.Alarm
	delays   func() func() time.Duration // begins to measure, then says the 99th percentile

	begin instant
	next  int // the replica that is next in turn

	inFlight []atomic.Int64 // by replica
	total    atomic.Int64
	// holds counts what the load has to go on for: the measured requests in
	// flight, those still to come, and the window itself. At 0 the load ends.
	holds   atomic.Int64
	endLoad context.CancelFunc

	mu    sync.Mutex
	tally tally
}

// tally is what a step's requests add up to.
type tally struct {
	result        StepResult
	lags          []float64
	failures      map[Outcome]*Failure
	reads         int
	coalesced     int
	outputTokens  int // of the completed
	measuredBegan instant
	measuredEnded instant
}

// run makes the step. When soft ends, no more requests are sent and those in
// flight may end; when hard ends, they are cut.
func (s *stepRun) run(hard, soft context.Context) *StepResult {
	s.step.StartedAt = time.Now()
	s.inFlight = make([]atomic.Int64, len(s.arm.replicas))
	s.tally = tally{
		result:   StepResult{Step: s.step, Outcomes: map[Phase]map[Outcome]int{}, ITL: &Histogram{}},
		failures: map[Outcome]*Failure{},
	}
	s.observer.StepStarted(s.step)
	delayP99 := s.delays()

	load, endLoad := context.WithCancel(soft)
	defer endLoad()
	defer context.AfterFunc(hard, endLoad)()
	s.endLoad = endLoad
	flight, cut := context.WithCancelCause(context.WithoutCancel(hard))
	defer context.AfterFunc(hard, func() { cut(errAborted) })()

	s.begin = now()
	s.holds.Store(2) // the window, and the arrivals still to come in it
	window := time.AfterFunc(s.step.Warmup+s.step.Window, s.release)
	limit := time.AfterFunc(s.step.Warmup+s.step.Window+s.step.MaxDrain, endLoad)
	defer window.Stop()
	defer limit.Stop()

	var flights sync.WaitGroup
	s.offer(load, flight, &flights)
	interrupted := soft.Err() != nil || hard.Err() != nil
	if !interrupted && s.probe.Heartbeat == nil { // a heartbeat goes on, and has no reason to cut anything
		cut(errAborted)
	}
	flights.Wait()
	cut(errAborted)
	return s.result(interrupted, delayP99())
}

// offer sends requests at their times until load ends. It waits for nothing but
// the next arrival: that is what makes the loop open.
func (s *stepRun) offer(load, flight context.Context, flights *sync.WaitGroup) {
	arrival := s.alarm(load)
	defer arrival.Close()
	// A goroutine that has made a request waits here for another one to make: a
	// new one would first have to grow its stack, at the cost of that request.
	idle := make(chan func())
	defer close(idle)
	number, coming := 0, true
	for offset := range Arrivals(s.probe.Pacing, s.step.RequestRate, s.step.Seed) {
		phase := s.step.phase(offset)
		if phase == Drain && coming {
			coming = false
			s.release()
		}
		request := s.requests.Next() // made while there is time
		if !arrival.Wait(s.begin + offset - now()) {
			return
		}
		number++
		if !s.admit(phase) {
			continue
		}
		replica := s.pick()
		s.inFlight[replica].Add(1)
		s.observer.RequestSent(s.step)
		id := fmt.Sprintf("%s-%d-%d", s.step.RunID, s.step.Number, number)
		ask := func() { s.request(flight, phase, replica, request, id, s.begin+offset) }
		select {
		case idle <- ask:
		default:
			flights.Go(func() {
				ask()
				for another := range idle {
					another()
				}
			})
		}
	}
}

// admit counts an arrival and says whether it may be sent.
func (s *stepRun) admit(phase Phase) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if phase == Window {
		s.tally.result.Offered++
	}
	if s.total.Load() >= int64(s.probe.MaxInFlight) {
		s.tally.result.Dropped++
		return false
	}
	s.total.Add(1)
	if phase == Window {
		s.holds.Add(1)
	}
	return true
}

// pick chooses the next request's replica.
func (s *stepRun) pick() int {
	n := len(s.arm.replicas)
	turn := s.next
	s.next = (s.next + 1) % n
	if s.arm.balance != config.LeastInFlight {
		return turn
	}
	best := turn
	for i := range n {
		if at := (turn + i) % n; s.inFlight[at].Load() < s.inFlight[best].Load() {
			best = at
		}
	}
	return best
}

var gapsPool = sync.Pool{New: func() any { return new([]gap) }}

func (s *stepRun) request(ctx context.Context, phase Phase, replica int, request workload.Request, id string, intended instant) {
	scratch := gapsPool.Get().(*[]gap)
	defer gapsPool.Put(scratch)
	obs, gaps := s.arm.client.do(ctx, s.arm.replicas[replica], request, id, intended, (*scratch)[:0])
	*scratch = gaps
	obs.Phase = phase
	obs.since(s.begin)

	s.inFlight[replica].Add(-1)
	s.total.Add(-1)
	s.mu.Lock()
	s.tally.add(&s.step, s.probe.SLO, &obs, gaps)
	s.mu.Unlock()
	s.observer.RequestEnded(s.step, &obs)
	if phase == Window {
		s.release()
	}
}

// release gives up one hold on the load.
func (s *stepRun) release() {
	if s.holds.Add(-1) == 0 {
		s.endLoad()
	}
}

func (t *tally) add(step *Step, slo config.SLO, obs *Observation, gaps []gap) {
	r := &t.result
	byOutcome := r.Outcomes[obs.Phase]
	if byOutcome == nil {
		byOutcome = map[Outcome]int{}
		r.Outcomes[obs.Phase] = byOutcome
	}
	byOutcome[obs.Outcome]++
	if obs.Outcome == OK {
		if obs.End >= step.Warmup && obs.End < step.Warmup+step.Window {
			r.Completed++
			t.outputTokens += obs.OutputTokens
			if Good(slo, obs) {
				r.Good++
			}
		}
	} else if obs.Outcome != Aborted || obs.Phase == Window { // what the step's own end cut is no failure of anyone
		t.fail(obs)
	}
	if obs.Phase == Window {
		t.measure(obs, gaps)
	}
}

func (t *tally) fail(obs *Observation) {
	f := t.failures[obs.Outcome]
	if f == nil {
		f = &Failure{Outcome: obs.Outcome, Example: fmt.Sprintf("%s: %s (request %s)", obs.Replica, obs.Err, obs.ID)}
		t.failures[obs.Outcome] = f
	}
	f.Count++
}

// measure takes a request that was intended in the window.
func (t *tally) measure(obs *Observation, gaps []gap) {
	r := &t.result
	if obs.Sent > 0 {
		t.lags = append(t.lags, obs.SendLag().Seconds())
	}
	if obs.Outcome == Aborted {
		r.Unfinished++
	}
	if obs.Outcome != OK {
		return
	}
	if t.measuredBegan == 0 || obs.Intended < t.measuredBegan {
		t.measuredBegan = obs.Intended
	}
	t.measuredEnded = max(t.measuredEnded, obs.End)
	t.reads += obs.Reads
	t.coalesced += obs.CoalescedReads
	r.PromptTokens += obs.PromptTokens
	r.OutputTokens += obs.OutputTokens
	r.CachedTokens += obs.CachedTokens
	r.Measured = append(r.Measured, *obs)
	for _, g := range gaps {
		r.ITL.Observe(g.length/time.Duration(g.tokens), g.tokens)
	}
}

// result closes the tally.
func (s *stepRun) result(interrupted bool, schedDelay time.Duration) *StepResult {
	t, r := &s.tally, &s.tally.result
	r.EndedAt = time.Now()
	window := s.step.Window.Seconds()
	r.Throughput = float64(r.Completed) / window
	r.Goodput = float64(r.Good) / window
	r.OutputTokenThroughput = float64(t.outputTokens) / window
	if span := t.measuredEnded - t.measuredBegan; span > 0 {
		r.BenchThroughput = float64(len(r.Measured)) / span.Seconds()
	}
	if t.reads > 0 {
		r.CoalescedReads = float64(t.coalesced) / float64(t.reads)
	}
	for _, outcome := range Outcomes() {
		if f := t.failures[outcome]; f != nil {
			r.Failures = append(r.Failures, *f)
		}
	}
	slices.SortFunc(r.Measured, func(a, b Observation) int { return int(a.Intended - b.Intended) })
	r.SendLag = distributionOf(t.lags)
	r.Broken = brokenPromises(r, s.probe.MaxSendLag, schedDelay, interrupted)
	if r.Valid() {
		r.Latencies = latenciesOf(r.Measured, r.ITL)
	} else {
		r.Measured, r.ITL = nil, nil
	}
	return r
}

func latenciesOf(measured []Observation, itl *Histogram) *Latencies {
	var ttft, tpot, e2e []float64
	for i := range measured {
		o := &measured[i]
		ttft = append(ttft, o.TTFT().Seconds())
		e2e = append(e2e, o.E2E().Seconds())
		if d, has := o.TPOT(); has {
			tpot = append(tpot, d.Seconds())
		}
	}
	return &Latencies{
		TTFT: distributionOf(ttft), TPOT: distributionOf(tpot),
		ITL: itl.Distribution(), E2E: distributionOf(e2e),
	}
}

// arm is an arm made ready: who is asked, and how.
type arm struct {
	Arm
	target   config.Target
	rates    []float64
	replicas []*url.URL
	balance  config.Balance
	client   *client
	model    ArmModel
}
