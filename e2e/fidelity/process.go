package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// The client has one core and the server has the other, so that neither takes
// time from the other and a client's cost is what one core pays.
const (
	clientCore = 0
	serverCore = 1
)

// pinned is a command that runs on one core alone, and dies with ctx. A Go
// program is told that it has one.
func pinned(ctx context.Context, core int, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"--cpu-list", strconv.Itoa(core), program}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	return cmd
}

// part is a part of this program as a process of its own.
func part(ctx context.Context, core int, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program to start a part of it: %w", err)
	}
	return pinned(ctx, core, self, args...), nil
}

// outcome runs cmd to its end and reads the JSON that it prints into result.
// It returns the processor time that the process took.
func outcome(cmd *exec.Cmd, result any) (cpu time.Duration, err error) {
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("running %s: %w", strings.Join(cmd.Args, " "), err)
	}
	if err := json.Unmarshal(out.Bytes(), result); err != nil {
		return 0, fmt.Errorf("reading what %s printed: %w", strings.Join(cmd.Args, " "), err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// listening starts cmd, which prints its address as its first line and serves
// until it is told to end.
func listening(cmd *exec.Cmd) (address string, stop func(), err error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, fmt.Errorf("starting %s: %w", strings.Join(cmd.Args, " "), err)
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("starting %s: %w", strings.Join(cmd.Args, " "), err)
	}
	stop = func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()         // killed, as meant
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("waiting for the address of %s: %w", strings.Join(cmd.Args, " "), err)
	}
	return strings.TrimSpace(line), stop, nil
}

// memory reads one of the kernel's figures of a process, in bytes: VmRSS is what
// it has at the moment, VmHWM the most that it has had.
func memory(pid, figure string) (int64, error) {
	path := "/proc/" + pid + "/status"
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading the memory of a process: %w", err)
	}
	n, ok := bytesOf(string(text), figure)
	if !ok {
		return 0, fmt.Errorf("%s has no %s", path, figure)
	}
	return n, nil
}

// bytesOf finds a figure in the text of /proc/PID/status, where it is in KiB.
func bytesOf(status, figure string) (int64, bool) {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, figure+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}
