package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(everyKey))
	// Small ones change in more telling ways.
	const least = "targets: [{name: a, replicas: [http://a]%s}]\nprobes: [{name: b, arms: [{target: a%s}], ladder: {rates: [1]%s}%s}]\n"
	f.Add(fmt.Appendf(nil, least, "", "", "", ""))
	f.Add(fmt.Appendf(nil, least, ", http_client: {bearer_token: x, proxy_url: http://u:p@h}", "", ", drain: 1.5h", ", seed: 1"))
	f.Add(fmt.Appendf(nil, least, ", labels: {a: \" x\"}", ", replicas: 0x1", ", warmup: 1us", ", slo: {e2e: 1s}"))
	f.Add(fmt.Appendf(nil, least, ", model: '0x1'", "", "", ", workload: {extra_body: {a: [1e3, -0, ~, {b: 0o7}, \"\\nx\"], c: 'y'}}"))
	f.Add(fmt.Appendf(nil, least, ", model: &m '- x'", ", rates: [1_0]", "", ", workload: {output_tokens: {fixed: 3}, prompts_file: testdata/prompts.txt}"))
	const found = "targets: [{name: a, %s}]\nprobes: [{name: b, arms: [{target: a}], ladder: {rates: [1]}}]\n"
	f.Add(fmt.Appendf(nil, found, "static_configs: [{targets: ['a:1'], labels: {b: c}}], relabel_configs: [{regex: '', action: labeldrop}]"))
	f.Add(fmt.Appendf(nil, found, "dns_sd_configs: [{names: [a]}], kubernetes_sd_configs: [{role: node, attach_metadata: {node: true}, api_server: http://u:p@h}]"))
	f.Add(fmt.Appendf(nil, found, "http_sd_configs: [{url: http://h?a, tls_config: {}}], file_sd_configs: [{files: ['*.yml']}]"))
	files, err := filepath.Glob("testdata/mistakes/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := Parse(text, "fuzz.yml")
		if err != nil {
			checkError(t, err, text)
			return
		}
		shown := marshal(t, cfg)
		again, err := Parse(shown, "shown.yml")
		if err != nil {
			t.Fatalf("what is accepted is shown as what is not: %v\n%s", err, shown)
		}
		if twice := marshal(t, again); string(twice) != string(shown) {
			t.Errorf("shown is\n%s\nwhich means\n%s", shown, twice)
		}
	})
}

func checkError(t *testing.T, err error, text []byte) {
	t.Helper()
	var mistakes *Error
	if !errors.As(err, &mistakes) || len(mistakes.Problems) == 0 {
		t.Fatalf("the error is %#v", err)
	}
	lines := bytes.Count(text, []byte("\n")) + 1
	for _, p := range mistakes.Problems {
		if p.Line < 1 || p.Path == "" || p.Found == "" || p.Allowed == "" {
			t.Errorf("the problem lacks something: %#v", p)
		}
		// The YAML library breaks lines at more than the line feed.
		if p.Line > lines && !bytes.ContainsAny(text, "\r\u0085\u2028\u2029") {
			t.Errorf("line %d is none of %d: %s", p.Line, lines, p)
		}
		// What has the right shape decodes, but for what only aliases can do.
		if strings.Contains(p.Found, "YAML library decodes") && !bytes.ContainsRune(text, '*') {
			t.Errorf("the shape is right and does not decode: %s", p)
		}
	}
}

func marshal(t *testing.T, cfg *Config) []byte {
	t.Helper()
	text, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
