package prometheus

import (
	"bytes"
	"context"
	"flag"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var tools = flag.String("tools", "../../dist/tools", "the folder of what make e2e-prometheus builds")

// patience is how long a test waits for what is bound to come, on a machine that
// others use as well.
const patience = 2 * time.Minute

// tool is the path of one of the binaries.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(*tools, name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v; make e2e-prometheus builds it", err)
	}
	return path
}

// process is a program under test. It is told to end when the test ends.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	output  output
	address string // where it listens
}

// output is what a process has written so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p) //nolint:wrapcheck // it never fails
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start starts a program that will listen at an address, and waits until it
// answers there. Its last lines are shown where the test has failed.
func start(t *testing.T, address, ready, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program, args...), address: address}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = p.cmd.Wait() // how it ends is not what is tested
		close(ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = p.cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			lines := strings.Split(p.output.String(), "\n")
			t.Logf("the last lines of %s:\n%s", filepath.Base(program), strings.Join(lines[max(0, len(lines)-30):], "\n"))
		}
	})
	eventually(t, patience, filepath.Base(program)+" answers", func() bool {
		select {
		case <-ended:
			t.Fatalf("%s has ended:\n%s", program, p.output.String())
		default:
		}
		response, err := http.Get("http://" + address + ready)
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return p
}

// eventually waits until what comes true, and returns when it has.
func eventually(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// freeAddress is one of the loopback that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// write writes a file into a folder of the test's own and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
