// Command fidelity measures how truly vllm_prober measures. A server with fixed
// latencies notes when it really wrote the first token of each answer; a client
// on another core measures the same requests; the difference is the client's
// own error. Beside vllm_prober stand `vllm bench serve`, where it is
// installed, and bare sockets, which show what the machine itself takes.
//
// It prints tables and says which limits were kept and which were missed. Its
// exit status tells only whether it could measure: a shared machine may be slow.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"vllm_prober/internal/simulator"
)

// What all clients ask for. A request lasts 80 ms + 63 × 20 ms = 1.34 s.
const (
	promptTokens = 64
	outputTokens = 64
	firstToken   = 80 * time.Millisecond
	nextToken    = 20 * time.Millisecond
	model        = "tiny"
)

// times are the lengths of a step's phases.
type times struct{ warmup, window time.Duration }

// rates are the offered request rates, what vllm_prober has to keep there, and
// whether the peer is measured too.
var rates = []struct {
	rate   float64
	limits limits
	peer   bool
}{
	{100, limits{meanError: 500 * time.Microsecond, p99Error: 2 * time.Millisecond}, true},
	{400, limits{meanError: 500 * time.Microsecond, p99Error: 3 * time.Millisecond, closer: 20}, true},
	{1000, limits{
		meanError: 2 * time.Millisecond, p99Error: 20 * time.Millisecond, lagP99: 5 * time.Millisecond,
		noneLost: true, cpuPerToken: 8 * time.Microsecond, peakRSS: 150e6,
	}, false},
}

// parts are what this program is in its other processes.
var parts = map[string]func(argument string) error{
	"load": loadPart, "exposition": expositionPart, "stalls": stallsPart, "collect": collectPart,
}

func main() {
	if len(os.Args) == 3 && parts[os.Args[1]] != nil {
		exitOn(parts[os.Args[1]](os.Args[2]))
		return
	}
	short := flag.Bool("short", false, "measure for 3 s instead of 10 s, to try something out")
	profile := flag.String("profile", "", "write a CPU profile of vllm_prober at the last request rate to this `file`")
	flag.Parse()
	t := times{3 * time.Second, 10 * time.Second}
	if *short {
		t = times{2 * time.Second, 3 * time.Second}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exitOn(measure(ctx, t, *profile))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "fidelity:", err)
		os.Exit(1)
	}
}

// measure measures everything, one thing after the other, and prints it.
func measure(ctx context.Context, t times, profile string) error {
	if runtime.NumCPU() < 2 {
		return errors.New("client and server need a core each, and this machine has one")
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return fmt.Errorf("pinning processes to cores needs util-linux's taskset: %w", err)
	}
	folder, err := os.MkdirTemp("", "fidelity")
	if err != nil {
		return fmt.Errorf("making a folder for the measurement: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // what is left lies in the system's folder for such things
	fmt.Println(machine())
	binary := filepath.Join(folder, "vllm_prober")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "vllm_prober")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building vllm_prober, which works within its module alone: %w", err)
	}
	stalls, err := measureStalls(ctx)
	if err != nil {
		return err
	}
	fmt.Print(stalls, "\n\n")
	server, stop, err := startServer(ctx, binary)
	if err != nil {
		return err
	}
	defer stop()

	var rows []row
	for _, r := range rates {
		clients := []client{vllmProber(profile), bareSockets}
		if r.peer {
			clients = append(clients, benchServe(folder))
		}
		at, err := measureClients(ctx, server, clients, r.rate, t)
		if err != nil {
			return err
		}
		judge(at, r.limits)
		rows = append(rows, at...)
	}
	printClients(os.Stdout, rows)
	daemon, err := measureDaemon(ctx, binary, folder, server.url)
	if err != nil {
		return err
	}
	fmt.Println()
	printDaemon(os.Stdout, daemon)
	collection, err := measureCollection(ctx, binary, server, t)
	if err != nil {
		return err
	}
	fmt.Println()
	printCollection(os.Stdout, collection)
	return nil
}

// measureClients measures the same load by one client after the other.
func measureClients(ctx context.Context, s *server, clients []client, rate float64, t times) ([]row, error) {
	var rows []row
	for _, c := range clients {
		fmt.Fprintf(os.Stderr, "%s at %g requests per second …\n", c.name, rate)
		r := row{client: c.name, rate: rate}
		m, err := c.measure(ctx, s.url, rate, t)
		if err == nil {
			var notes []simulator.FixedNote
			if notes, err = s.notes(ctx); err == nil {
				r.figures, err = compare(m, notes)
			}
		}
		switch {
		case errors.Is(err, errNotInstalled):
			r.verdict = err.Error()
		case err != nil:
			return nil, fmt.Errorf("measuring %s at %g requests per second: %w", c.name, rate, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}
