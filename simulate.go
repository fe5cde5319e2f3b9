package main

import (
	"fmt"
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
	var replicas, port int
	cmd.Flag("host", "Address to listen on.").Default("127.0.0.1").StringVar(&host)
	cmd.Flag("port", "Port of the first replica; the others have the ports after it.").Default("8000").IntVar(&port)
	cmd.Flag("replicas", "How many replicas.").Default("1").IntVar(&replicas)
	cmd.Flag("model", "Name of the served model.").Default(simulator.DefaultModel).StringVar(&o.Model)
	cmd.Flag("api-key", "Demand this API key.").StringVar(&o.APIKey)
	cmd.Flag("max-num-seqs", "Most running sequences.").Default(fmt.Sprint(p.MaxNumSeqs)).IntVar(&p.MaxNumSeqs)
	cmd.Flag("max-num-batched-tokens", "Most prompt tokens in an iteration.").Default(fmt.Sprint(p.MaxBatchedTokens)).IntVar(&p.MaxBatchedTokens)
	cmd.Flag("max-model-len", "Longest prompt and answer together, in tokens.").Default(fmt.Sprint(p.MaxModelLen)).IntVar(&p.MaxModelLen)
	cmd.Flag("kv-blocks", "Size of the KV cache in blocks of 16 tokens.").Default(fmt.Sprint(p.KVBlocks)).IntVar(&p.KVBlocks)
	duration := func(name, help string, d *time.Duration) {
		cmd.Flag(name, help).Default(d.String()).DurationVar(d)
	}
	duration("frontend", "Time of a request before it is queued.", &p.Frontend)
	duration("iteration-base", "Time of an iteration with no work in it.", &p.Base)
	duration("iteration-per-sequence", "What each running sequence adds.", &p.PerSequence)
	duration("iteration-per-sequence-squared", "What the square of their number adds.", &p.PerSequenceSquared)
	duration("iteration-per-prefill-token", "What each computed prompt token adds.", &p.PerPrefillToken)
	cmd.Flag("fault", "A fault, alone or with its share of the requests (stall:0.1); again for further ones. One of "+
		joined(simulator.Faults())+".").StringsVar(&faults)
	cmd.Flag("seed", "Seed of the faults.").Default("1").Uint64Var(&o.Seed)
	cmd.Flag("fixed-latency", "Have no engine: FIRST,NEXT after which each request gets its first and each next token, such as 80ms,20ms.").
		PlaceHolder("FIRST,NEXT").StringVar(&fixed)
	commands[cmd.FullCommand()] = func(env environment, _ *promslog.Config) error {
		for _, text := range faults {
			f, err := simulator.ParseFault(text)
			if err != nil {
				return fmt.Errorf("--fault: %w", err)
			}
			o.Faults = append(o.Faults, f)
		}
		o.Parameters = p
		if err := p.Check(); err != nil {
			return err
		}
		if fixed != "" {
			return simulateFixed(env, host, port, o.Model, fixed)
		}
		fleet, err := simulator.Start(host, port, replicas, o)
		if err != nil {
			return fmt.Errorf("starting the simulator: %w", err)
		}
		defer fleet.Close()
		fmt.Fprintf(env.stdout, "%s\ncapacity with %d prompt and %d output tokens: %.2f requests per second for each replica\n",
			strings.Join(fleet.URLs, "\n"), simulator.FieldReportPrompt, simulator.FieldReportOutput,
			p.Capacity(simulator.FieldReportPrompt, simulator.FieldReportOutput))
		waitForEnd(env)
		return nil
	}
}

func simulateFixed(env environment, host string, port int, model, latencies string) error {
	firstText, nextText, _ := strings.Cut(latencies, ",")
	first, err := time.ParseDuration(firstText)
	if err != nil {
		return fmt.Errorf("--fixed-latency: %q is no duration; allowed: two of them, such as 80ms,20ms", firstText)
	}
	next, err := time.ParseDuration(nextText)
	if err != nil {
		return fmt.Errorf("--fixed-latency: %q is no duration; allowed: two of them, such as 80ms,20ms", nextText)
	}
	server, err := simulator.StartFixed(fmt.Sprintf("%s:%d", host, port), model, first, next)
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
