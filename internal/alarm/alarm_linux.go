package alarm

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timerfd waits on a timer of the kernel's through the runtime's network
// poller, which wakes an idle process to the microsecond where its own timers
// wake it to the millisecond. A busy process is the other way round: it looks at
// its timers before each goroutine that it runs, and polls when none is left to
// run. So both are set, and the first to expire ends the wait.
type timerfd struct {
	ctx       context.Context
	fd        int
	file      *os.File
	forgetCtx func() bool
	expired   [8]byte
}

// New returns the most punctual alarm there is.
func New(ctx context.Context) Alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return NewTimer(ctx)
	}
	a := &timerfd{ctx: ctx, fd: fd, file: os.NewFile(uintptr(fd), "timerfd")}
	a.forgetCtx = context.AfterFunc(ctx, func() { _ = a.set(0) })
	return a
}

func (a *timerfd) Wait(d time.Duration) bool {
	if d > 0 {
		// The context is looked at after the timer is set: a context that ends
		// later sets the timer again, to now.
		if a.set(d) != nil || a.file.SetReadDeadline(time.Now().Add(d)) != nil || a.ctx.Err() != nil {
			return false
		}
		if _, err := a.file.Read(a.expired[:]); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
	}
	return a.ctx.Err() == nil
}

// set lets the timer expire once, in d, or as good as now for 0, since the
// kernel takes a zero as an order to disarm.
func (a *timerfd) set(d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(d), 1))}
	return unix.TimerfdSettime(a.fd, 0, &spec, nil)
}

func (a *timerfd) Close() {
	a.forgetCtx()
	_ = a.file.Close()
}
