package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"vllm_prober/prober"
)

// asProgram is the variable by which a test's command starts this binary as the
// program itself.
const asProgram = "VLLM_PROBER_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// restarting is a configuration whose arms a script makes: it ends the simulator
// that runs and starts one with the batch size that it is given.
func restarting(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	address := freeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pid := filepath.Join(folder, "pid")
	t.Cleanup(func() {
		if text, err := os.ReadFile(pid); err == nil {
			if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				_ = syscall.Kill(n, syscall.SIGKILL)
			}
		}
	})
	script := fmt.Sprintf(`#!/bin/sh
cd %q
if [ -f pid ]; then kill -9 "$(cat pid)"; fi
%s=1 %q simulate --port=%s --max-num-seqs="$1" --frontend=0s --iteration-base=1ms >/dev/null 2>&1 &
echo $! >pid
`, folder, asProgram, self, port)
	if err := os.WriteFile(filepath.Join(folder, "restart.sh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "vllm_prober.yml")
	text := fmt.Sprintf(`
targets: [{name: t, replicas: ["http://%s"]}]
probes:
- name: p
  arms:
  - {target: t, batch_size: 3, prepare: {command: [./restart.sh, "3"], timeout: 1m}}
  - {target: t, batch_size: 50, prepare: {command: [./restart.sh, "50"], timeout: 1m}}
  workload: {prompt_tokens: 8, output_tokens: 40}
  ladder: {rates: [60], warmup: 1s, window: 3s, drain: 20s, cooldown: 0s}
  max_send_lag: 10s
`, address)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Without the flag nothing that the configuration says is run.
func TestCommandsAreOffUnlessEnabled(t *testing.T) {
	file := restarting(t)
	for _, args := range [][]string{
		{"run", "--config.file=" + file},
		{"serve", "--config.file=" + file, "--config.check"},
		{"serve", "--config.file=" + file, "--storage.path=" + t.TempDir()},
	} {
		p := start(t, args...)
		if status, told := p.wait(), p.stderr.String(); status != 1 || !strings.Contains(told, `probe "p", arms[0]; probe "p", arms[1]`) ||
			!strings.Contains(told, "--prober.enable-commands") {
			t.Errorf("%q: status %d, %s", args, status, told)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "pid")); err == nil {
		t.Error("a command was run")
	}
}

// One deployment is two arms: each is measured on engines that its command has
// started, and what they run says so.
func TestArmsThatACommandMakes(t *testing.T) {
	p := start(t, "run", "--config.file="+restarting(t), "--prober.enable-commands", "--output=json")
	if status := p.wait(); status != 0 {
		t.Fatalf("status %d: %s", status, p.stderr.String())
	}
	var result prober.RunResult
	if err := json.Unmarshal([]byte(p.stdout.String()), &result); err != nil {
		t.Fatal(err)
	}
	if len(result.Results) != 2 {
		t.Fatalf("%d steps", len(result.Results))
	}
	for _, r := range result.Results {
		// An answer takes some 50 ms, of which 3 run at a time: 60 in a second keep
		// all slots of the small engine busy, and never those of the large one.
		most := r.Replicas[0].Running.Max
		if r.Arm.BatchSize == 3 && most > 3 || r.Arm.BatchSize == 50 && most <= 3 {
			t.Errorf("of batch size %d ran %g at once", r.Arm.BatchSize, most)
		}
	}
	for _, size := range []int{3, 50} {
		if want := fmt.Sprintf("making the engines of t, 1 GPU, batch size %d\n", size); strings.Count(p.stderr.String(), want) != 1 {
			t.Errorf("the progress does not say once %q:\n%s", want, p.stderr.String())
		}
	}
}
