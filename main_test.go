package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vllm_prober/internal/golden"
)

// output is what a process under test writes; tests read it while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// process is the program as a test runs it: run whole, with what it has around it.
type process struct {
	t              *testing.T
	stdout, stderr output
	signals        chan os.Signal
	status         chan int
	ended          chan struct{}
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, signals: make(chan os.Signal, 8), status: make(chan int, 1), ended: make(chan struct{})}
	go func() {
		p.status <- run(args, environment{stdout: &p.stdout, stderr: &p.stderr, signals: p.signals})
		close(p.ended)
	}()
	return p
}

// signal sends the process a signal.
func (p *process) signal(s syscall.Signal) { p.signals <- s }

// patience is how long a test waits for what is bound to come.
const patience = time.Minute

// wait returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case status := <-p.status:
		return status
	case <-time.After(patience):
		p.t.Fatalf("still running; stdout:\n%s\nstderr:\n%s", p.stdout.String(), p.stderr.String())
		return -1
	}
}

// eventually waits until what comes true.
func (p *process) eventually(what string, holds func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			p.t.Fatalf("never: %s; stdout:\n%s\nstderr:\n%s", what, p.stdout.String(), p.stderr.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
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

func TestHelp(t *testing.T) {
	for _, command := range []string{"", "serve", "run", "runs list", "runs show", "runs export", "compare", "report", "simulate", "demo"} {
		name, args := "vllm_prober", []string{"--help"}
		if command != "" {
			name, args = strings.ReplaceAll(command, " ", "_"), append(strings.Fields(command), "--help")
		}
		t.Run(name, func(t *testing.T) {
			p := start(t, args...)
			if status := p.wait(); status != 0 {
				t.Errorf("status %d, stderr %s", status, p.stderr.String())
			}
			golden.Check(t, "help/"+name+".txt", p.stdout.String())
		})
	}
}

func TestVersion(t *testing.T) {
	p := start(t, "--version")
	if status := p.wait(); status != 0 || !strings.HasPrefix(p.stdout.String(), "vllm_prober, version ") {
		t.Errorf("status %d, stdout %q", status, p.stdout.String())
	}
}

// What a user gets wrong on the command line is told in one line, with what to do.
func TestMistakesOnTheCommandLine(t *testing.T) {
	valid := write(t, "valid.yml", `
targets: [{name: a, replicas: ["http://127.0.0.1:1"]}]
probes:
- {name: one, arms: [{target: a}], ladder: {rates: [1]}}
- {name: two, arms: [{target: a}], ladder: {rates: [1]}}
`)
	missing := filepath.Join(t.TempDir(), "none.yml")
	tests := map[string]struct {
		args []string
		want string
	}{
		"unknown flag":         {[]string{"run", "--rate=5"}, `vllm_prober: unknown long flag '--rate'; try vllm_prober run --help`},
		"unknown flag of none": {[]string{"--rate=5"}, `vllm_prober: unknown long flag '--rate'; try vllm_prober serve --help`},
		"unknown command": {
			[]string{"check-config"},
			`vllm_prober: "check-config" is no command; allowed: help, serve, run, runs, compare, report, simulate, demo`,
		},
		"half a command": {[]string{"runs"}, `vllm_prober: must select a subcommand of 'runs'; try vllm_prober runs --help`},
		"an argument too many": {
			[]string{"run", "http://127.0.0.1:1"},
			`vllm_prober: unexpected http://127.0.0.1:1; try vllm_prober run --help`,
		},
		"a duration without a unit": {
			[]string{"run", "--rates=1", "--target=http://127.0.0.1:1", "--window=30"},
			`vllm_prober: --window: time: missing unit in duration "30"; try vllm_prober run --help`,
		},
		"a log level": {
			[]string{"--log.level=trace", "run"},
			`vllm_prober: --log.level: unrecognized log level trace; try vllm_prober run --help`,
		},
		"a window too short": {
			[]string{"run", "--rates=1", "--target=http://127.0.0.1:1", "--window=2s"},
			`vllm_prober: --window: 2s at 1 requests per second measures 2 requests; allowed: 5 requests or more, which take 5 seconds`,
		},
		"a target that is no URL": {
			[]string{"run", "--rates=1", "--target=localhost:8000"},
			`vllm_prober: --target: "localhost:8000"; allowed: a base URL such as http://127.0.0.1:8000 or https://llm.example.org/prefix`,
		},
		"no prompt": {
			[]string{"run", "--rates=1", "--target=http://127.0.0.1:1", "--prompt-tokens=0"},
			`vllm_prober: --prompt-tokens: 0; allowed: 1 to 10000000`,
		},
		"no send lag at all": {
			[]string{"run", "--rates=1", "--target=http://127.0.0.1:1", "--max-send-lag=0s"},
			`vllm_prober: --max-send-lag: 0s; allowed: more than 0s, up to 24h0m0s`,
		},
		"nothing to run": {[]string{"run"}, `vllm_prober: nothing to run: give --config.file, or --target and --rates`},
		"target without rates": {
			[]string{"run", "--target=http://127.0.0.1:1"},
			`vllm_prober: nothing to run: give --config.file, or --target and --rates`,
		},
		"two ways at once": {
			[]string{"run", "--config.file=" + valid, "--rates=1"},
			`vllm_prober: --config.file says itself what --rates would say: leave out either`,
		},
		"flags beside a configuration": {
			[]string{"run", "--config.file=" + valid, "--probe=one", "--window=30s", "--no-search", "--seed=0"},
			`vllm_prober: --config.file says itself what --search, --window, --seed would say: leave out either`,
		},
		"a probe without a configuration": {
			[]string{"run", "--probe=one", "--rates=1", "--target=http://127.0.0.1:1"},
			`vllm_prober: --probe is of a configuration: give --config.file instead of --target and --rates`,
		},
		"rates that are none": {
			[]string{"run", "--target=http://127.0.0.1:1", "--rates=10;20"},
			`vllm_prober: --rates: "10;20" is no number; allowed: requests per second with commas between them, such as 10,20,30`,
		},
		"rates that fall": {
			[]string{"run", "--target=http://127.0.0.1:1", "--rates=20,10"},
			`vllm_prober: --rates: 10 after 20; allowed: rates that rise`,
		},
		"probe that is none": {
			[]string{"run", "--config.file=" + valid, "--probe=three"},
			`vllm_prober: --probe "three" is none of the configuration's probes: one, two`,
		},
		"probe left out of two": {
			[]string{"run", "--config.file=" + valid},
			`vllm_prober: the configuration has several probes: say with --probe which of one, two to run`,
		},
		"output form": {
			[]string{"run", "--output=xml"},
			`vllm_prober: --output: enum value must be one of table,json,markdown,csv, got 'xml'; try vllm_prober run --help`,
		},
		"no configuration": {
			[]string{"serve", "--config.file=" + missing},
			`vllm_prober: reading the configuration: open ` + missing + `: no such file or directory: --config.file says where it is`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := start(t, tt.args...)
			if status := p.wait(); status != 1 {
				t.Errorf("status %d, want 1", status)
			}
			lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
			if got := lines[len(lines)-1]; got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestConfigCheck(t *testing.T) {
	valid := write(t, "valid.yml", `
targets: [{name: a, replicas: ["http://127.0.0.1:1"]}]
probes: [{name: one, arms: [{target: a}], ladder: {rates: [1]}}]
`)
	p := start(t, "serve", "--config.file="+valid, "--config.check")
	if status := p.wait(); status != 0 || p.stdout.String() != valid+" is valid: 1 target, 1 probe\n" {
		t.Errorf("status %d: %s%s", status, p.stdout.String(), p.stderr.String())
	}

	wrong := write(t, "wrong.yml", `
targets: [{name: a, replicas: ["http://127.0.0.1:1"]}]
probes:
- name: one
  arms: [{target: b}]
  ladder: {rates: [2, 1]}
`)
	p = start(t, "serve", "--config.file="+wrong, "--config.check")
	want := "vllm_prober: " + wrong + `:5: probes[0].arms[0].target: "b" is no target; allowed: a
` + wrong + `:6: probes[0].ladder.rates[1]: 1 after 2; allowed: rates that rise
`
	if status := p.wait(); status != 1 || p.stderr.String() != want {
		t.Errorf("status %d, got\n%swant\n%s", status, p.stderr.String(), want)
	}
}
