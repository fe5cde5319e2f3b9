package live

import (
	"sync"
	"time"

	"vllm_prober/prober"
)

// Minute is how many seconds are kept.
const Minute = 60

// Second is what ended within a second of the clock.
type Second struct {
	At time.Time `json:"at"`
	// Answers is how many requests ended ok; TTFT and TPOT are their means in seconds.
	// TPOT is 0 where no answer had two tokens.
	Answers int     `json:"answers"`
	TTFT    float64 `json:"ttft_seconds"`
	TPOT    float64 `json:"tpot_seconds"`
}

// pulse is the latencies of the last minute, second by second.
type pulse struct {
	mu   sync.Mutex
	ring [Minute]tally // by the second of the clock
}

type tally struct {
	second        int64 // since 1970
	answers, tpot int   // how many have each
	ttftSum       time.Duration
	tpotSum       time.Duration
}

// add counts a request that was ok and has just ended.
func (p *pulse) add(now time.Time, o *prober.Observation) {
	tpot, has := o.TPOT()
	second := now.Unix()
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &p.ring[second%Minute]
	if t.second != second {
		*t = tally{second: second}
	}
	t.answers++
	t.ttftSum += o.TTFT()
	if has {
		t.tpot++
		t.tpotSum += tpot
	}
}

// newest are the seconds of the last minute in which answers ended, the oldest first.
func (p *pulse) newest(now time.Time) []Second {
	p.mu.Lock()
	ring := p.ring
	p.mu.Unlock()
	seconds := []Second{}
	for second := now.Unix() - Minute + 1; second <= now.Unix(); second++ {
		t := &ring[second%Minute]
		if t.second != second || t.answers == 0 {
			continue
		}
		s := Second{At: time.Unix(second, 0).UTC(), Answers: t.answers, TTFT: t.ttftSum.Seconds() / float64(t.answers)}
		if t.tpot > 0 {
			s.TPOT = t.tpotSum.Seconds() / float64(t.tpot)
		}
		seconds = append(seconds, s)
	}
	return seconds
}
