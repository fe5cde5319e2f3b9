// Package dashboards makes the Grafana dashboards: JSON of Grafana's classic
// schema, for Grafana 11 and newer. docs/dashboards.md says what each answers.
package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
)

//go:generate go run ./generate

// Files are the dashboards as JSON, by the names of their files.
func Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, b := range boards() {
		d, err := b.dashboard()
		if err != nil {
			return nil, fmt.Errorf("dashboard %q: %w", b.title, err)
		}
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false) // < and > stand in expressions
		encoder.SetIndent("", " ")
		if err := encoder.Encode(d); err != nil {
			return nil, fmt.Errorf("dashboard %q: %w", b.title, err)
		}
		files[b.file] = out.Bytes()
	}
	return files, nil
}
