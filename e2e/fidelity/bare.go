package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"vllm_prober/internal/alarm"
	"vllm_prober/internal/config"
	"vllm_prober/internal/workload"
	"vllm_prober/prober"
)

// bareSockets is the least client there can be, the yardstick of the machine. It
// sends such requests as vllm_prober does, over sockets of its own, and reads
// the same bytes, but looks at none of them except the last. What it is off by,
// and what a token costs it, the kernel and the Go runtime take.
var bareSockets = client{"bare sockets", func(ctx context.Context, server string, rate float64, t times) (measurement, error) {
	return load(ctx, order{Server: server, Rate: rate, Warmup: t.warmup, Window: t.window / 2, Bare: true})
}}

// bareSeed is that of the arrivals and of the prompts.
const bareSeed = 1

// bareStep is a step under way.
type bareStep struct {
	address string

	mu   sync.Mutex
	idle []net.Conn
	m    measurement
	err  error
}

func runBareStep(o order) (measurement, error) {
	requests, err := workload.New(o.config().Probes[0].Workload, model, "bare", bareSeed)
	if err != nil {
		return measurement{}, err
	}
	server, err := url.Parse(o.Server)
	if err != nil {
		return measurement{}, fmt.Errorf("the server's URL: %w", err)
	}
	b := &bareStep{address: server.Host}
	clock := alarm.New(context.Background())
	defer clock.Close()
	var flights sync.WaitGroup
	begin, number := time.Now(), 0
	for offset := range prober.Arrivals(config.Pacing{Process: config.Poisson}, o.Rate, bareSeed) {
		if offset > o.Warmup+o.Window {
			break
		}
		number++
		id, body := "bare-"+strconv.Itoa(number), requests.Next().Body
		clock.Wait(offset - time.Since(begin))
		flights.Go(func() { b.request(id, body, begin.Add(offset), offset >= o.Warmup) })
	}
	flights.Wait()
	return b.m, b.err
}

// request makes one request and keeps what it measured, or the first error.
func (b *bareStep) request(id string, body []byte, intended time.Time, measured bool) {
	conn, err := b.connection()
	if err == nil {
		_, err = fmt.Fprintf(conn, "POST /v1/completions HTTP/1.1\r\nHost: %s\r\nX-Request-Id: %s\r\nContent-Length: %d\r\n\r\n%s",
			b.address, id, len(body), body)
	}
	sent := time.Now()
	var first time.Time
	buffer, reads := make([]byte, 4<<10), 0
	for ended := false; err == nil && !ended; reads++ {
		var n int
		n, err = conn.Read(buffer)
		if reads == 0 {
			first = time.Now()
		}
		ended = bytes.HasSuffix(buffer[:n], []byte("\r\n0\r\n\r\n"))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		if b.err == nil {
			b.err = fmt.Errorf("making a request over a bare socket: %w", err)
		}
		return
	}
	b.idle = append(b.idle, conn)
	b.m.Tokens += outputTokens
	if measured {
		b.m.Samples = append(b.m.Samples, sample{id, first.Sub(intended).Seconds()})
		b.m.Lags = append(b.m.Lags, sent.Sub(intended).Seconds())
	}
}

func (b *bareStep) connection() (net.Conn, error) {
	if conn := b.idleConnection(); conn != nil {
		return conn, nil
	}
	return (&net.Dialer{}).DialContext(context.Background(), "tcp", b.address)
}

func (b *bareStep) idleConnection() net.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := len(b.idle) - 1
	if last < 0 {
		return nil
	}
	conn := b.idle[last]
	b.idle = b.idle[:last]
	return conn
}
