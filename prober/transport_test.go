package prober

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// slowWriter is a connection whose writer does not get on after its bytes have
// left: answered is called while it is still in the system call.
type slowWriter struct {
	net.Conn
	answered func()
}

func (w slowWriter) Write(p []byte) (int, error) {
	w.answered()
	return len(p), nil
}

// An answer that comes before the writer has its next turn belongs to the request
// that was just sent, and not to the one before on the same connection.
func TestASentRequestIsStampedBeforeItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stampedConn{}
		send := func() (began, seen, ended instant) {
			began = now()
			c.Conn = slowWriter{answered: func() {
				seen = instant(c.written.Load())
				time.Sleep(time.Second)
			}}
			if _, err := c.Write([]byte("request")); err != nil {
				t.Fatal(err)
			}
			return began, seen, instant(c.written.Load())
		}
		for range 2 {
			began, seen, ended := send()
			if seen != began || ended != began+time.Second {
				t.Errorf("stamped %s after the beginning when the answer came, want 0s, and %s in the end, want 1s", seen-began, ended-began)
			}
			time.Sleep(time.Minute)
		}
	})
}
