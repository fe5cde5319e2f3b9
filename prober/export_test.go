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

// FindAnswer lets a search with the default limits find what an arm bears and up to where a
// share of its requests keep the SLO, beginning at a ladder's rate and at what is known
// already. step answers for the arm.
func FindAnswer(arm Arm, ladder, attainment float64, known Answer, step func(rate float64) *StepResult) Answer {
	s := search{Search: config.DefaultSearch(), arm: arm, slo: true, attain: attainment, lowest: 0.1, before: known}
	s.add(step(ladder))
	for rate, more := s.next(); more; rate, more = s.next() {
		s.add(step(rate))
	}
	return s.answer()
}
