// Command generate writes the dashboards as JSON files into the folder dashboards.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"vllm_prober/dashboards"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func write(folder string) error {
	files, err := dashboards.Files()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil { //nolint:gosec // for everyone to read
			return fmt.Errorf("writing a dashboard: %w", err)
		}
	}
	return nil
}
