package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// answer writes one answer in vLLM's form, bent by a fault.
type answer struct {
	w     http.ResponseWriter
	query query
	chat  bool
	fault Fault
	id    string
	model string

	prompt, cached, output int
	held                   string    // written with the next chunk
	first, last            time.Time // when tokens came out of the engine
	sent                   int
	complete               bool
}

// stream writes the tokens as they come.
func (a *answer) stream(ctx context.Context, s *Sequence) {
	a.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	a.w.WriteHeader(http.StatusOK)
	a.flush()
	if a.chat {
		a.event(a.chunk(`{"role":"assistant","content":""}`, 0, ""))
	}
	switch a.fault {
	case Garbage:
		a.event("{not json")
	case HangFirstToken:
		<-ctx.Done()
		return
	}
	if a.tokens(ctx, s) {
		a.end()
	}
}

// tokens writes the chunks, and says whether the answer is to be ended properly.
func (a *answer) tokens(ctx context.Context, s *Sequence) bool {
	group := 0
	for {
		var at time.Time
		more := false
		select {
		case at, more = <-s.Tokens:
		case <-ctx.Done():
			return false
		}
		if !more {
			a.complete = true
			return true
		}
		if a.first.IsZero() {
			a.first = at
		}
		a.last = at
		a.sent++
		group++
		half := a.sent >= max(a.output/2, 1)
		reason := ""
		if a.sent == a.output || a.fault == Short && half {
			reason = "length"
		}
		if a.fault != Grouped || group == 3 || reason != "" {
			a.event(a.chunk(a.piece(group), group, reason))
			group = 0
		}
		if half {
			switch a.fault {
			case Cut:
				panic(http.ErrAbortHandler)
			case NoDone:
				return false
			case Short:
				return true
			case StreamError:
				a.event(`{"error": {"message": "a simulated failure within the stream", "type": "InternalServerError", "param": null, "code": 500}}`)
				a.event("[DONE]")
				return false
			case Stall:
				<-ctx.Done()
				return false
			case Trickle:
				a.trickle(ctx)
				return false
			}
		}
	}
}

// trickle goes on with a token a second.
func (a *answer) trickle(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.sent++
			a.event(a.chunk(a.piece(1), 1, ""))
		case <-ctx.Done():
			return
		}
	}
}

// piece is the text of so many tokens, as the endpoint's chunks hold it.
func (a *answer) piece(tokens int) string {
	text := strings.Repeat(" token", tokens)
	switch {
	case !a.chat:
		return `"` + text + `"`
	case a.fault == Reasoning && a.sent <= a.output/2:
		return `{"reasoning":"` + text + `"}`
	default:
		return `{"content":"` + text + `"}`
	}
}

// chunk is one event's JSON.
func (a *answer) chunk(piece string, tokens int, reason string) string {
	finish := "null"
	if reason != "" {
		finish = `"` + reason + `"`
	}
	kind, prefix, key := "text_completion", "cmpl", "text"
	if a.chat {
		kind, prefix, key = "chat.completion.chunk", "chatcmpl", "delta"
	}
	usage := ""
	if a.query.StreamOptions.ContinuousUsageStats && a.fault != NoUsage {
		usage = `,"usage":` + a.usage(false)
	}
	return fmt.Sprintf(`{"id":"%s-%s","object":%q,"created":%d,"model":%q,"choices":[{"index":0,%q:%s,"logprobs":null,"finish_reason":%s}]%s}`,
		prefix, a.id, kind, time.Now().Unix(), a.model, key, piece, finish, usage)
}

func (a *answer) usage(details bool) string {
	text := fmt.Sprintf(`{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d`, a.prompt, a.prompt+a.sent, a.sent)
	if details {
		text += fmt.Sprintf(`,"prompt_tokens_details":{"cached_tokens":%d}`, a.cached)
	}
	return text + "}"
}

// end writes the usage and the stream's end.
func (a *answer) end() {
	if a.query.StreamOptions.IncludeUsage {
		a.event(fmt.Sprintf(`{"id":"cmpl-%s","object":"text_completion","created":%d,"model":%q,"choices":[],"usage":%s}`,
			a.id, time.Now().Unix(), a.model, a.usage(true)))
	}
	a.event("[DONE]")
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
		for part := range chunksOf(text, 7) {
			a.write(part)
		}
		return
	}
	a.write(a.held + text)
	a.held = ""
}

func chunksOf(text string, n int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			part := text[:min(n, len(text))]
			if !yield(part) {
				return
			}
			text = text[len(part):]
		}
	}
}

func (a *answer) write(text string) {
	_, _ = io.WriteString(a.w, text) // a client that is gone ends the request's context
	a.flush()
}

func (a *answer) flush() { _ = http.NewResponseController(a.w).Flush() }

// whole answers without a stream.
func (a *answer) whole(ctx context.Context, s *Sequence) {
	for {
		select {
		case at, more := <-s.Tokens:
			if more {
				if a.first.IsZero() {
					a.first = at
				}
				a.last = at
				a.sent++
				continue
			}
		case <-ctx.Done():
			return
		}
		break
	}
	a.complete = true
	text := strings.Repeat(" token", a.sent)
	choice := map[string]any{"index": 0, "text": text, "finish_reason": "length"}
	if a.chat {
		delete(choice, "text")
		choice["message"] = message{"assistant", text}
	}
	writeJSON(a.w, http.StatusOK, map[string]any{
		"id": "cmpl-" + a.id, "object": "text_completion", "created": time.Now().Unix(), "model": a.model,
		"choices": []any{choice}, "usage": json.RawMessage(a.usage(true)),
	})
}
