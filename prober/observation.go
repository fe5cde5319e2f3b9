package prober

import "time"

// Phase is the part of a step that a request was intended in.
type Phase string

// The phases of a step.
const (
	Warmup Phase = "warmup"
	Window Phase = "window"
	Drain  Phase = "drain"
)

// Phases lists the phases in their order.
func Phases() []Phase { return []Phase{Warmup, Window, Drain} }

// Observation is one request as it was seen. Its times lie on one monotonic
// clock, counted from the step's beginning; 0 is what did not happen.
type Observation struct {
	// ID was sent as X-Request-Id.
	ID      string
	Replica string
	Phase   Phase
	Outcome Outcome
	// Err says what went wrong; empty for OK.
	Err string

	// Intended is the pacer's time, Sent that of the request's last byte,
	// Headers that of the answer's first, End that of the last.
	Intended, Sent, Headers, FirstToken, LastToken, End time.Duration
	// Connecting is how long the request waited for a new connection.
	Connecting time.Duration

	// The server's own counts of tokens; CachedTokens are those of the prompt
	// that its prefix cache held, where it says so.
	PromptTokens, OutputTokens, CachedTokens int
	// Reads counts the reads that brought tokens, CoalescedReads those of them
	// that brought several chunks: their gaps are shorter than the server's.
	Reads, CoalescedReads int
}

// TTFT is the time to first token, from the intended time on: what a user waits
// who wanted to ask then, however late the prober was.
func (o *Observation) TTFT() time.Duration { return o.FirstToken - o.Intended }

// TPOT is the time per output token after the first. It says false for an
// answer of fewer than two tokens, which has none.
func (o *Observation) TPOT() (time.Duration, bool) {
	if o.OutputTokens < 2 {
		return 0, false
	}
	return (o.LastToken - o.FirstToken) / time.Duration(o.OutputTokens-1), true
}

// E2E is the time from the intended time to the last token.
func (o *Observation) E2E() time.Duration { return o.LastToken - o.Intended }

// SendLag is how much later than intended the request was sent through the
// prober's own fault: the making of a connection is the network's and the
// server's time. It is 0 where nothing was sent.
func (o *Observation) SendLag() time.Duration {
	if o.Sent == 0 {
		return 0
	}
	return o.Sent - o.Intended - o.Connecting
}

// since moves the instants to a clock that begins at start.
func (o *Observation) since(start instant) {
	for _, t := range []*time.Duration{&o.Sent, &o.Headers, &o.FirstToken, &o.LastToken, &o.End} {
		if *t != 0 {
			*t -= start
		}
	}
	o.Intended -= start
}
