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
	err := s.object(func(key []byte) error {
		switch string(key) {
		case "choices":
			return s.array(func() error {
				c.choices = true
				return s.choice(&c)
			})
		case "usage":
			return s.usage(&c.usage)
		case "error":
			raw, err := s.raw()
			if err == nil && string(raw) != "null" {
				c.failure = errorMessage(raw)
			}
			return err
		case "object": // releases before 0.10 told errors as {"object":"error","message":…}
			raw, err := s.raw()
			if err == nil && string(raw) == `"error"` {
				c.failure = errorMessage(data)
			}
			return err
		default:
			return s.skip(0)
		}
	})
	if err != nil {
		return chunk{}, fmt.Errorf("%w: %.100q", err, data)
	}
	return c, nil
}

// choice reads one member of "choices". A delta that only names the role is no
// token; empty text can be one, since a token may be half a character.
func (s *scanner) choice(c *chunk) error {
	ids, piece := 0, false
	err := s.object(func(key []byte) error {
		switch string(key) {
		case "text":
			raw, err := s.raw()
			piece = piece || string(raw) != "null"
			return err
		case "delta":
			role, content, empty := false, false, true
			err := s.optionalObject(func(key []byte) error {
				raw, err := s.raw()
				switch string(key) {
				case "role":
					role = true
				case "content", "reasoning", "reasoning_content", "tool_calls":
					content = content || string(raw) != "null"
					empty = empty && (len(raw) <= 2 || string(raw) == "null")
				}
				return err
			})
			piece = piece || content && (!role || !empty)
			return err
		case "token_ids":
			return s.array(func() error { ids++; return s.skip(0) })
		case "finish_reason":
			raw, err := s.raw()
			c.finished = c.finished || string(raw) != "null"
			return err
		default:
			return s.skip(0)
		}
	})
	switch {
	case ids > 0:
		c.tokens += ids
	case piece:
		c.tokens++
	}
	return err
}

func (s *scanner) usage(u *usage) error {
	return s.optionalObject(func(key []byte) (err error) {
		switch string(key) {
		case "prompt_tokens":
			u.prompt, err = s.count()
		case "completion_tokens":
			u.known = true
			u.completion, err = s.count()
		case "prompt_tokens_details":
			return s.optionalObject(func(key []byte) (err error) {
				if string(key) != "cached_tokens" {
					return s.skip(0)
				}
				u.cached, err = s.count()
				return err
			})
		default:
			return s.skip(0)
		}
		return err
	})
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

// scanner walks over JSON once, from left to right.
type scanner struct {
	p []byte
	i int
}

// peek skips white space and returns the next byte without passing it, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.p) {
		switch c := s.p[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// expect passes one byte, which must be c.
func (s *scanner) expect(c byte) error {
	if s.peek() != c {
		return errChunk
	}
	s.i++
	return nil
}

// object calls member for each key of an object; member passes the value.
func (s *scanner) object(member func(key []byte) error) error {
	return s.list('{', '}', func() error {
		key, err := s.str()
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		return member(key)
	})
}

// optionalObject is object, but null has no members.
func (s *scanner) optionalObject(member func(key []byte) error) error {
	if s.peek() == 'n' {
		return s.skip(0)
	}
	return s.object(member)
}

// array calls element at each element of an array, which passes it; null has none.
func (s *scanner) array(element func() error) error {
	if s.peek() == 'n' {
		return s.skip(0)
	}
	return s.list('[', ']', element)
}

func (s *scanner) list(open, end byte, item func() error) error {
	if err := s.expect(open); err != nil {
		return err
	}
	if s.peek() == end {
		s.i++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if s.peek() == ',' {
			s.i++
			continue
		}
		return s.expect(end)
	}
}

// str passes a string and returns what stands between its quotes, escapes as
// they are: no key or value that is looked for has one.
func (s *scanner) str() ([]byte, error) {
	if err := s.expect('"'); err != nil {
		return nil, err
	}
	start := s.i
	for {
		quote := bytes.IndexByte(s.p[s.i:], '"')
		if quote < 0 {
			return nil, errChunk
		}
		s.i += quote + 1
		// The quote ends the string unless an odd number of backslashes precedes it.
		slashes := 0
		for j := s.i - 2; j >= start && s.p[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return s.p[start : s.i-1], nil
		}
	}
}

// raw passes a value and returns its bytes.
func (s *scanner) raw() ([]byte, error) {
	s.peek()
	start := s.i
	err := s.skip(0)
	return s.p[start:s.i], err
}

// count passes a number that must be a whole one from 0 on.
func (s *scanner) count() (int, error) {
	raw, err := s.raw()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(raw), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%w: a count of tokens is %.20q", errChunk, raw)
	}
	return int(n), nil
}

// skip passes any value.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return errChunk
	}
	switch s.peek() {
	case 0, ',', ':', ']', '}':
		return errChunk
	case '"':
		_, err := s.str()
		return err
	case '{':
		return s.object(func([]byte) error { return s.skip(depth + 1) })
	case '[':
		return s.array(func() error { return s.skip(depth + 1) })
	}
	for s.i < len(s.p) {
		switch s.p[s.i] {
		case ',', ':', ']', '}', '"', '{', '[', ' ', '\t', '\n', '\r':
			return nil
		}
		s.i++
	}
	return nil
}
