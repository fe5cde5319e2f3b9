package daemon

import (
	"context"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// calmLook is how often the daemon looks whether a heartbeat is within its limit
// again.
const calmLook = time.Second

// pulseOf is how to feel the heartbeat of a name as it then is, and how old what is
// felt may be: each arm has had a window since, even one that hung.
func (d *Daemon) pulseOf(cfg *config.Config, name string) (pulse func() (prober.Pulse, bool), recent time.Duration) {
	if p, has := cfg.Probe(name); has {
		steps := p.Steps()
		recent = 2 * time.Duration(len(p.Arms)) * (steps.Warmup + steps.Window + steps.Drain)
	}
	return func() (prober.Pulse, bool) {
		d.mu.Lock()
		heartbeat := d.probes[name]
		d.mu.Unlock()
		if heartbeat == nil {
			return prober.Pulse{}, false
		}
		return heartbeat.prober.Pulse()
	}, recent
}

// over is the limit on the heartbeat's TTFT, if it is not kept now.
func (p *probe) over() *prober.Trip {
	if p.pulse == nil {
		return nil
	}
	limit := p.definition.probe.Guard.HeartbeatTTFT
	trip := &prober.Trip{Limit: config.HeartbeatTTFT, Action: config.Wait, Allowed: limit.Seconds()}
	switch felt, ok := p.pulse(); {
	case !ok:
		trip.Unseen = "the heartbeat has not had a window yet"
	case time.Since(felt.At) > p.recent:
		trip.Unseen = "the heartbeat's latest window ended at " + felt.At.Format(time.RFC3339)
	case felt.TTFT <= limit:
		return nil
	default:
		trip.Value = felt.TTFT.Seconds()
	}
	return trip
}

// takeCalm takes a turn at a moment at which the guard's heartbeat is within its
// limit. While it is not, the turn is given up, so that a heartbeat on the same
// replicas can beat. It says false if the probe ends first, and returns the limit,
// without the turn, if that is not kept for wait_at_most.
func (p *probe) takeCalm(wanted *turn) (over *prober.Trip, ok bool) {
	var since time.Time
	for {
		if !p.turns.take(p.ctx, wanted) {
			return nil, false
		}
		over := p.over()
		if over == nil {
			return nil, true
		}
		p.turns.give(wanted)
		switch {
		case since.IsZero():
			since = time.Now()
			p.log.Warn("guard: a limit was passed", "limit", over.Limit, "action", over.Action, "detail", over)
			p.metrics.GuardTripped(*over)
		case time.Since(since) >= p.definition.probe.Guard.WaitAtMost:
			return over, true
		}
		if !rest(p.ctx, calmLook) {
			return nil, false
		}
	}
}

// rest waits, and says false if ctx ends first.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
