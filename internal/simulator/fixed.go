package simulator

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"vllm_prober/internal/alarm"
)

// FixedServer answers every request with the same latencies, however many there
// are at once: it never queues. It is the known truth against which a client's
// own error is measured, so it has to cost little and to tell what really
// happened. One goroutine writes all tokens straight to the connections, each
// at its time, and notes when it wrote the first of each answer. GET /fidelity
// returns these notes and forgets them.
type FixedServer struct {
	URL string

	model       string
	first, next time.Duration
	listener    net.Listener
	stop        context.CancelFunc
	arrivals    chan *fixedAnswer

	mu     sync.Mutex
	notes  []FixedNote
	shapes map[fixedShape]*fixedChunks
}

// FixedNote is what a FixedServer saw of one request.
type FixedNote struct {
	ID string `json:"id"`
	// TTFT is the time in seconds from the reading of the request's last byte
	// to right before the writing of the first token.
	TTFT float64 `json:"ttft_seconds"`
}

// fixedAnswer is one answer under way.
type fixedAnswer struct {
	id      string
	conn    net.Conn
	arrived time.Time
	due     time.Time
	chunks  *fixedChunks
	sent    int
	done    chan struct{}
}

// fixedShape is what the bytes of an answer depend on.
type fixedShape struct {
	prompt, output int
	continuous     bool
}

// fixedChunks are the bytes of an answer, in HTTP's chunked coding: one write
// for each token, the last with the end of the stream.
type fixedChunks struct{ writes [][]byte }

// StartFixed starts a server on address whose answers have their first token
// after first and each next one after next.
func StartFixed(address, model string, first, next time.Duration) (*FixedServer, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	if model == "" {
		model = DefaultModel
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &FixedServer{
		URL: "http://" + listener.Addr().String(), model: model, first: first, next: next,
		listener: listener, stop: stop, arrivals: make(chan *fixedAnswer, 1<<16), shapes: map[fixedShape]*fixedChunks{},
	}
	go s.write(ctx)
	go s.accept()
	return s, nil
}

// Close stops the server.
func (s *FixedServer) Close() {
	s.stop()
	_ = s.listener.Close()
}

func (s *FixedServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		go s.serve(conn)
	}
}

// serve answers the requests of one connection, one after the other.
func (s *FixedServer) serve(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		q, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		if q.Method == http.MethodPost && q.URL.Path == "/v1/completions" {
			arrived := time.Now()
			a := &fixedAnswer{
				id: q.Header.Get("X-Request-Id"), conn: conn, arrived: arrived, due: arrived.Add(s.first),
				done: make(chan struct{}),
			}
			if a.chunks, err = s.chunks(body); err != nil {
				return
			}
			s.arrivals <- a
			<-a.done
			continue
		}
		status, text := s.page(q.URL.Path)
		fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			status, http.StatusText(status), len(text), text)
	}
}

// page is the body of everything but an answer.
func (s *FixedServer) page(path string) (int, string) {
	switch path {
	case "/health":
		return http.StatusOK, ""
	case "/v1/models":
		return http.StatusOK, fmt.Sprintf(`{"object":"list","data":[{"id":%q,"object":"model","max_model_len":100000}]}`, s.model)
	case "/fidelity":
		s.mu.Lock()
		notes := s.notes
		s.notes = nil
		s.mu.Unlock()
		text, err := json.Marshal(notes)
		if err != nil {
			return http.StatusInternalServerError, ""
		}
		return http.StatusOK, string(text)
	default:
		return http.StatusNotFound, "{}"
	}
}

// write is the one goroutine that writes tokens. Both queues are in the order of
// their times without any sorting: all first tokens have the same latency, and
// so have all next ones.
func (s *FixedServer) write(ctx context.Context) {
	clock := alarm.New(ctx)
	defer clock.Close()
	var firsts, nexts queue
	for {
		for draining := true; draining; {
			select {
			case a := <-s.arrivals:
				firsts.push(a)
			default:
				draining = false
			}
		}
		from := &firsts
		if from.empty() || !nexts.empty() && nexts.head().due.Before(firsts.head().due) {
			from = &nexts
		}
		if from.empty() {
			select {
			case a := <-s.arrivals:
				firsts.push(a)
				continue
			case <-ctx.Done():
				return
			}
		}
		// Nothing that arrives during the wait can be due before its end.
		if wait := time.Until(from.head().due); wait > 0 {
			if !clock.Wait(wait) {
				return
			}
			continue
		}
		a := from.pop()
		if s.token(a) {
			a.due = a.due.Add(s.next)
			nexts.push(a)
		} else {
			close(a.done)
		}
	}
}

// token writes one token and says whether more are to come.
func (s *FixedServer) token(a *fixedAnswer) bool {
	if a.sent == 0 {
		seen := time.Since(a.arrived).Seconds()
		s.mu.Lock()
		s.notes = append(s.notes, FixedNote{a.id, seen})
		s.mu.Unlock()
	}
	if _, err := a.conn.Write(a.chunks.writes[a.sent]); err != nil {
		return false // the client is gone; its connection's reader will notice
	}
	a.sent++
	return a.sent < len(a.chunks.writes)
}

// chunks makes the bytes of an answer, or takes those of an earlier one of the
// same shape.
func (s *FixedServer) chunks(body []byte) (*fixedChunks, error) {
	var q query
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, fmt.Errorf("the body of a request: %w", err)
	}
	prompt, err := q.promptTokens()
	if err != nil {
		return nil, err
	}
	shape := fixedShape{len(prompt), max(q.MaxTokens, 1), q.StreamOptions.ContinuousUsageStats}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.shapes[shape]; c != nil {
		return c, nil
	}
	c := &fixedChunks{}
	for i := range shape.output {
		a := answer{prompt: shape.prompt, sent: i + 1, output: shape.output, model: s.model, id: "fixed", query: q}
		reason := ""
		if i+1 == shape.output {
			reason = "length"
		}
		text := httpChunk("data: " + a.chunk(`" token"`, 1, reason) + "\n\n")
		if i == 0 {
			text = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n" + text
		}
		if i+1 == shape.output {
			text += httpChunk(fmt.Sprintf("data: {\"id\":\"cmpl-fixed\",\"choices\":[],\"usage\":%s}\n\n", a.usage(true))) +
				httpChunk("data: [DONE]\n\n") + "0\r\n\r\n"
		}
		c.writes = append(c.writes, []byte(text))
	}
	s.shapes[shape] = c
	return c, nil
}

func httpChunk(text string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%x\r\n%s\r\n", len(text), text)
	return b.String()
}

// queue is first in, first out.
type queue struct {
	items []*fixedAnswer
	begin int
}

func (q *queue) empty() bool         { return q.begin == len(q.items) }
func (q *queue) head() *fixedAnswer  { return q.items[q.begin] }
func (q *queue) push(a *fixedAnswer) { q.items = append(q.items, a) }
func (q *queue) pop() (a *fixedAnswer) {
	a = q.items[q.begin]
	q.items[q.begin] = nil
	if q.begin++; q.begin > len(q.items)/2 {
		q.items = append(q.items[:0], q.items[q.begin:]...)
		q.begin = 0
	}
	return a
}
