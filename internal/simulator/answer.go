package simulator

import (
	"context"
	"io"
	"net/http"
	"time"
)

// answer brings one request's tokens to its client, bent by a fault.
type answer struct {
	*chunks
	w       http.ResponseWriter
	fault   Fault
	metrics *replicaMetrics
	began   time.Time
	held    string // written with the next event

	first, last time.Time // when tokens came out of the engine
	sent        int
	reason      string // why the answer is complete; empty until it is
}

// stream writes the tokens as they come.
func (a *answer) stream(ctx context.Context, s *Sequence) {
	a.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	a.w.WriteHeader(http.StatusOK)
	a.flush()
	switch a.fault {
	case Garbage:
		a.event("{not json")
	case HangFirstToken:
		<-ctx.Done()
		return
	}
	if a.tokens(ctx, s) {
		if a.query.includesUsage() {
			a.event(a.final(a.sent))
		}
		a.event("[DONE]")
	}
}

// tokens writes the events of the tokens, and says whether the answer is to be
// ended properly.
func (a *answer) tokens(ctx context.Context, s *Sequence) bool {
	half := max(a.query.output/2, 1)
	unsent := 0
	for a.next(ctx, s) {
		if a.chat && a.sent == 1 {
			a.event(a.role()) // with the first token, not before it
		}
		unsent++
		switch {
		case a.sent == a.query.output:
			a.reason = "length"
		case a.fault == Short && a.sent >= half:
			a.reason = "stop"
		}
		if a.fault != Grouped || unsent == 3 || a.reason != "" {
			a.event(a.chunks.tokens(unsent, a.sent, a.fault == Reasoning && a.sent <= half, a.reason))
			unsent = 0
		}
		if a.sent >= half && a.breaks(ctx) {
			return false
		}
		if a.reason != "" {
			return true
		}
	}
	return false
}

// next takes the next token from the engine, and says whether there was one.
func (a *answer) next(ctx context.Context, s *Sequence) bool {
	select {
	case at, more := <-s.Tokens:
		if !more {
			return false
		}
		if a.sent == 0 {
			a.first = at
			a.metrics.ttft.Observe(at.Sub(a.began).Seconds())
		} else {
			a.metrics.itl.Observe(at.Sub(a.last).Seconds())
		}
		a.last = at
		a.sent++
		return true
	case <-ctx.Done():
		return false
	}
}

// breaks plays the faults of an answer's second half, and says whether one did.
func (a *answer) breaks(ctx context.Context) bool {
	switch a.fault {
	case Cut:
		panic(http.ErrAbortHandler) // net/http's way to cut a connection
	case NoDone:
	case StreamError:
		failure := problem{http.StatusInternalServerError, "a simulated failure within the stream", "InternalServerError", ""}
		a.event(string(failure.json()))
		a.event("[DONE]")
	case Stall:
		<-ctx.Done()
	case Trickle:
		a.trickle(ctx)
	default:
		return false
	}
	a.reason = ""
	return true
}

// trickle goes on with a token a second.
func (a *answer) trickle(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.sent++
			a.event(a.chunks.tokens(1, a.sent, false, ""))
		case <-ctx.Done():
			return
		}
	}
}

// event writes one event, in the form that the fault asks for.
func (a *answer) event(data string) {
	end := "\n"
	if a.fault == CRLF {
		end = "\r\n"
	}
	text := "data: " + data + end + end
	if a.fault == Comments {
		text = ": still here" + end + end + text
	}
	switch {
	case a.fault == Coalesced && a.held == "" && data != "[DONE]":
		a.held = text
		return
	case a.fault == Split:
		for len(text) > 7 {
			a.write(text[:7])
			text = text[7:]
		}
	}
	a.write(a.held + text)
	a.held = ""
}

func (a *answer) write(text string) {
	_, _ = io.WriteString(a.w, text) // a client that is gone ends the request's context
	a.flush()
}

func (a *answer) flush() { _ = http.NewResponseController(a.w).Flush() }

// all answers without a stream.
func (a *answer) all(ctx context.Context, s *Sequence) {
	for a.next(ctx, s) {
		if a.sent == a.query.output {
			a.reason = "length"
			writeJSON(a.w, http.StatusOK, []byte(a.whole(a.sent, a.reason)))
		}
	}
}
