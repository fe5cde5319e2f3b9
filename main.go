// Command vllm_prober measures vLLM deployments continuously, with an open-loop
// streamed load, and exports what it finds to Prometheus.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"
)

func main() {
	if about, ok := debug.ReadBuildInfo(); ok && version.Version == "" { // a plain go build sets none
		version.Version = about.Main.Version
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	os.Exit(run(os.Args[1:], environment{stdout: os.Stdout, stderr: os.Stderr, signals: signals}))
}

// environment is what a process has around it.
type environment struct {
	stdout, stderr io.Writer
	signals        <-chan os.Signal
}

// command is what a subcommand does once its flags are known; its error is
// printed, and makes the exit status 1.
type command func(environment, *promslog.Config) error

// run is the whole program: it returns the exit status.
func run(args []string, env environment) (status int) {
	app := kingpin.New("vllm_prober", "Measures vLLM deployments continuously, with an open-loop streamed load.")
	app.Version(version.Print("vllm_prober"))
	app.HelpFlag.Short('h')
	app.UsageWriter(env.stdout)
	app.ErrorWriter(env.stderr)
	exited := false
	app.Terminate(func(code int) { exited, status = true, code })

	logging := &promslog.Config{Writer: env.stderr}
	flag.AddFlags(app, logging)
	commands := map[string]command{}
	addServe(app, commands)
	addRun(app, commands)
	addRuns(app, commands)
	addCompare(app, commands)
	addReport(app, commands)
	addSimulate(app, commands)
	addDemo(app, commands)

	chosen, err := app.Parse(args)
	if exited { // --help or --version
		return status
	}
	if err != nil {
		fmt.Fprintf(env.stderr, "vllm_prober: %v\n", mistake(app, args, err))
		return 1
	}
	if err := commands[chosen](env, logging); err != nil {
		fmt.Fprintf(env.stderr, "vllm_prober: %v\n", err)
		return 1
	}
	return 0
}

// mistake says of the error that reading the command line gave which flag it is of and
// where to read on.
func mistake(app *kingpin.Application, args []string, err error) error {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") && app.GetCommand(args[0]) == nil {
		var names []string
		for _, c := range app.Model().Commands {
			names = append(names, c.Name)
		}
		return fmt.Errorf("%q is no command; allowed: %s", args[0], strings.Join(names, ", "))
	}
	parsed, _ := app.ParseContext(args) // it is known to fail
	help := "vllm_prober --help"
	if c := parsed.SelectedCommand; c != nil {
		help = "vllm_prober " + c.FullCommand() + " --help"
	}
	for _, e := range parsed.Elements {
		flag, is := e.Clause.(*kingpin.FlagClause)
		if is && e.Value != nil && flag.Model().Value.Set(*e.Value) != nil {
			err = fmt.Errorf("--%s: %w", flag.Model().Name, err)
			break
		}
	}
	return fmt.Errorf("%w; try %s", err, help)
}
