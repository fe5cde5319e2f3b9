package simulator

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"vllm_prober/internal/alarm"
)

// FixedServer answers every request with the same latencies, however many there
// are at once: it never queues. It is the known truth against which a client's
// own error is measured, so it has to cost little and to tell what really
// happened. One goroutine writes all tokens straight to the connections, each
// at its time, and notes when it wrote the first of each answer. GET /fidelity
// returns these notes and forgets them. It knows completions alone, and streams
// every answer.
type FixedServer struct {
	URL string

	model       string
	first, next time.Duration
	listener    net.Listener
	ended       context.Context
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
	usage          streamOptions
}

// fixedChunks are the bytes of an answer, in HTTP's chunked coding: one write
// for each token, the last with the end of the stream.
type fixedChunks struct{ writes [][]byte }

// patience is how long a write to a client that does not read holds up all
// others before that client is cut. The sockets' buffers take hundreds of tokens
// before it comes to that.
const patience = 10 * time.Millisecond

// fixedModelLen is the longest prompt and answer together, in tokens.
const fixedModelLen = 100_000

// StartFixed starts a server on address whose answers have their first token
// after first, which is more than 0, and each next one after next.
func StartFixed(address, model string, first, next time.Duration) (*FixedServer, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serving fixed latencies: %w", err)
	}
	return serveFixed(listener, model, first, next, alarm.New), nil
}

func serveFixed(listener net.Listener, model string, first, next time.Duration, clock func(context.Context) alarm.Alarm) *FixedServer {
	if model == "" {
		model = DefaultModel
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &FixedServer{
		URL: "http://" + listener.Addr().String(), model: model, first: first, next: next,
		listener: listener, ended: ctx, stop: stop, arrivals: make(chan *fixedAnswer, 1<<16), shapes: map[fixedShape]*fixedChunks{},
	}
	go s.write(clock(ctx))
	go s.accept()
	return s
}

// Close stops the server and cuts its connections.
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
	defer context.AfterFunc(s.ended, func() { _ = conn.Close() })()
	reader := bufio.NewReader(conn)
	for {
		q, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(io.LimitReader(q.Body, maxBody))
		if err != nil {
			return
		}
		if q.Method != http.MethodPost || q.URL.Path != "/v1/completions" {
			status, text := s.page(q.URL.Path)
			respond(conn, status, text)
			continue
		}
		arrived := time.Now()
		chunks, refusal := s.chunks(body)
		if refusal != nil {
			respond(conn, refusal.status, string(refusal.json()))
			continue
		}
		a := &fixedAnswer{
			id: q.Header.Get("X-Request-ID"), conn: conn, arrived: arrived, due: arrived.Add(s.first),
			chunks: chunks, done: make(chan struct{}),
		}
		s.arrivals <- a
		select {
		case <-a.done:
		case <-s.ended.Done():
			return
		}
		if a.sent < len(a.chunks.writes) {
			return
		}
	}
}

func respond(conn net.Conn, status int, text string) {
	_ = conn.SetWriteDeadline(time.Time{}) // the last token's deadline may be over
	fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		status, http.StatusText(status), len(text), text)
}

// page is the body of everything but an answer.
func (s *FixedServer) page(path string) (int, string) {
	switch path {
	case "/health":
		return http.StatusOK, ""
	case "/v1/models":
		return http.StatusOK, fmt.Sprintf(`{"object":"list","data":[{"id":%s,"object":"model","max_model_len":%d}]}`, marshal(s.model), fixedModelLen)
	case "/fidelity":
		s.mu.Lock()
		notes := s.notes
		s.notes = nil
		s.mu.Unlock()
		return http.StatusOK, string(marshal(notes))
	default:
		return http.StatusNotFound, "{}"
	}
}

// write is the one goroutine that writes tokens. Both queues are in the order of
// their times without any sorting: all first tokens have the same latency, and
// so have all next ones.
func (s *FixedServer) write(clock alarm.Alarm) {
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
			case <-s.ended.Done():
				return
			}
		}
		// What arrives during the wait is due after s.first at the earliest.
		if wait := time.Until(from.head().due); wait > 0 {
			if !clock.Wait(min(wait, s.first)) {
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
	_ = a.conn.SetWriteDeadline(time.Now().Add(patience)) // it fails where the write does
	if _, err := a.conn.Write(a.chunks.writes[a.sent]); err != nil {
		return false // the client is gone or does not read
	}
	a.sent++
	return a.sent < len(a.chunks.writes)
}

// chunks makes the bytes of an answer, or takes those of an earlier one of the
// same shape.
func (s *FixedServer) chunks(body []byte) (*fixedChunks, *problem) {
	q, refusal := parseQuery(body, false, s.model, fixedModelLen)
	if refusal != nil {
		return nil, refusal
	}
	shape := fixedShape{len(q.ids), q.output, streamOptions{q.includesUsage(), q.usageInEachChunk()}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.shapes[shape]; c != nil {
		return c, nil
	}
	q.ReturnTokenIDs = false
	events := newChunks(q, false, "fixed", s.model, 0)
	c := &fixedChunks{}
	for i := range q.output {
		text, reason := "", ""
		if i == 0 {
			text = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
		}
		if i+1 == q.output {
			reason = "length"
		}
		text += httpChunk(events.tokens(1, i+1, false, reason))
		if i+1 == q.output {
			if shape.usage.IncludeUsage {
				text += httpChunk(events.final(q.output))
			}
			text += httpChunk("[DONE]") + "0\r\n\r\n"
		}
		c.writes = append(c.writes, []byte(text))
	}
	s.shapes[shape] = c
	return c, nil
}

// httpChunk is one event in HTTP's chunked coding.
func httpChunk(data string) string {
	text := "data: " + data + "\n\n"
	return fmt.Sprintf("%x\r\n%s\r\n", len(text), text)
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
