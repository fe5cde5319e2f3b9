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
	watcher  Watcher                     // may be nil
	readGPUs ReadGPUs                    // may be nil
	changes  func() []Change             // ends the watch over the arm's target

	begin instant
	next  int // the replica that is next in turn

	// maxWindow is how long the window may become while what the step is to tell is
	// open; base is as in judgement.
	maxWindow time.Duration
	base      float64

	// window is the length that the window has by now. The goroutine that offers
	// the load sets it.
	window time.Duration

	// holds counts what the load has to go on for: the measured requests in
	// flight, and the window. At 0 the load ends.
	holds   atomic.Int64
	endLoad context.CancelFunc

	mu       sync.Mutex
	tally    tally
	flights  map[*flight]struct{}
	inFlight []int  // by replica
	loads    []Load // by replica
	watched  watched
	metered  []GPUReading
	unread   error // why GPUs were not read
}

// flight is a request in flight.
type flight struct {
	replica  int
	intended instant
	first    atomic.Int64 // instant of the first token; 0 before
}

// tally is what a step's requests add up to.
type tally struct {
	result        StepResult
	ended         []ended
	lags          []float64
	failures      map[Outcome]*Failure
	reads         int
	coalesced     int
	measuredBegan instant
	measuredEnded instant
}

// ended is a request of any phase that has ended, as far as it matters once
// the window's length is known.
type ended struct {
	seen

	tokens    int
	lastToken time.Duration // 0 where there was none
}

// run makes the step. When soft ends, no more requests are sent and those in
// flight may end; when hard ends, they are cut.
func (s *stepRun) run(hard, soft context.Context) *StepResult {
	s.window = s.step.Window
	s.flights = map[*flight]struct{}{}
	load, endLoad := context.WithCancel(soft)
	defer endLoad()
	defer context.AfterFunc(hard, endLoad)()
	s.endLoad = endLoad
	flight, cut := context.WithCancelCause(context.WithoutCancel(hard))
	defer context.AfterFunc(hard, func() { cut(errAborted) })()

	s.inFlight, s.loads = make([]int, len(s.arm.replicas)), make([]Load, len(s.arm.replicas))
	endWatch := s.watch(hard, func() { endLoad(); cut(errAborted) })
	s.step.StartedAt = time.Now()
	endMeter := s.meter(hard)
	s.tally = tally{
		result:   StepResult{Step: s.step, Outcomes: map[Phase]map[Outcome]int{}, ITL: &Histogram{}},
		failures: map[Outcome]*Failure{},
	}
	s.observer.StepStarted(s.step)
	delayP99 := s.delays()

	s.begin = now()
	s.holds.Store(1)

	var flights sync.WaitGroup
	s.offer(load, flight, &flights)
	interrupted := soft.Err() != nil || hard.Err() != nil
	if !interrupted && s.probe.Heartbeat == nil { // a heartbeat goes on, and has no reason to cut anything
		cut(errAborted)
	}
	flights.Wait()
	cut(errAborted)
	delay := delayP99()
	var last sync.WaitGroup
	last.Go(func() { s.metered, s.unread = endMeter() })
	endWatch()
	last.Wait()
	return s.result(interrupted, delay)
}

