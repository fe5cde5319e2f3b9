package prober

import "time"

// epoch is the zero of every instant.
var epoch = time.Now()

// instant is a point on the monotonic clock, as the time since the process
// began. All of a request's times are instants: a step of the wall clock cannot
// touch a latency, and an instant fits in an atomic.
type instant = time.Duration

func now() instant { return time.Since(epoch) }
