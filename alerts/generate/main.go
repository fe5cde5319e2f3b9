// Command generate writes the files of package alerts into its folder. With
// -runbook the links of the alerts lead to where a copy of the runbook is published.
package main

import (
	"flag"
	"fmt"
	"os"

	"vllm_prober/alerts"
)

func main() {
	s := alerts.Default()
	flag.StringVar(&s.Runbook, "runbook", s.Runbook, "what the links to the runbook begin with")
	flag.Parse()
	if err := write(s); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func write(s alerts.Settings) error {
	files, err := alerts.Files(s)
	if err != nil {
		return err //nolint:wrapcheck // it says what went wrong
	}
	for name, text := range files {
		if err := os.WriteFile(name, text, 0o644); err != nil { //nolint:gosec // for everyone to read
			return fmt.Errorf("writing the rules: %w", err)
		}
	}
	return nil
}
