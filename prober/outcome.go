package prober

import (
	"errors"
	"fmt"
	"net/http"
)

// Outcome says how a request ended. Each request has exactly one.
type Outcome string

// The outcomes. Only OK requests enter a latency distribution.
const (
	// OK is a whole answer of the length that was asked for.
	OK Outcome = "ok"
	// Connect is no TCP connection: refused, unreachable, unresolved, too slow.
	Connect Outcome = "connect"
	// TLS is a failed TLS handshake.
	TLS Outcome = "tls"
	// HTTP4xx is any status but 200, 429 and 5xx, redirects included: a load
	// generator that followed redirects would measure two requests as one.
	HTTP4xx Outcome = "http_4xx"
	// HTTP429 is the status 429.
	HTTP429 Outcome = "http_429"
	// HTTP503 is the status 503: unavailable, or refused by admission control.
	HTTP503 Outcome = "http_503"
	// HTTP5xx is any other status from 500 on.
	HTTP5xx Outcome = "http_5xx"
	// StreamError is an error told within the stream, or what is no stream.
	StreamError Outcome = "stream_error"
	// Truncated is a connection or a stream that ended before its announced end.
	Truncated Outcome = "truncated"
	// ShortOutput is a whole answer with fewer tokens than were asked for.
	ShortOutput Outcome = "short_output"
	// TimeoutFirstToken is no token within Timeouts.FirstToken.
	TimeoutFirstToken Outcome = "timeout_first_token"
	// TimeoutStall is no further token within Timeouts.Stall.
	TimeoutStall Outcome = "timeout_stall"
	// TimeoutTotal is no end within Timeouts.Total.
	TimeoutTotal Outcome = "timeout_total"
	// Aborted is a request that the prober itself cut: at the end of a step, at
	// the drain limit, or at a shutdown.
	Aborted Outcome = "aborted"
)

// Outcomes lists all outcomes, in the order of a request's life.
func Outcomes() []Outcome {
	return []Outcome{
		OK, Connect, TLS, HTTP4xx, HTTP429, HTTP503, HTTP5xx, StreamError, Truncated,
		ShortOutput, TimeoutFirstToken, TimeoutStall, TimeoutTotal, Aborted,
	}
}

// statusOutcome is the outcome of an HTTP status other than 200.
func statusOutcome(status int) Outcome {
	switch {
	case status == http.StatusTooManyRequests:
		return HTTP429
	case status == http.StatusServiceUnavailable:
		return HTTP503
	case status >= http.StatusInternalServerError:
		return HTTP5xx
	default:
		return HTTP4xx
	}
}

// failure is an error that knows its outcome.
type failure struct {
	outcome Outcome
	err     error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failf(outcome Outcome, format string, args ...any) *failure {
	return &failure{outcome, fmt.Errorf(format, args...)}
}

// errAborted is the cause with which a step cancels what is still in flight.
var errAborted = failf(Aborted, "cut by the prober")

// asFailure finds the failure within err, which must be there.
func asFailure(err error) (*failure, bool) {
	var f *failure
	ok := errors.As(err, &f)
	return f, ok
}
