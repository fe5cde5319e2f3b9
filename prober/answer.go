package prober

import (
	"errors"
	"fmt"
	"io"
)

// answer is the stream of an exchange while it is read. All that a token
// changes lies together here: with many requests in flight, fetching it from
// memory is a good part of what a token costs.
type answer struct {
	exchange *exchange
	events   eventStream

	at   instant // of the read under way
	read int64   // its number on the connection

	firstToken, lastToken instant
	gaps                  []gap
	reads, coalesced      int   // as in Observation
	tokensRead            int64 // the number of the last read that brought tokens
	isCoalesced           bool  // and whether it is counted as coalesced already

	counted int // tokens, chunk by chunk
	usage   usage
	done    bool     // the stream said that it is complete
	garbled bool     // the stream cannot be read on
	told    *failure // an error within the stream
}

// stream reads the answer to its end. Every read is stamped once, by the
// connection, and all chunks that it brought have its time.
func (x *exchange) stream(body io.Reader) error {
	buffer := x.client.buffers.Get().(*readBuffer)
	defer x.client.buffers.Put(buffer)
	a := answer{exchange: x, gaps: x.gaps}
	for {
		n, err := body.Read(buffer[:])
		a.at, a.read = x.lastRead(), x.readNumber()
		if feedErr := a.events.feed(buffer[:n], a.event); feedErr != nil {
			a.told, a.garbled = &failure{StreamError, feedErr}, true
		}
		if a.done || a.garbled || err != nil {
			if a.done && err == nil {
				// The end of the body usually lies in the same read; taking it
				// lets the connection be used again.
				_, err = body.Read(buffer[:])
			}
			a.note(&x.obs)
			return a.judge(err)
		}
	}
}

// event takes the data of one event. It says false when no further one matters.
func (a *answer) event(data []byte) bool {
	if a.done = a.done || string(data) == "[DONE]"; a.done {
		return false
	}
	c, err := parseChunk(data)
	if err != nil {
		a.told, a.garbled = &failure{StreamError, err}, true
		return false
	}
	if c.failure != "" {
		a.told = failf(StreamError, "the server says in the stream: %s", c.failure)
		return true
	}
	tokens := c.tokens
	if c.usage.known {
		if c.choices {
			tokens = c.usage.completion - a.usage.completion
		}
		a.usage = c.usage
	}
	if c.choices && tokens > 0 {
		a.tokensCame(tokens)
	}
	return true
}

func (a *answer) tokensCame(tokens int) {
	a.counted += tokens
	if a.firstToken == 0 {
		a.firstToken = a.at
		a.exchange.first.Store(int64(a.at))
	} else {
		a.gaps = append(a.gaps, gap{a.at - a.lastToken, tokens})
	}
	a.lastToken = a.at
	a.exchange.dog.lastToken.Store(int64(a.at))
	switch {
	case a.read != a.tokensRead:
		a.reads++
		a.tokensRead, a.isCoalesced = a.read, false
	case !a.isCoalesced:
		a.coalesced++
		a.isCoalesced = true
	}
}

// note writes down what was seen of a stream that has ended.
func (a *answer) note(o *Observation) {
	o.FirstToken, o.LastToken, o.End = a.firstToken, a.lastToken, a.at
	o.Reads, o.CoalescedReads = a.reads, a.coalesced
	o.OutputTokens = a.counted
	if a.usage.known {
		o.OutputTokens = max(a.usage.completion, a.counted)
		o.PromptTokens = a.usage.prompt
		o.CachedTokens = a.usage.cached
	}
	a.exchange.gaps = a.gaps
}

// judge says what was wrong with a stream that has ended, err being that of its
// last read.
func (a *answer) judge(err error) error {
	x := a.exchange
	switch asked := x.request.OutputTokens; {
	case a.told != nil:
		return a.told
	case !a.done && err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("reading the stream after %d tokens: %w", a.counted, err)
	case !a.done:
		return failf(Truncated, "the stream ended after %d tokens without its [DONE]", a.counted)
	case a.counted == 0, x.request.ExactOutput && x.obs.OutputTokens < asked:
		return failf(ShortOutput, "%d tokens instead of %d", x.obs.OutputTokens, asked)
	}
	return nil
}
