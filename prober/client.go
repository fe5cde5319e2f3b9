package prober

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/workload"
)

// client makes the requests of one target and keeps their clocks.
type client struct {
	transport http.RoundTripper
	timeouts  config.Timeouts
	headers   map[string]bool // names of configured headers: their values are secrets
	buffers   sync.Pool
}

func newClient(target config.Target, timeouts config.Timeouts, dial Dialer) (*client, error) {
	transport, err := newTransport(target.HTTPClient, dial, timeouts.Connect)
	if err != nil {
		return nil, fmt.Errorf("setting up http_client of target %q: %w", target.Name, err)
	}
	c := &client{transport: transport, timeouts: timeouts, headers: map[string]bool{
		"Authorization": true, "Proxy-Authorization": true,
	}}
	if h := target.HTTPClient.HTTPHeaders; h != nil {
		for name := range h.Headers {
			c.headers[http.CanonicalHeaderKey(name)] = true
		}
	}
	c.buffers.New = func() any { return new(readBuffer) }
	return c, nil
}

// readBuffer holds some chunks of a stream, which are of about 300 bytes. Each
// request in flight has one, so it is small; what comes at once and does not fit
// is taken piece by piece, with the same time.
type readBuffer [1 << 10]byte

// gap is the time between two reads of a stream that brought tokens.
type gap struct {
	length time.Duration
	tokens int
}

// exchange is one request under way.
type exchange struct {
	client  *client
	request workload.Request
	replica *url.URL
	dog     *watchdog
	conn    *stampedConn
	secrets atomic.Pointer[[]string]
	obs     Observation
	gaps    []gap
	first   *atomic.Int64 // is told the first token's instant
}

// do makes one request, reads its whole answer, and returns what it saw, with
// the instants as they are, and the gaps between tokens, appended to gaps. The
// first token's instant is told as soon as it is known.
func (c *client) do(
	ctx context.Context, replica *url.URL, request workload.Request, id string, intended instant, first *atomic.Int64, gaps []gap,
) (Observation, []gap) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	x := &exchange{
		client: c, request: request, replica: replica, first: first, gaps: gaps,
		obs: Observation{ID: id, Replica: ReplicaName(replica), Intended: intended},
		dog: watch(c.timeouts, cancel),
	}
	defer x.dog.stop()

	err := x.run(ctx)
	x.obs.Outcome = OK
	if err != nil {
		x.obs.End = now()
		x.obs.Outcome = x.outcome(ctx, err)
		x.obs.Err = x.describe(ctx, err)
	}
	return x.obs, x.gaps
}

// run sends the request and reads the stream.
func (x *exchange) run(ctx context.Context) error {
	connecting := now()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { x.dog.handshaking.Store(true) },
		GotConn: func(info httptrace.GotConnInfo) {
			at := now()
			if !info.Reused {
				x.obs.Connecting = at - connecting
			}
			x.dog.connected.Store(int64(at))
			x.conn = stampedConnOf(info.Conn)
		},
		WroteHeaderField: x.noteSecret,
	})
	body := x.request.Body
	req := (&http.Request{
		Method: http.MethodPost,
		URL:    x.replica.JoinPath(x.request.Path),
		Header: http.Header{
			"Content-Type": {"application/json"},
			"Accept":       {"text/event-stream"},
			"X-Request-Id": {x.obs.ID},
		},
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
		ContentLength: int64(len(body)),
	}).WithContext(ctx)

	resp, err := x.client.transport.RoundTrip(req)
	x.obs.Sent = x.lastWrite()
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	x.obs.Headers = x.lastRead()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return failf(statusOutcome(resp.StatusCode), "status %s: %s", resp.Status, errorMessageOf(text))
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		return failf(StreamError, "the answer is %q and no event stream: does something between prober and vLLM not stream?", kind)
	}
	return x.stream(resp.Body)
}

// outcome classifies what ended the request.
func (x *exchange) outcome(ctx context.Context, err error) Outcome {
	if cause, ok := asFailure(context.Cause(ctx)); ok {
		return cause.outcome
	}
	if f, ok := asFailure(err); ok {
		return f.outcome
	}
	switch {
	case x.dog.connected.Load() > 0:
		return Truncated
	case x.dog.handshaking.Load():
		return TLS
	default:
		return Connect
	}
}

// describe words what ended the request, with no secret in it.
func (x *exchange) describe(ctx context.Context, err error) string {
	if cause, ok := asFailure(context.Cause(ctx)); ok {
		err = cause
	}
	return x.foreign(err.Error())
}

func (x *exchange) lastRead() instant {
	if x.conn != nil {
		return instant(x.conn.read.Load())
	}
	return now()
}

func (x *exchange) lastWrite() instant {
	if x.conn != nil {
		return instant(x.conn.written.Load())
	}
	return 0
}

func (x *exchange) readNumber() int64 {
	if x.conn != nil {
		return x.conn.reads.Load()
	}
	return 0
}

// noteSecret keeps the values of headers that authorize, as they are written,
// so that no text of the server can bring them back into a log.
func (x *exchange) noteSecret(key string, values []string) {
	if !x.client.headers[http.CanonicalHeaderKey(key)] {
		return
	}
	var secrets []string
	if known := x.secrets.Load(); known != nil {
		secrets = append(secrets, *known...)
	}
	for _, value := range values {
		secrets = append(secrets, value)
		if _, token, ok := strings.Cut(value, " "); ok {
			secrets = append(secrets, token)
			if pair, err := base64.StdEncoding.DecodeString(token); err == nil {
				_, password, _ := strings.Cut(string(pair), ":")
				secrets = append(secrets, string(pair), password)
			}
		}
	}
	x.secrets.Store(&secrets)
}

// maxForeign bounds how much of a server's text is repeated.
const maxForeign = 300

// foreign makes a server's text fit to be shown: secrets hidden, and short.
func (x *exchange) foreign(text string) string {
	if secrets := x.secrets.Load(); secrets != nil {
		for _, secret := range *secrets {
			if secret != "" {
				text = strings.ReplaceAll(text, secret, "<secret>")
			}
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxForeign {
		text = strings.ToValidUTF8(text[:maxForeign], "") + "…"
	}
	return text
}

// errorMessageOf finds the text of an HTTP error's body: {"error":{"message":…}},
// {"message":…}, or whatever it is.
func errorMessageOf(body []byte) string {
	if c, err := parseChunk(body); err == nil && c.failure != "" {
		return c.failure
	}
	return errorMessage(body)
}
