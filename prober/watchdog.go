package prober

import (
	"context"
	"sync/atomic"
	"time"

	"vllm_prober/internal/config"
)

// watchdog ends a request that makes no progress. Progress costs it one atomic
// store: its timer looks at the deadline of the moment when it fires, and is not
// moved at every token.
type watchdog struct {
	limits config.Timeouts
	begun  instant
	cancel context.CancelCauseFunc
	timer  *time.Timer
	look   time.Duration // the longest sleep: no deadline can come nearer than this

	handshaking          atomic.Bool  // TLS has begun
	connected, lastToken atomic.Int64 // instants; 0 is not yet
}

// watch starts a watchdog that cancels with the failure as the cause. Its
// owner calls stop.
func watch(limits config.Timeouts, cancel context.CancelCauseFunc) *watchdog {
	w := &watchdog{
		limits: limits, begun: now(), cancel: cancel,
		look: min(limits.Connect, limits.FirstToken, limits.Stall, limits.Total),
	}
	w.timer = time.AfterFunc(time.Hour, w.check)
	w.timer.Reset(w.look)
	return w
}

func (w *watchdog) stop() { w.timer.Stop() }

func (w *watchdog) check() {
	at, deadline := now(), w.deadline()
	if at >= deadline {
		w.cancel(w.failure())
		return
	}
	w.timer.Reset(min(deadline-at, w.look))
}

func (w *watchdog) deadline() instant {
	deadline := w.begun + w.limits.Connect
	if token := instant(w.lastToken.Load()); token > 0 {
		deadline = token + w.limits.Stall
	} else if connected := instant(w.connected.Load()); connected > 0 {
		deadline = connected + w.limits.FirstToken
	}
	return min(deadline, w.begun+w.limits.Total)
}

func (w *watchdog) failure() *failure {
	switch {
	case now() >= w.begun+w.limits.Total:
		return failf(TimeoutTotal, "not ended within %s", w.limits.Total)
	case w.lastToken.Load() > 0:
		return failf(TimeoutStall, "no further token within %s", w.limits.Stall)
	case w.connected.Load() > 0:
		return failf(TimeoutFirstToken, "no token within %s", w.limits.FirstToken)
	case w.handshaking.Load():
		return failf(TLS, "no TLS handshake within %s", w.limits.Connect)
	default:
		return failf(Connect, "no connection within %s", w.limits.Connect)
	}
}
