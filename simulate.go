package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"

	"vllm_prober/internal/simulator"
)

func addSimulate(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("simulate", "Serve simulated vLLM replicas, whose capacity is known.")
	p := simulator.FieldReport()
	o := simulator.Options{}
	var faults []string
	var fixed, host string
	port, replicas := 8000, 1
	number := func(name, help string, n *int) {
		cmd.Flag(name, help).Default(strconv.Itoa(*n)).SetValue(value[int]{name, "a whole number", n, strconv.Atoi})
	}
	duration := func(name, help string, d *time.Duration) {
		cmd.Flag(name, help).Default(d.String()).SetValue(value[time.Duration]{name, "a number with its unit, such as 2ms", d, time.ParseDuration})
	}
	cmd.Flag("host", "Address to listen on.").Default("127.0.0.1").StringVar(&host)
	number("port", "Port of the first replica; the others have the ports after it. With 0 each has a free one.", &port)
	number("replicas", "How many replicas.", &replicas)
	cmd.Flag("model", "Name of the served model.").Default(simulator.DefaultModel).StringVar(&o.Model)
	cmd.Flag("api-key", "Demand this API key.").StringVar(&o.APIKey)
	number("max-num-seqs", "Most running sequences.", &p.MaxNumSeqs)
	number("max-num-batched-tokens", "Most prompt tokens in an iteration.", &p.MaxBatchedTokens)
	number("max-model-len", "Longest prompt and answer together, in tokens.", &p.MaxModelLen)
	number("kv-blocks", "Size of the KV cache in blocks of 16 tokens.", &p.KVBlocks)
	duration("frontend", "Time of a request before it is queued.", &p.Frontend)
	duration("iteration-base", "Time of an iteration with no work in it.", &p.Base)
	duration("iteration-per-sequence", "What each running sequence adds.", &p.PerSequence)
	duration("iteration-per-sequence-squared", "What the square of their number adds.", &p.PerSequenceSquared)
	duration("iteration-per-prefill-token", "What each computed prompt token adds.", &p.PerPrefillToken)
	cmd.Flag("fault", "A fault, alone or with its share of the requests (stall:0.1); again for further ones. One of "+
		joined(simulator.Faults())+".").StringsVar(&faults)
	cmd.Flag("seed", "Seed of the faults.").Default("1").SetValue(value[uint64]{
		"seed", "a whole number from 0 on", &o.Seed,
		func(text string) (uint64, error) { return strconv.ParseUint(text, 10, 64) },
	})
	cmd.Flag("fixed-latency", "Have no engine: FIRST,NEXT after which each request gets its first and each next token, such as 80ms,20ms.").
		PlaceHolder("FIRST,NEXT").StringVar(&fixed)
	commands[cmd.FullCommand()] = func(env environment, _ *promslog.Config) error {
		var err error
		if o.Faults, err = simulator.ParseFaults(faults); err != nil {
			return fmt.Errorf("--fault: %w", err)
		}
		if err := p.Check(); err != nil {
			return fmt.Errorf("--%w", err)
		}
		if err := checkPorts(port, replicas); err != nil {
			return err
		}
		if fixed != "" {
			if len(faults) > 0 || replicas != 1 || o.APIKey != "" {
				return errors.New("--fixed-latency: allowed with none of --fault, --replicas and --api-key, which it does not heed")
			}
			return simulateFixed(env, net.JoinHostPort(host, strconv.Itoa(port)), o.Model, fixed)
		}
		o.Parameters = p
		fleet, err := simulator.Start(host, port, replicas, o)
		if err != nil {
			return fmt.Errorf("starting the simulator: %w", err)
		}
		defer fleet.Close()
		fmt.Fprintln(env.stdout, strings.Join(fleet.URLs, "\n"))
		if prompt, output := simulator.FieldReportPrompt, simulator.FieldReportOutput; prompt+output <= p.MaxModelLen {
			fmt.Fprintf(env.stdout, "capacity with %d prompt and %d output tokens: %.2f requests per second for each replica\n",
				prompt, output, p.Capacity(prompt, output))
		}
		waitForEnd(env)
		return nil
	}
}

// value is a flag whose error names it and says what is allowed.
type value[T any] struct {
	name, allowed string
	target        *T
	parse         func(string) (T, error)
}

// Set implements kingpin.Value.
func (v value[T]) Set(text string) error {
	parsed, err := v.parse(text)
	if err != nil {
		return fmt.Errorf("--%s: %q; allowed: %s", v.name, text, v.allowed)
	}
	*v.target = parsed
	return nil
}

// String implements kingpin.Value.
func (v value[T]) String() string { return fmt.Sprint(*v.target) }

// maxPort is TCP's last port.
const maxPort = 65535

func checkPorts(port, replicas int) error {
	switch {
	case port < 0 || port > maxPort:
		return fmt.Errorf("--port: %d; allowed: 1 to %d, or 0 for free ones", port, maxPort)
	case replicas < 1 || replicas > maxPort:
		return fmt.Errorf("--replicas: %d; allowed: 1 to %d", replicas, maxPort)
	case port > 0 && port+replicas-1 > maxPort:
		return fmt.Errorf("--replicas: %d from port %d on; allowed: up to %d, for %d is the last port", replicas, port, maxPort-port+1, maxPort)
	}
	return nil
}

// fixedLatencies reads the times of --fixed-latency.
func fixedLatencies(text string) (first, next time.Duration, err error) {
	firstText, nextText, _ := strings.Cut(text, ",")
	first, firstErr := time.ParseDuration(firstText)
	next, nextErr := time.ParseDuration(nextText)
	if firstErr != nil || nextErr != nil || first < time.Millisecond || next < 0 {
		return 0, 0, fmt.Errorf("--fixed-latency: %q; allowed: two durations, the first of 1ms or more, such as 80ms,20ms", text)
	}
	return first, next, nil
}

func simulateFixed(env environment, address, model, latencies string) error {
	first, next, err := fixedLatencies(latencies)
	if err != nil {
		return err
	}
	server, err := simulator.StartFixed(address, model, first, next)
	if err != nil {
		return fmt.Errorf("starting the simulator: %w", err)
	}
	defer server.Close()
	fmt.Fprintln(env.stdout, server.URL)
	waitForEnd(env)
	return nil
}

// waitForEnd waits for a signal that ends a process.
func waitForEnd(env environment) {
	for s := range env.signals {
		if s != syscall.SIGHUP {
			return
		}
	}
}

func joined[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, each := range all {
		texts[i] = string(each)
	}
	return strings.Join(texts, ", ")
}
