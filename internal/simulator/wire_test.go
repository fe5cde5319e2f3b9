package simulator

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// wire is a connection to a replica in synthetic time, byte for byte.
type wire struct {
	t *testing.T
	net.Conn
	began time.Time
}

// onWire runs a test beside a replica that listens on a pipe.
func onWire(t *testing.T, o Options, test func(t *testing.T, r *Replica, dial func() *wire)) {
	t.Helper()
	if o.Parameters.MaxNumSeqs == 0 {
		o.Parameters = FieldReport()
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		listener := NewPipeListener()
		replica := NewReplica(ctx, o)
		server := &http.Server{Handler: replica, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		go func() { _ = server.Serve(listener) }()
		defer func() {
			_ = server.Close()
			cancel()
			synctest.Wait()
		}()
		test(t, replica, func() *wire {
			conn, err := listener.DialContext(ctx, "tcp", "replica:80")
			if err != nil {
				t.Fatal(err)
			}
			return &wire{t: t, Conn: conn}
		})
	})
}

// read is what one read of a client's brought.
type read struct {
	after time.Duration
	bytes string
}

// send writes a request.
func (w *wire) send(method, path, body string, header ...string) {
	w.t.Helper()
	header = append(header, fmt.Sprintf("Content-Length: %d", len(body)))
	if body != "" {
		header = append(header, "Content-Type: application/json")
	}
	_, err := fmt.Fprintf(w, "%s %s HTTP/1.1\r\nHost: replica\r\n%s\r\n\r\n%s", method, path, strings.Join(header, "\r\n"), body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.began = time.Now()
}

// reads reads until the connection ends, nothing came for two seconds, or ten
// have passed, and says whether it ended.
func (w *wire) reads() (all []read, ended bool) {
	w.t.Helper()
	buffer := make([]byte, 1<<20)
	for {
		deadline := time.Now().Add(2 * time.Second)
		if last := w.began.Add(10 * time.Second); deadline.After(last) {
			deadline = last
		}
		_ = w.SetReadDeadline(deadline) // it fails on a pipe whose other end is closed, as the read will
		n, err := w.Read(buffer)
		if n > 0 {
			all = append(all, read{time.Since(w.began), string(buffer[:n])})
		}
		if err != nil {
			return all, !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

// ask sends a request and reads the whole answer.
func (w *wire) ask(method, path, body string, header ...string) (*http.Response, string) {
	w.t.Helper()
	w.send(method, path, body, header...)
	response, err := http.ReadResponse(bufio.NewReader(w), &http.Request{Method: method})
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response, string(text)
}

// answered takes reads apart: the status and the body, up to where the bytes end,
// and whether HTTP's own framing came to its end.
func answered(t *testing.T, all []read) (status int, body string, whole bool) {
	t.Helper()
	var raw bytes.Buffer
	for _, r := range all {
		raw.WriteString(r.bytes)
	}
	response, err := http.ReadResponse(bufio.NewReader(&raw), nil)
	if err != nil {
		t.Fatalf("no HTTP: %v in %v", err, all)
	}
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err == nil
}
