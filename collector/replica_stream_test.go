package collector

import (
	"slices"
	"testing"
	"time"

	"vllm_prober/prober"
)

func TestStream(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const s = time.Second
	ok := prober.Observation{Outcome: prober.OK, Sent: 10 * s, FirstToken: 11 * s, LastToken: 12 * s, End: 12 * s}
	failed := func(outcome prober.Outcome, sent, end time.Duration) prober.Observation {
		return prober.Observation{Outcome: outcome, Intended: sent, Sent: sent, End: end}
	}
	stalled := prober.Observation{Outcome: prober.TimeoutStall, Sent: 9 * s, FirstToken: 10 * s, LastToken: 12 * s, End: 42 * s}
	late := prober.Observation{Outcome: prober.OK, Sent: 20 * s, FirstToken: 30 * s, LastToken: 31 * s, End: 31 * s}
	cut := prober.Observation{Outcome: prober.Aborted, Sent: 20 * s, FirstToken: 30 * s, LastToken: 31 * s, End: 31 * s}
	for name, tt := range map[string]struct {
		ended   []prober.Observation
		started time.Duration // of the engine
		up      bool
		known   bool
	}{
		"no request":               {nil, 0, false, false},
		"an answer":                {[]prober.Observation{ok}, 0, true, true},
		"no token in its time":     {[]prober.Observation{failed(prober.TimeoutFirstToken, 10*s, 70*s)}, 0, false, true},
		"no token after an answer": {[]prober.Observation{ok, failed(prober.TimeoutFirstToken, 13*s, 73*s)}, 0, false, true},
		"one waited in vain while another did not":  {[]prober.Observation{failed(prober.TimeoutFirstToken, 5*s, 65*s), ok}, 0, true, true},
		"an answer after one waited in vain":        {[]prober.Observation{failed(prober.TimeoutFirstToken, 10*s, 19*s), late}, 0, true, true},
		"tokens, then silence":                      {[]prober.Observation{ok, stalled}, 0, false, true},
		"silence of one alone":                      {[]prober.Observation{stalled, late}, 0, true, true},
		"tokens of an answer that was cut":          {[]prober.Observation{failed(prober.HTTP5xx, 10*s, 11*s), cut}, 0, true, true},
		"the engine fails":                          {[]prober.Observation{ok, failed(prober.HTTP5xx, 13*s, 14*s)}, 0, false, true},
		"an error in place of the first token":      {[]prober.Observation{ok, failed(prober.StreamError, 13*s, 14*s)}, 0, false, true},
		"an answer of no token":                     {[]prober.Observation{ok, failed(prober.ShortOutput, 13*s, 14*s)}, 0, false, true},
		"nothing listens":                           {[]prober.Observation{{Outcome: prober.Connect, Intended: 13 * s, End: 13 * s}}, 0, false, true},
		"refused before the engine":                 {[]prober.Observation{failed(prober.HTTP429, 1*s, 2*s), failed(prober.HTTP503, 1*s, 2*s)}, 0, false, false},
		"a wrong key after an answer":               {[]prober.Observation{ok, failed(prober.HTTP4xx, 13*s, 14*s)}, 0, true, true},
		"cut by the prober before the first token":  {[]prober.Observation{ok, failed(prober.Aborted, 13*s, 60*s)}, 0, true, true},
		"the engine has been started anew since":    {[]prober.Observation{ok, failed(prober.TimeoutFirstToken, 13*s, 73*s)}, 80 * s, false, false},
		"an answer of the engine that started anew": {[]prober.Observation{failed(prober.TimeoutFirstToken, 5*s, 65*s), late}, 15 * s, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			var forth, back stream
			for i := range tt.ended {
				forth.take(began, &tt.ended[i])
			}
			for _, o := range slices.Backward(tt.ended) {
				back.take(began, &o)
			}
			if forth != back {
				t.Errorf("%+v in the one order, %+v in the other", forth, back)
			}
			up, known := forth.isUp(began.Add(tt.started))
			if known != tt.known || known && up != tt.up {
				t.Errorf("up %t, known %t, want %t, %t", up, known, tt.up, tt.known)
			}
		})
	}
}

// Every outcome has been thought of: it is proof of tokens, of none, or of nothing.
func TestStreamOfEveryOutcome(t *testing.T) {
	proofs := map[prober.Outcome]bool{
		prober.Connect: true, prober.TLS: true, prober.HTTP5xx: true, prober.StreamError: true, prober.Truncated: true,
		prober.ShortOutput: true, prober.TimeoutFirstToken: true, prober.TimeoutStall: true, prober.TimeoutTotal: true,
	}
	for _, outcome := range prober.Outcomes() {
		var s stream
		s.take(time.Unix(1, 0), &prober.Observation{Outcome: outcome, Sent: time.Second, LastToken: time.Second})
		if _, known := s.isUp(time.Time{}); known != proofs[outcome] {
			t.Errorf("%s without a token: known %t, want %t", outcome, known, proofs[outcome])
		}
	}
}
