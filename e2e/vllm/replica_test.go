//go:build e2e && linux

// Package vllm_test holds the prober against the real vLLM server: what it
// measures must be what the server says of itself.
package vllm_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	batchSize = 8
	apiKey    = "a-key-that-no-log-may-show"

	startLimit = 5 * time.Minute
	stopLimit  = 30 * time.Second
)

// replica is one real vLLM server that the tests have started.
type replica struct {
	url     string
	keyFile string
	log     string // its path
}

// server is the one that all tests use, one after the other: it takes a minute
// to start.
var server replica

func TestMain(m *testing.M) { os.Exit(aroundServer(m.Run)) }

// aroundServer starts the server, runs the tests, and ends the server.
func aroundServer(tests func() int) (status int) {
	folder, err := os.MkdirTemp("", "vllm")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	// With a stream interval, a chunk brings several tokens, as it does wherever
	// the server's front end lags behind its engine.
	stop, err := server.start(folder, "--max-num-seqs", strconv.Itoa(batchSize), "--stream-interval", "3", "--enable-prompt-tokens-details")
	if err == nil {
		status = tests()
	} else {
		status = 1
		fmt.Fprintln(os.Stderr, err)
	}
	if !stop() {
		status = 1
		fmt.Fprintf(os.Stderr, "vLLM does not end\n")
	}
	if status != 0 {
		fmt.Fprintf(os.Stderr, "the end of vLLM's log:\n%s\n", tail(server.log))
	}
	return status
}

// start starts serve.sh with flags on a free port of the loopback and waits
// until it serves. The server computes on the first processor, and this process
// keeps to the others, where there are such. What it writes goes to folder.
func (v *replica) start(folder string, flags ...string) (stop func() bool, err error) {
	nothing := func() bool { return true }
	v.keyFile, v.log = filepath.Join(folder, "key"), filepath.Join(folder, "vllm.log")
	if err := os.WriteFile(v.keyFile, []byte(apiKey+"\n"), 0o600); err != nil {
		return nothing, err
	}
	log, err := os.Create(v.log)
	if err != nil {
		return nothing, err
	}
	defer log.Close() // the server has it open by itself
	port, err := freePort()
	if err != nil {
		return nothing, err
	}
	v.url = "http://127.0.0.1:" + port
	all, err := allowed()
	if err != nil {
		return nothing, err
	}
	first, rest := divide(all)

	cmd := exec.Command("./serve.sh", append([]string{port, "--api-key", apiKey}, flags...)...)
	cmd.Env = append(os.Environ(), "VLLM_CORE="+strconv.Itoa(first))
	cmd.Stdout, cmd.Stderr = log, log
	ended, stop, err := startGroup(cmd, all)
	if err != nil {
		return nothing, err
	}
	for began := time.Now(); !v.healthy(); {
		select {
		case err := <-ended:
			return stop, fmt.Errorf("vLLM ended before it served: %w", err)
		case <-time.After(500 * time.Millisecond):
		}
		if time.Since(began) > startLimit {
			return stop, fmt.Errorf("vLLM does not serve after %s", startLimit)
		}
	}
	if rest != nil {
		err = keepTo(rest)
	}
	return stop, err
}

// startGroup starts cmd in a process group of its own, on all of the given
// processors. What comes from ended is how cmd ended; stop ends the whole group,
// and says whether it has.
func startGroup(cmd *exec.Cmd, on unix.CPUSet) (ended <-chan error, stop func() bool, err error) {
	// The kernel ends cmd, too, when this process dies before it can. It does so
	// at the end of the thread that started cmd, hence the locked one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started, waited := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := unix.SchedSetaffinity(0, &on)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			waited <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, nil, err
	}
	group := -cmd.Process.Pid
	return waited, func() bool {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			_ = syscall.Kill(group, signal)
			for deadline := time.Now().Add(stopLimit); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
				if syscall.Kill(group, 0) != nil {
					return true // nobody is left of the group
				}
			}
		}
		return false
	}, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// allowed are the processors that this process may use, as long as it has not
// been kept to some of them.
var allowed = sync.OnceValues(func() (set unix.CPUSet, err error) {
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return set, fmt.Errorf("asking for the processors: %w", err)
	}
	return set, nil
})

// divide divides processors into the first one and the rest, which is nil where
// there is no other.
func divide(all unix.CPUSet) (first int, rest *unix.CPUSet) {
	for !all.IsSet(first) {
		first++
	}
	if all.Count() == 1 {
		return first, nil
	}
	all.Clear(first)
	return first, &all
}

// keepTo lets this process's threads, and those that they will make, run on the
// given processors alone.
func keepTo(set *unix.CPUSet) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		_ = unix.SchedSetaffinity(id, set) // a thread that is gone needs none
	}
	return nil
}

func tail(path string) string {
	text, _ := os.ReadFile(path)
	lines := strings.Split(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
