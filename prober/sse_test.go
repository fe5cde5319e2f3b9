package prober

import (
	"slices"
	"strings"
	"testing"
)

func eventsOf(t *testing.T, parts ...string) []string {
	t.Helper()
	var s eventStream
	var events []string
	for _, part := range parts {
		read := []byte(part)
		if err := s.feed(read, func(data []byte) bool {
			events = append(events, string(data))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		clear(read) // as the next read does
	}
	return events
}

func TestEventStream(t *testing.T) {
	tests := map[string]struct {
		stream string
		want   []string
	}{
		"vLLM's":                      {"data: {\"a\":1}\n\ndata: [DONE]\n\n", []string{`{"a":1}`, "[DONE]"}},
		"CR LF":                       {"data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}},
		"CR alone":                    {"data: a\r\rdata: b\r\r", []string{"a", "b"}},
		"no space":                    {"data:a\n\n", []string{"a"}},
		"one space is taken off":      {"data:  a\n\n", []string{" a"}},
		"several lines are one event": {"data: a\ndata: b\n\n", []string{"a\nb"}},
		"comments":                    {": ping\n\ndata: a\n: ping\n\n", []string{"a"}},
		"other fields":                {"event: x\nid: 1\nretry: 5\ndatabase: y\ndata: a\n\n", []string{"a"}},
		"no colon":                    {"data\n\n", []string{""}},
		"byte order mark":             {"\xef\xbb\xbfdata: a\n\n", []string{"a"}},
		"blank lines":                 {"\n\n\ndata: a\n\n\n\n", []string{"a"}},
		"an event that does not end":  {"data: a\n\ndata: b\n", []string{"a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := eventsOf(t, tt.stream); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			bytewise := strings.Split(tt.stream, "")
			if got := eventsOf(t, bytewise...); !slices.Equal(got, tt.want) {
				t.Errorf("byte by byte got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEventStreamIsBounded(t *testing.T) {
	var s eventStream
	line := "data: " + strings.Repeat("x", 1000) + "\n"
	for range 2 * maxEventBytes / len(line) {
		if err := s.feed([]byte(line), func([]byte) bool { return true }); err != nil {
			return
		}
	}
	t.Error("an event of 2 MiB was taken")
}

// FuzzEventStream: however a stream is cut into reads, its events are the same.
func FuzzEventStream(f *testing.F) {
	f.Add("data: a\n\ndata: b\r\n\r\n: c\n\n", uint(3))
	f.Add("\xef\xbb\xbfdata\n\ndata: \r\r", uint(1))
	f.Add("data: ab\ndata: cd\n\n", uint(7)) // the end of a line and the beginning of the next in one read
	f.Add("data: ab\n\n", uint(8))           // a line, and its event's end in the next read
	f.Fuzz(func(t *testing.T, stream string, size uint) {
		var parts []string
		for rest := stream; rest != ""; {
			n := min(int(size%97)+1, len(rest))
			parts = append(parts, rest[:n])
			rest = rest[n:]
		}
		whole, cut := eventsOf(t, stream), eventsOf(t, parts...)
		if !slices.Equal(whole, cut) {
			t.Errorf("whole %q, cut %q", whole, cut)
		}
	})
}
