package prober

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"
)

// ReadGPUs reads the GPUs that serve a place's replicas, all of them once. With an
// error one of them is not known or cannot be read. It returns soon after ctx has
// ended, whatever a driver does.
type ReadGPUs func(ctx context.Context, place Place) ([]GPUReading, error)

// GPUReading is what a GPU told at one moment. Its counters begin anywhere, and
// anew when the driver is loaded.
type GPUReading struct {
	UUID string
	At   time.Time
	// EnergyJoules is counted; UtilizationRatio, from 0 to 1, is of a short time
	// before. What the GPU does not tell is NaN.
	EnergyJoules, UtilizationRatio float64
	// ThrottledSeconds counts for how long the clocks were held down, by reason. A
	// reason that the GPU does not tell is not there.
	ThrottledSeconds map[string]float64
}

// GPUResult is what the GPUs that serve an arm did during a step, all together.
// What they did not tell is nil.
type GPUResult struct {
	UUIDs []string `json:"uuids"`
	// PowerWatts is what they drew in the mean of the window, idle or not.
	PowerWatts *float64 `json:"power_watts,omitempty"`
	// UtilizationRatio is the mean share of the window in which a kernel ran, over
	// all GPUs.
	UtilizationRatio *float64 `json:"utilization_ratio,omitempty"`
	// JoulesPerOutputToken is their energy of the window over the output tokens that
	// came within it, and OutputTokensPerJoule its inverse. Both are nil for a step
	// that is not valid.
	JoulesPerOutputToken *float64 `json:"joules_per_output_token,omitempty"`
	OutputTokensPerJoule *float64 `json:"output_tokens_per_joule,omitempty"`
	// ThrottledSeconds is for how long the clocks were held down from the window's
	// opening to the step's end, by reason, of the GPU that they were held down the
	// longest.
	ThrottledSeconds map[string]float64 `json:"throttled_seconds,omitempty"`
}

