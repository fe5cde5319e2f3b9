package prober

import (
	"bytes"
	"errors"
)

// maxEventBytes bounds one event, so that a server that never ends one cannot
// fill the memory.
const maxEventBytes = 1 << 20

var errEventTooLong = errors.New("an event of the stream is longer than 1 MiB")

// eventStream cuts the bytes of a server-sent event stream into the data of its
// events, however the bytes were divided into reads. It follows "Interpreting
// an event stream" in the WHATWG HTML standard, section 9.2.6, and keeps only
// the field that vLLM uses: data.
type eventStream struct {
	line     []byte // the beginning of a line whose end has not come yet
	data     []byte // the data of the event so far
	hasData  bool
	borrowed bool   // data lies in the bytes that are being fed, or in line
	own      []byte // where data lies otherwise
	afterCR  bool   // the last line ended with CR, so a LF belongs to it
	begun    bool   // past a byte order mark
}

// feed calls yield with the data of every event that ends within p. The data is
// valid during the call alone. It stops early when yield says false.
func (s *eventStream) feed(p []byte, yield func(data []byte) bool) error {
	defer s.keep()
	for len(p) > 0 {
		if s.afterCR {
			s.afterCR = false
			if p[0] == '\n' {
				p = p[1:]
				continue
			}
		}
		end := lineEnd(p)
		if end < 0 {
			if len(s.line)+len(p) > maxEventBytes {
				return errEventTooLong
			}
			s.keep()
			s.line = append(s.line, p...)
			return nil
		}
		s.afterCR = p[end] == '\r'
		line := p[:end]
		p = p[end+1:]
		if len(s.line) > 0 {
			s.line = append(s.line, line...)
			line = s.line
			s.line = s.line[:0]
		}
		if len(line)+len(s.data) > maxEventBytes {
			return errEventTooLong
		}
		if !s.take(line, yield) {
			return nil
		}
	}
	return nil
}

// take handles one line.
func (s *eventStream) take(line []byte, yield func(data []byte) bool) bool {
	if !s.begun {
		s.begun = true
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	if len(line) == 0 {
		if !s.hasData {
			return true
		}
		data := s.data
		s.data, s.hasData, s.borrowed = nil, false, false
		return yield(data)
	}
	value, isData := bytes.CutPrefix(line, []byte("data"))
	switch {
	case !isData:
		return true
	case len(value) == 0: // a field without a colon has an empty value
	case value[0] != ':':
		return true
	default:
		value = bytes.TrimPrefix(value[1:], []byte(" "))
	}
	if !s.hasData { // nearly always the only line of its event: nothing is copied
		s.data, s.hasData, s.borrowed = value, true, true
		return true
	}
	s.keep()
	s.own = append(append(s.data, '\n'), value...)
	s.data = s.own
	return true
}

// keep copies borrowed data before the bytes that it lies in change.
func (s *eventStream) keep() {
	if s.borrowed {
		s.own = append(s.own[:0], s.data...)
		s.data, s.borrowed = s.own, false
	}
}

// lineEnd is the place of the first CR or LF, or -1.
func lineEnd(p []byte) int {
	lf := bytes.IndexByte(p, '\n')
	head := p
	if lf >= 0 {
		head = p[:lf]
	}
	if cr := bytes.IndexByte(head, '\r'); cr >= 0 {
		return cr
	}
	return lf
}
