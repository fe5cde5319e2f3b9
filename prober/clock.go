package prober

import "time"

// epoch is the zero of every instant. It lies long before the process, so that an
// instant is above 0 also in a test's synthetic time, which begins in 2000.
var epoch = time.Now().Add(-100 * 365 * 24 * time.Hour)

// instant is a point on the monotonic clock, as the time since
// epoch. All of a request's times are instants: a step of the wall clock cannot
// touch a latency, and an instant fits in an atomic.
type instant = time.Duration

func now() instant { return time.Since(epoch) }