// Throttled are the reasons that held down the clocks of one of the GPUs, sorted.
func (g *GPUResult) Throttled() (reasons []string) {
	for _, reason := range slices.Sorted(maps.Keys(g.ThrottledSeconds)) {
		if g.ThrottledSeconds[reason] > 0 {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

const (
	// gpuPeriod is the time between two readings of the GPUs within a step.
	gpuPeriod = time.Second / 2
	// gpuLimit is how long a reading may take. One that takes longer is missing.
	gpuLimit = time.Second
	// gpuGap is how far apart two readings may be for what was between them to be
	// known.
	gpuGap = 2 * time.Second
)

// meter reads the GPUs of the step's arm beside the step, until end is called. That
// waits for a last reading, for as long as one may take. Its error is why the latest
// reading failed of those that did, while the step went on.
func (s *stepRun) meter(ctx context.Context) (end func() ([]GPUReading, error)) {
	if s.readGPUs == nil {
		return func() ([]GPUReading, error) { return nil, nil }
	}
	ctx, cut := context.WithCancel(ctx)
	place := s.arm.place()
	var (
		all    []GPUReading
		failed error
	)
	read := func() (ok bool) {
		limited, done := context.WithTimeout(ctx, gpuLimit)
		defer done()
		readings, err := s.readGPUs(limited, place)
		all = append(all, readings...)
		if err != nil && ctx.Err() == nil {
			failed = err
		}
		return err == nil
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	began, edges := s.step.StartedAt, windowEdges(s.step, s.maxWindow)
	go func() {
		defer close(ended)
		for ok := read(); ; {
			due := time.NewTimer(time.Until(began.Add(nextReading(time.Since(began), edges))))
			select {
			case <-due.C:
				ok = read()
			case <-stop:
				due.Stop()
				if ok { // a driver that hangs is not waited for once more
					read()
				}
				return
			}
		}
	}()
	return func() ([]GPUReading, error) {
		close(stop)
		defer time.AfterFunc(gpuLimit, cut).Stop()
		<-ended
		cut()
		return all, failed
	}
}

// reportGPUs logs why a step's GPUs were not read, when that is another reason than
// before: what is so for good is said once, and not with each step.
func (p *Prober) reportGPUs(r *StepResult, failed error) {
	why := ""
	if failed != nil {
		why = failed.Error()
	}
	if why == p.unread[r.Arm] {
		return
	}
	p.unread[r.Arm] = why
	if failed != nil {
		p.o.Logger.Info("the GPUs could not be read, what they took may not be known", "probe", r.Probe, "run", r.RunID,
			"target", r.Arm.Target, "gpus", r.Arm.GPUs, "err", failed)
	}
}

// windowEdges are when a step's window opens and when it may close, from the step's
// beginning on.
func windowEdges(s Step, maxWindow time.Duration) []time.Duration {
	edges := []time.Duration{s.Warmup, s.Warmup + s.Window}
	for window := s.Window; window < maxWindow; {
		window = min(2*window, maxWindow)
		edges = append(edges, s.Warmup+window)
	}
	return edges
}

// nextReading is when to read next: once a period, and at each edge of the window,
// where a moment's difference would count.
func nextReading(now time.Duration, edges []time.Duration) time.Duration {
	next := now.Truncate(gpuPeriod) + gpuPeriod
	for _, edge := range edges {
		if edge > now {
			next = min(next, edge)
		}
	}
	return next
}

// gpuResult is what readings tell of a step whose window opened and closed then,
// without its tokens. It is nil where there are none.
func gpuResult(readings []GPUReading, opened, closed time.Time) *GPUResult {
	byGPU := map[string][]GPUReading{}
	for _, r := range readings {
		byGPU[r.UUID] = append(byGPU[r.UUID], r)
	}
	if len(byGPU) == 0 {
		return nil
	}
	result := &GPUResult{UUIDs: slices.Sorted(maps.Keys(byGPU)), ThrottledSeconds: map[string]float64{}}
	energy, utilization := 0.0, 0.0
	for _, uuid := range result.UUIDs {
		of := byGPU[uuid]
		energy += energyBetween(of, opened, closed)
		utilization += meanUtilization(of, opened, closed) / float64(len(byGPU))
		for reason, seconds := range throttledSince(of, opened) {
			result.ThrottledSeconds[reason] = max(result.ThrottledSeconds[reason], seconds)
		}
	}
	result.PowerWatts, result.UtilizationRatio = known(energy/closed.Sub(opened).Seconds()), known(utilization)
	return result
}

// known is a figure, or nil for one that is none.
func known(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// energyBetween is the energy of a GPU between two times, in joules. It is NaN where
// that is not known: where readings are missing, or where the counter began anew.
func energyBetween(readings []GPUReading, from, to time.Time) float64 {
	for i := 1; i < len(readings); i++ {
		if readings[i].EnergyJoules < readings[i-1].EnergyJoules && readings[i].At.After(from) && readings[i-1].At.Before(to) {
			return math.NaN()
		}
	}
	return energyAt(readings, to) - energyAt(readings, from)
}

// energyAt is a GPU's counter of energy at a time: on the line between the readings
// before and after it, or, up to a period outside of all of them, on the line
// through the two that are next.
func energyAt(readings []GPUReading, at time.Time) float64 {
	if len(readings) < 2 {
		return math.NaN()
	}
	next := slices.IndexFunc(readings, func(r GPUReading) bool { return !r.At.Before(at) })
	if next < 0 {
		next = len(readings) - 1
	}
	a, b := readings[max(next, 1)-1], readings[max(next, 1)]
	between := b.At.Sub(a.At)
	if between <= 0 || between > gpuGap || a.At.Sub(at) > gpuPeriod || at.Sub(b.At) > gpuPeriod {
		return math.NaN()
	}
	return a.EnergyJoules + (b.EnergyJoules-a.EnergyJoules)*at.Sub(a.At).Seconds()/between.Seconds()
}

// meanUtilization is the mean of a GPU's readings within a time; NaN where there is
// none.
func meanUtilization(readings []GPUReading, from, to time.Time) float64 {
	sum, n := 0.0, 0
	for _, r := range readings {
		if !r.At.Before(from) && !r.At.After(to) {
			sum += r.UtilizationRatio
			n++
		}
	}
	return sum / float64(n)
}

// throttledSince is by how much the counters of a GPU's throttling have grown from
// the latest reading before a time to the last one. A counter that began anew has
// grown by what it shows.
func throttledSince(readings []GPUReading, from time.Time) map[string]float64 {
	grown := map[string]float64{}
	first := readings[0]
	for _, r := range readings {
		if !r.At.After(from) {
			first = r
		}
	}
	last := readings[len(readings)-1]
	for reason, after := range last.ThrottledSeconds {
		before, told := first.ThrottledSeconds[reason]
		switch {
		case !told:
		case after < before:
			grown[reason] = after
		default:
			grown[reason] = after - before
		}
	}
	return grown
}

// perToken puts the tokens that came within the window to the energy of the window.
func (g *GPUResult) perToken(tokens float64, window time.Duration) {
	if g.PowerWatts == nil {
		return
	}
	energy := *g.PowerWatts * window.Seconds()
	g.JoulesPerOutputToken, g.OutputTokensPerJoule = known(energy/tokens), known(tokens/energy)
}

// deliveredWithin is how many of a request's tokens came between two times: the
// first when it did, the others evenly between it and the last.
func (e *ended) deliveredWithin(from, to time.Duration) float64 {
	if e.tokens == 0 || e.firstToken == 0 {
		return 0
	}
	within := func(at time.Duration) float64 {
		if at > from && at <= to {
			return 1
		}
		return 0
	}
	others := float64(e.tokens - 1)
	span := e.lastToken - e.firstToken
	if span <= 0 {
		return (1 + others) * within(e.firstToken)
	}
	overlap := max(0, min(to, e.lastToken)-max(from, e.firstToken))
	return within(e.firstToken) + others*overlap.Seconds()/span.Seconds()
}