// offer sends requests at their times until load ends. It waits for nothing but
// the next arrival: that is what makes the loop open.
func (s *stepRun) offer(load, flying context.Context, flights *sync.WaitGroup) {
	arrival := s.alarm(load)
	defer arrival.Close()
	// A goroutine that has made a request waits here for another one to make: a
	// new one would first have to grow its stack, at the cost of that request.
	idle := make(chan func())
	defer close(idle)
	number, drains := 0, false
	ids := s.step.id()
	for offset := range Arrivals(s.probe.Pacing, s.step.RequestRate, s.step.Seed) {
		for !drains && offset >= s.step.Warmup+s.window {
			if !arrival.Wait(s.begin + s.step.Warmup + s.window - now()) {
				return
			}
			if drains = !s.extend(); drains {
				defer time.AfterFunc(s.step.MaxDrain, s.endLoad).Stop()
				s.release()
			}
		}
		phase := s.phase(offset)
		request := s.requests.Next() // made while there is time
		if !arrival.Wait(s.begin + offset - now()) {
			return
		}
		number++
		f := &flight{intended: s.begin + offset}
		if !s.admit(f, phase) {
			continue
		}
		s.observer.RequestSent(s.step)
		id := fmt.Sprintf("%s-%d", ids, number)
		ask := func() { s.request(flying, f, phase, request, id) }
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

// phase is the phase of a request that is intended at offset.
func (s *stepRun) phase(offset time.Duration) Phase {
	switch {
	case offset < s.step.Warmup:
		return Warmup
	case offset < s.step.Warmup+s.window:
		return Window
	default:
		return Drain
	}
}

// extend is called at the end of the window, and doubles it where the step may
// go on and what it is to tell is open.
func (s *stepRun) extend() bool {
	longer := min(2*s.window, s.maxWindow)
	if longer <= s.window {
		return false
	}
	s.mu.Lock()
	known := s.known()
	s.mu.Unlock()
	if !s.judgement().isOpen(known) {
		return false
	}
	s.window = longer
	return true
}

// judgement is a look at the step now.
func (s *stepRun) judgement() judgement {
	attainment := 0.0
	if s.probe.SLO.IsSet() {
		attainment = s.probe.SLO.Attainment
	}
	return judgement{
		attainment: attainment, rate: s.step.RequestRate, replicas: len(s.arm.replicas), warmup: s.step.Warmup, window: s.window, at: now() - s.begin,
		base: s.base, dispersion: dispersion(s.probe.Pacing),
	}
}

// known is what is known now of all requests. The step's lock is held.
func (s *stepRun) known() []seen {
	requests := make([]seen, 0, len(s.tally.ended)+len(s.flights))
	for _, e := range s.tally.ended {
		requests = append(requests, e.seen)
	}
	for f := range s.flights {
		in := seen{replica: f.replica, intended: f.intended - s.begin}
		if first := instant(f.first.Load()); first != 0 {
			in.firstToken = first - s.begin
		}
		requests = append(requests, in)
	}
	return requests
}

// admit counts an arrival and says whether it may be sent, and where.
func (s *stepRun) admit(f *flight, phase Phase) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if phase == Window {
		s.tally.result.Offered++
	}
	if len(s.flights) >= s.probe.MaxInFlight {
		s.tally.result.Dropped++
		return false
	}
	if phase == Window {
		s.holds.Add(1)
	}
	f.replica = s.pick()
	s.inFlight[f.replica]++
	s.flights[f] = struct{}{}
	return true
}

// pick chooses the next request's replica. The step's lock is held.
func (s *stepRun) pick() int {
	n := len(s.arm.replicas)
	turn := s.next
	s.next = (s.next + 1) % n
	if s.arm.balance != config.LeastInFlight {
		return turn
	}
	best := turn
	for i := range n {
		if at := (turn + i) % n; s.inFlight[at] < s.inFlight[best] {
			best = at
		}
	}
	return best
}

var gapsPool = sync.Pool{New: func() any { return new([]gap) }}

func (s *stepRun) request(ctx context.Context, f *flight, phase Phase, request workload.Request, id string) {
	scratch := gapsPool.Get().(*[]gap)
	defer gapsPool.Put(scratch)
	obs, gaps := s.arm.client.do(ctx, s.arm.replicas[f.replica], request, id, f.intended, &f.first, (*scratch)[:0])
	*scratch = gaps
	obs.Phase = phase
	obs.since(s.begin)

	s.mu.Lock()
	s.inFlight[f.replica]--
	delete(s.flights, f)
	s.tally.add(f.replica, Good(s.probe.SLO, &obs), &obs, gaps)
	s.loads[f.replica].add(&request, &obs)
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

func (t *tally) add(replica int, good bool, obs *Observation, gaps []gap) {
	r := &t.result
	byOutcome := r.Outcomes[obs.Phase]
	if byOutcome == nil {
		byOutcome = map[Outcome]int{}
		r.Outcomes[obs.Phase] = byOutcome
	}
	byOutcome[obs.Outcome]++
	t.ended = append(t.ended, ended{
		seen:   seen{replica, obs.Intended, obs.FirstToken, obs.End, obs.Outcome, obs.Outcome == OK && good},
		tokens: obs.OutputTokens, lastToken: obs.LastToken,
	})
	if obs.Outcome != OK && (obs.Outcome != Aborted || obs.Phase == Window) { // what the step's own end cut is no failure of anyone
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
	r.Window = s.window
	s.watched.note(t)
	tokens, kept, delivered := 0, 0, 0.0
	for _, e := range t.ended {
		delivered += e.deliveredWithin(s.step.Warmup, s.step.Warmup+s.window)
		if e.good && s.phase(e.intended) == Window {
			kept++
		}
		if e.outcome == OK && s.phase(e.end) == Window {
			r.Completed++
			tokens += e.tokens
			if e.good {
				r.Good++
			}
		}
	}
	window := s.window.Seconds()
	r.Throughput = float64(r.Completed) / window
	r.Goodput = float64(r.Good) / window
	r.OutputTokenThroughput = float64(tokens) / window
	r.Saturated = Undetermined
	opened := s.step.StartedAt.Add(s.step.Warmup)
	r.GPU = gpuResult(s.metered, opened, opened.Add(s.window))
	if r.Offered > 0 {
		r.Attainment = float64(kept) / float64(r.Offered)
	}
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
	r.Broken = slices.Concat(brokenPromises(r, s.probe.MaxSendLag, schedDelay, interrupted), r.Broken, brokenByChanges(s.changes()))
	if r.Valid() {
		j, all := s.judgement(), s.known()
		r.Saturated = j.saturation(all)
		r.SettledThroughput = j.plateau(all)
		r.Latencies = latenciesOf(r.Measured, r.ITL)
		r.Batches = batchesOf(r.Step, r.Measured, t.ended)
		if r.GPU != nil {
			r.GPU.perToken(delivered, s.window)
		}
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
	wanted   int // how many replicas the configuration says, 0 for all
	rates    []float64
	replicas []*url.URL
	asked    map[string]bool // base URLs of replicas that this run has asked what they serve
	balance  config.Balance
	client   *client
	prepare  *config.Prepare // nil where its engines run already
	model    ArmModel
}
