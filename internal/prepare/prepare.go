// Package prepare makes the engines of an arm by the arm's command, and waits
// until they serve.
package prepare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/replica"
	"vllm_prober/prober"
)

// killAfter is how long a command has to end by itself after it was asked to.
const killAfter = 10 * time.Second

// engines says what runs on an arm's replicas.
type engines interface {
	Engines(context.Context, prober.Place) replica.Engines
	Renewed(context.Context, prober.Place, replica.Engines) error
}

// New returns what makes the engines of a probe's arms, as prober.Options.Prepare
// wants it: it runs the command and returns once all replicas of the arm are ready
// and run engines that started after the command did.
func New(watcher engines, log *slog.Logger) func(context.Context, prober.Arm, prober.Place, config.Prepare) error {
	return func(ctx context.Context, arm prober.Arm, place prober.Place, p config.Prepare) error {
		ctx, cancel := context.WithTimeout(ctx, p.Timeout)
		defer cancel()
		before := watcher.Engines(ctx, place)
		log.Info("making engines", "target", arm.Target, "gpus", arm.GPUs, "batch_size", arm.BatchSize, "command", p.Command)
		if err := execute(ctx, p, log); err != nil {
			return err
		}
		if err := watcher.Renewed(ctx, place, before); err != nil {
			return fmt.Errorf("the command has ended, and there are no new engines within prepare.timeout, %s: %w", p.Timeout, err)
		}
		return nil
	}
}

// execute runs the command with all that it starts in a process group of its own,
// which ends with ctx. What it leaves running when it ends goes on: it may be the
// engine itself.
func execute(ctx context.Context, p config.Prepare, log *slog.Logger) error {
	cmd := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...) // #nosec G204 -- the operator's own, who enabled it by a flag
	cmd.Env = os.Environ()
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		cmd.Env = append(cmd.Env, name+"="+string(p.Env[name]))
	}
	output, err := os.CreateTemp("", "vllm_prober-prepare-*") // a file, since a pipe would wait for what is left running
	if err != nil {
		return fmt.Errorf("making a file for the output of the command: %w", err)
	}
	defer func() { _, _ = output.Close(), os.Remove(output.Name()) }()
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	err = cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	said := told(end(output), p)
	log.Debug("the command has ended", "command", p.Command, "err", err, "output", said)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s did not end within prepare.timeout, %s%s", p.Command[0], p.Timeout, said)
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return fmt.Errorf("%s: %w%s", p.Command[0], err, said)
	}
}

const (
	// kept is how much of the end of a command's output an error repeats, in bytes.
	kept = 2 << 10
	// looked is how much of it is searched for secrets, so that none that begins
	// before what is kept leaves its end there.
	looked = 64 << 10
)

// end is the end of a command's output.
func end(output *os.File) string {
	size, err := output.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	text := make([]byte, min(size, looked))
	if _, err := output.ReadAt(text, size-int64(len(text))); err != nil {
		return ""
	}
	return string(text)
}

// told is what a command said, as the end of a message; empty where it was
// silent.
func told(text string, p config.Prepare) string {
	text = strings.TrimSpace(hide(text, p))
	text = strings.ToValidUTF8(text[max(0, len(text)-kept):], "\uFFFD")
	if text == "" {
		return ""
	}
	return ": it said " + text
}

// shortSecret is the length from which on a value of the environment is hidden:
// no secret is shorter, and to hide a 16 would make a message useless.
const shortSecret = 8

// hide takes the values of the command's environment out of a text.
func hide(text string, p config.Prepare) string {
	for _, value := range p.Env {
		if len(value) >= shortSecret {
			text = strings.ReplaceAll(text, string(value), "<secret>")
		}
	}
	return text
}
