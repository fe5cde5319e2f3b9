package prepare_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"vllm_prober/internal/config"
	"vllm_prober/internal/prepare"
	"vllm_prober/internal/replica"
	"vllm_prober/prober"
)

// fixed says that engines were made, or why not.
type fixed struct {
	before replica.Engines
	got    replica.Engines
	err    error
}

func (f *fixed) Engines(context.Context, prober.Place) replica.Engines { return f.before }

func (f *fixed) Renewed(_ context.Context, _ prober.Place, before replica.Engines) error {
	f.got = before
	return f.err
}

// run runs a script by the shell.
func run(ctx context.Context, engines *fixed, script string, change func(*config.Prepare)) (log string, err error) {
	p := config.DefaultPrepare()
	p.Command = []string{"/bin/sh", "-c", script}
	if change != nil {
		change(&p)
	}
	var buffer bytes.Buffer
	prepared := prepare.New(engines, slog.New(slog.NewTextHandler(&buffer, &slog.HandlerOptions{Level: slog.LevelDebug})))
	err = prepared(ctx, prober.Arm{Target: "t", Replicas: 1, GPUs: 1, BatchSize: 16}, prober.Place{Target: "t"}, p)
	return buffer.String(), err
}

// The command gets its arguments and its environment, and the wait for new engines
// what ran before it.
func TestACommandIsRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "made")
	engines := &fixed{before: replica.Engines{{Engines: 7}}}
	_, err := run(t.Context(), engines, `echo "$SIZE $HOME" > "$0"`, func(p *config.Prepare) {
		p.Command = append(p.Command, file)
		p.Env = map[string]promconfig.Secret{"SIZE": "16"}
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "16 "+os.Getenv("HOME")+"\n" {
		t.Errorf("the command wrote %q, %v", text, err)
	}
	if len(engines.got) != 1 || engines.got[0].Engines != 7 {
		t.Errorf("awaited are other engines than %+v", engines.got)
	}
}

// Errors say what the command said, without its secrets, and only the end of it.
func TestAFailureSaysWhatTheCommandSaid(t *testing.T) {
	for name, c := range map[string]struct {
		script  string
		engines fixed
		want    string
	}{
		"status":     {`echo no such deployment >&2; exit 3`, fixed{}, "/bin/sh: exit status 3: it said no such deployment"},
		"silent":     {`exit 4`, fixed{}, "/bin/sh: exit status 4"},
		"secret":     {`echo "token $TOKEN is refused"; exit 1`, fixed{}, "/bin/sh: exit status 1: it said token <secret> is refused"},
		"no engines": {`true`, fixed{err: errors.New("replica http://a: still old")}, "there are no new engines within prepare.timeout, 10m0s: replica http://a: still old"},
		// 70 KiB with a secret across the place where what is kept begins.
		"long": {
			`i=0; while [ $i -lt 1000 ]; do printf '%070d' 0; i=$((i+1)); done; printf '%s' "$TOKEN"; printf '%02042d' 0; exit 1`,
			fixed{},
			"exit status 1: it said ecret>" + strings.Repeat("0", 2042),
		},
	} {
		t.Run(name, func(t *testing.T) {
			log, err := run(t.Context(), &c.engines, c.script, func(p *config.Prepare) {
				p.Env = map[string]promconfig.Secret{"TOKEN": "s3cr3t-token"}
			})
			if err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(log+err.Error(), "s3cr3t") || strings.Contains(log, "-token") {
				t.Errorf("the log shows the secret: %s", log)
			}
		})
	}
}

func TestAProgramThatThereIsNot(t *testing.T) {
	_, err := run(t.Context(), &fixed{}, "", func(p *config.Prepare) { p.Command = []string{"/nowhere/restart.sh"} })
	if err == nil || !strings.Contains(err.Error(), "/nowhere/restart.sh: ") || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
}

// A command that is out of time ends with all that it has started, also with what
// does not listen to SIGTERM.
func TestTheTimeLimitEndsTheWholeGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	_, err := run(t.Context(), &fixed{}, `(trap "" TERM; sh -c 'echo $$ > "$0"; while :; do sleep 1; done' "$0") & wait`, func(p *config.Prepare) {
		p.Command = append(p.Command, file)
		p.Timeout = 2 * time.Second
	})
	if err == nil || !strings.Contains(err.Error(), "did not end within prepare.timeout, 2s") {
		t.Errorf("the error is %v", err)
	}
	pid := pidIn(t, file)
	for deadline := time.Now().Add(20 * time.Second); !gone(pid); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d outlived its command", pid)
		}
	}
}

// pidIn is the process that a command has noted in a file.
func pidIn(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// gone says whether a process has ended, whether or not anyone has asked how.
func gone(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// Whoever ends the run ends the command.
func TestTheEndOfTheRunEndsTheCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := run(ctx, &fixed{}, `sleep 1000`, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

// What a command leaves running, such as an engine, holds nothing up and goes on.
func TestWhatIsLeftRunningGoesOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	_, err := run(t.Context(), &fixed{}, `sleep 1000 & echo $! > "$0"`, func(p *config.Prepare) { p.Command = append(p.Command, file) })
	if err != nil {
		t.Fatal(err)
	}
	pid := pidIn(t, file)
	if gone(pid) {
		t.Error("the engine ended with the command")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}
