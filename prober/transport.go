package prober

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/version"
)

// idleTimeout is how long an unused connection is kept. It lies below the 5 s
// after which vLLM's HTTP server closes one: a request written to a connection
// that the server is just closing would fail through no fault of the engine.
const idleTimeout = 4 * time.Second

// Dialer makes a connection, as net.Dialer.DialContext does.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// newTransport returns HTTP/1.1 with keep-alive over as many connections as the
// load needs. HTTP/2 would put many streams on one connection, and one lost
// packet would then delay them all.
func newTransport(cfg promconfig.HTTPClientConfig, dial Dialer, connect time.Duration) (http.RoundTripper, error) {
	if dial == nil {
		dial = (&net.Dialer{Timeout: connect}).DialContext
	}
	return promconfig.NewRoundTripperFromConfig(cfg, "vllm_prober",
		promconfig.WithHTTP2Disabled(),
		promconfig.WithIdleConnTimeout(idleTimeout),
		promconfig.WithUserAgent("vllm_prober/"+version.Version),
		promconfig.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			if err != nil {
				return nil, &failure{Connect, err}
			}
			return &stampedConn{Conn: c}, nil
		}),
	)
}

// stampedConn notes when bytes last came and went, as near to the system call
// as a Go program can: everything above it (TLS, HTTP, the stream's parser) then
// costs processor time, but no accuracy.
type stampedConn struct {
	net.Conn
	read, written atomic.Int64 // instants
	reads         atomic.Int64
}

func (c *stampedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.read.Store(int64(now()))
		c.reads.Add(1)
	}
	return n, err
}

// Write stamps before the system call, too: on a busy machine the answer may be
// here before the goroutine that wrote gets its next turn, and the stamp would
// then be that of the connection's former request.
func (c *stampedConn) Write(p []byte) (int, error) {
	c.written.Store(int64(now()))
	n, err := c.Conn.Write(p)
	c.written.Store(int64(now()))
	return n, err
}

// LocalAddr carries the connection itself, because TLS and the transport's
// bookkeeping wrap it and show no way to what they wrap but this.
func (c *stampedConn) LocalAddr() net.Addr { return stampedAddr{c.Conn.LocalAddr(), c} }

type stampedAddr struct {
	net.Addr
	conn *stampedConn
}

// stampedConnOf finds the stampedConn beneath c.
func stampedConnOf(c net.Conn) *stampedConn {
	if a, ok := c.LocalAddr().(stampedAddr); ok {
		return a.conn
	}
	return nil
}
