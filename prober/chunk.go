package prober

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// chunk is what one event of a vLLM stream says that a measurement needs.
type chunk struct {
	// tokens is how many tokens the event brought, where it can be told from
	// the event alone: the length of token_ids, or 1 for a piece of an answer.
	tokens int
	// choices says that the list of choices is not empty: the chunk with the
	// final usage has none.
	choices bool
	// finished says that a choice named its finish_reason.
	finished bool
	usage    usage
	// failure is the message of an error told within the stream.
	failure string
}

// usage is the server's own count; known tells a count of 0 from none.
type usage struct {
	known              bool
	prompt, completion int
	cached             int
}

var errChunk = errors.New("the stream's data is not the JSON of a vLLM chunk")

// maxDepth bounds the nesting of values that are skipped.
const maxDepth = 64

// parseChunk reads one event's data. It is a scanner of its own because this is
// the one piece of work that is done for every token: it looks at each byte once
// and allocates nothing. Values that a measurement does not need are skipped
// by their structure, not validated.
func parseChunk(data []byte) (chunk, error) {
	var c chunk
	s := scanner{p: data}
	if s.peek() != '{' {
		s.fail() // null is an object's value, but no chunk
	}
	for more := s.enter('{', '}'); more; more = s.next('}') {
		switch string(s.key()) {
		case "choices":
			for more := s.enter('[', ']'); more; more = s.next(']') {
				c.choices = true
				s.choice(&c)
			}
		case "usage":
			s.usage(&c.usage)
		case "error":
			if raw := s.raw(); string(raw) != "null" {
				c.failure = errorMessage(raw)
			}
		case "object": // releases before 0.10 told errors as {"object":"error","message":…}
			if string(s.raw()) == `"error"` {
				c.failure = errorMessage(data)
			}
		default:
			s.skip(0)
		}
	}
	if s.failed {
		return chunk{}, fmt.Errorf("%w: %.100q", errChunk, data)
	}
	return c, nil
}

// choice reads one member of "choices". A delta that only names the role is no
// token; empty text can be one, since a token may be half a character.
func (s *scanner) choice(c *chunk) {
	ids, piece := 0, false
	for more := s.enter('{', '}'); more; more = s.next('}') {
		switch string(s.key()) {
		case "text":
			piece = string(s.raw()) != "null" || piece
		case "delta":
			piece = s.delta() || piece
		case "token_ids":
			for more := s.enter('[', ']'); more; more = s.next(']') {
				ids++
				s.skip(0)
			}
		case "finish_reason":
			c.finished = string(s.raw()) != "null" || c.finished
		default:
			s.skip(0)
		}
	}
	switch {
	case ids > 0:
		c.tokens += ids
	case piece:
		c.tokens++
	}
}

// delta says whether a chat's delta holds a piece of the answer.
func (s *scanner) delta() bool {
	role, content, empty := false, false, true
	for more := s.enter('{', '}'); more; more = s.next('}') {
		switch string(s.key()) {
		case "role":
			role = true
			s.skip(0)
		case "content", "reasoning", "reasoning_content", "tool_calls":
			raw := s.raw()
			null := string(raw) == "null"
			content = content || !null
			empty = empty && (null || len(raw) <= 2)
		default:
			s.skip(0)
		}
	}
	return content && (!role || !empty)
}

func (s *scanner) usage(u *usage) {
	for more := s.enter('{', '}'); more; more = s.next('}') {
		switch string(s.key()) {
		case "prompt_tokens":
			u.prompt = s.count()
		case "completion_tokens":
			u.known, u.completion = true, s.count()
		case "prompt_tokens_details":
			for more := s.enter('{', '}'); more; more = s.next('}') {
				if string(s.key()) == "cached_tokens" {
					u.cached = s.count()
				} else {
					s.skip(0)
				}
			}
		default:
			s.skip(0)
		}
	}
}

// errorMessage finds the text of an error: {"message":…}, or a plain string.
func errorMessage(raw []byte) string {
	var object struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &object) == nil && object.Message != "" {
		return object.Message
	}
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		return text
	}
	return string(raw)
}

// scanner walks over JSON once, from left to right. What is no JSON ends the
// walk: failed is then set, and nothing more is found.
type scanner struct {
	p      []byte
	i      int
	failed bool
}

func (s *scanner) fail() { s.i, s.failed = len(s.p), true }

// peek skips white space and returns the next byte without passing it, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.i < len(s.p); s.i++ {
		if c := s.p[s.i]; c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// enter passes the opening of an object or array and says whether it has a
// member, which the caller passes before it calls next; null has none.
func (s *scanner) enter(open, end byte) bool {
	switch s.peek() {
	case open:
		s.i++
	case 'n':
		s.skip(0)
		return false
	default:
		s.fail()
		return false
	}
	if s.peek() == end {
		s.i++
		return false
	}
	return true
}

// next passes what follows a member and says whether there is another one.
func (s *scanner) next(end byte) bool {
	switch s.peek() {
	case ',':
		s.i++
		return true
	case end:
		s.i++
	default:
		s.fail()
	}
	return false
}

// key passes a member's key and its colon.
func (s *scanner) key() []byte {
	key := s.str()
	if s.peek() != ':' {
		s.fail()
		return nil
	}
	s.i++
	return key
}

// str passes a string and returns what stands between its quotes, escapes as
// they are: no key or value that is looked for has one.
func (s *scanner) str() []byte {
	if s.peek() != '"' {
		s.fail()
		return nil
	}
	text := s.p[s.i+1:]
	for end := 0; ; end++ {
		n := bytes.IndexByte(text[end:], '"')
		if n < 0 {
			s.fail()
			return nil
		}
		end += n
		// The quote ends the string unless an odd number of backslashes precedes it.
		slashes := 0
		for slashes < end && text[end-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			s.i += end + 2
			return text[:end]
		}
	}
}

// raw passes a value and returns its bytes.
func (s *scanner) raw() []byte {
	s.peek()
	start := s.i
	s.skip(0)
	return s.p[start:s.i]
}

// count passes a number that must be a whole one from 0 on.
func (s *scanner) count() int {
	n, err := strconv.ParseUint(string(s.raw()), 10, 31)
	if err != nil {
		s.fail()
	}
	return int(n)
}

// skip passes any value.
func (s *scanner) skip(depth int) {
	if depth > maxDepth {
		s.fail()
	}
	switch s.peek() {
	case 0, ',', ':', ']', '}':
		s.fail()
	case '"':
		s.str()
	case '{':
		for more := s.enter('{', '}'); more; more = s.next('}') {
			s.key()
			s.skip(depth + 1)
		}
	case '[':
		for more := s.enter('[', ']'); more; more = s.next(']') {
			s.skip(depth + 1)
		}
	default:
		i := s.i
		for i < len(s.p) && !ends[s.p[i]] {
			i++
		}
		s.i = i
	}
}

// ends are the bytes that cannot be within a number, true, false or null.
var ends = [256]bool{
	',': true, ':': true, ']': true, '}': true, '"': true, '{': true, '[': true, ' ': true, '\t': true, '\n': true, '\r': true,
}
