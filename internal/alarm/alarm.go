// Package alarm waits for moments as punctually as the system can.
package alarm

import (
	"context"
	"time"
)

// Alarm waits for one moment after the other.
type Alarm interface {
	// Wait returns true after d, or false once the alarm's context is done.
	Wait(d time.Duration) bool
	// Close frees what the alarm holds.
	Close()
}

// timer waits by Go's timers. An idle Go process sleeps in whole milliseconds,
// so it is late by 0.6 ms in the mean; and it is the one that works in synthetic
// time.
type timer struct {
	ctx   context.Context
	timer *time.Timer
}

// NewTimer returns an alarm of Go's own timers, for any system and for synthetic
// time.
func NewTimer(ctx context.Context) Alarm { return &timer{ctx, time.NewTimer(time.Hour)} }

func (a *timer) Wait(d time.Duration) bool {
	a.timer.Reset(d)
	select {
	case <-a.timer.C:
		return a.ctx.Err() == nil
	case <-a.ctx.Done():
		return false
	}
}

func (a *timer) Close() { a.timer.Stop() }
