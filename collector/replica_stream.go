package collector

import (
	"time"

	"vllm_prober/prober"
)

// stream is what the prober's requests have shown of whether a replica's engine
// makes tokens. It comes out the same in whatever order the requests end.
type stream struct {
	// token is when the latest token came, of all requests that have ended.
	token time.Time
	// silence is since when, at the latest, a request has waited in vain for one.
	silence time.Time
}

// take takes a request that has ended. A token is proof, whatever became of the
// rest of the answer. None within its time, or a failure in its place, is proof of
// the contrary, unless another request had a token in the meantime: then it was
// this request's own bad luck. What never came as far as the engine proves nothing.
func (s *stream) take(began time.Time, o *prober.Observation) {
	if o.FirstToken > 0 {
		s.token = latest(s.token, began.Add(o.LastToken))
	}
	switch o.Outcome {
	case prober.TimeoutStall:
		s.silence = latest(s.silence, began.Add(o.LastToken))
	case prober.Connect, prober.TLS, prober.HTTP5xx, prober.StreamError, prober.Truncated, prober.ShortOutput,
		prober.TimeoutFirstToken, prober.TimeoutTotal:
		if o.FirstToken == 0 {
			s.silence = latest(s.silence, began.Add(max(o.Sent, o.Intended)))
		}
	case prober.OK, prober.Aborted, prober.HTTP4xx, prober.HTTP429, prober.HTTP503:
		// Cut by the prober itself, or refused before the engine.
	}
}

// isUp says whether the engine makes tokens. It says false where no request has
// shown that since the engine started.
func (s *stream) isUp(started time.Time) (up, known bool) {
	return s.token.After(s.silence), latest(s.token, s.silence).After(started)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
