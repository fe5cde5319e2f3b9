package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// piped listens to connections within the process, which have the bubble's time.
type piped chan net.Conn

func (p piped) Accept() (net.Conn, error) {
	if c, open := <-p; open {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p piped) Close() error   { close(p); return nil }
func (p piped) Addr() net.Addr { return &net.UnixAddr{} }

// dial opens a connection.
func (p piped) dial(t *testing.T) net.Conn {
	here, there := net.Pipe()
	t.Cleanup(func() { _ = here.Close() })
	p <- there
	return here
}

// A reader that asks and then reads nothing, one that never ends its question, and one
// that asks no more, are cut; none of them keeps a place for longer.
func TestStalledReadersAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took time.Duration
		server := newServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			began := time.Now()
			_, _ = io.Copy(io.Discard, q.Body)
			_, err := w.Write(make([]byte, 1<<20))
			took = time.Since(began)
			if err == nil {
				t.Error("what nobody read was written")
			}
		}))
		listener := make(piped)
		ended := make(chan error)
		go func() { ended <- server.Serve(listener) }()
		for name, question := range map[string]string{
			"of what nobody reads": "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "without its end": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
		} {
			took = 0
			if _, err := listener.dial(t).Write([]byte(question)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(61 * time.Second)
			synctest.Wait()
			if took < 59*time.Second || took > time.Minute {
				t.Errorf("a question %s held its place for %s", name, took)
			}
		}
		server.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		idle := listener.dial(t)
		if _, err := idle.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		began, answers := time.Now(), bufio.NewReader(idle)
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if _, err := answers.ReadByte(); !errors.Is(err, io.EOF) || time.Since(began) != 2*time.Minute {
			t.Errorf("a connection without questions ended after %s: %v", time.Since(began), err)
		}
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}
