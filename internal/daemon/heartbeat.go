package daemon

import (
	"errors"
	"time"

	"vllm_prober/prober"
)

// beat makes the windows of a heartbeat, one after the other and the arms in turn.
// It takes its turn at the replicas for one window at a time: runs that wait for
// them get theirs in between.
func (p *probe) beat() {
	arms := p.definition.probe.Arms
	warm := make([]bool, len(arms)) // those whose window follows another one
	for i := 0; ; i = (i + 1) % len(arms) {
		if p.isPaused() {
			clear(warm)
			p.enter(idle)
			if _, ok := p.await(time.Time{}); !ok {
				return
			}
			continue
		}
		mine := &turn{
			probe: p.definition.probe.Name, replicas: p.replicasOf(arms[i:i+1], p.definition.targets[i:i+1]), yields: true,
		}
		p.enter(waiting)
		if !p.turns.take(p.ctx, mine) {
			p.enter(idle)
			return
		}
		if mine.waited {
			clear(warm)
		}
		p.enter(running)
		_, err := p.prober.Window(p.hard, i, warm[i])
		p.turns.give(mine)
		warm[i] = true
		if _, early := errors.AsType[*prober.EarlyError](err); err != nil && !early {
			clear(warm)
			p.enter(idle)
			p.log.Error("window of the heartbeat failed", "err", err)
			if _, ok := p.await(time.Now().Add(pauseAfterFailure)); !ok {
				return
			}
		}
		if p.ctx.Err() != nil {
			p.enter(idle)
			return
		}
	}
}
