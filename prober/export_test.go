package prober

import (
	"context"
	"net/url"
	"sync/atomic"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/workload"
)

// RaceEnabled says whether the race detector is on, under which everything takes
// ten times as long.
const RaceEnabled = raceEnabled

// Ask makes one request, for tests of what the preflight would have refused.
func Ask(ctx context.Context, replica string, connect time.Duration) Observation {
	c, err := newClient(config.DefaultTarget(), config.Timeouts{
		Connect: connect, FirstToken: time.Second, Stall: time.Second, Total: 5 * time.Second,
	}, nil)
	if err != nil {
		panic(err)
	}
	u, err := url.Parse(replica)
	if err != nil {
		panic(err)
	}
	o, _ := c.do(ctx, u.JoinPath("/"), workload.Request{Path: "/v1/completions", Body: []byte("{}"), OutputTokens: 1}, "id", now(), new(atomic.Int64), nil)
	return o
}
