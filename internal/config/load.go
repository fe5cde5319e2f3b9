package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads and checks a configuration file. Its error is an *Error with every
// mistake, unless the file cannot be read.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w: --config.file says where it is", err)
	}
	return Parse(text, path)
}

// Parse reads and checks a configuration. The file's name stands in the errors,
// and relative paths are from its folder.
func Parse(text []byte, file string) (*Config, error) {
	root, problem := parseTree(text)
	if problem != nil {
		return nil, &Error{file, []Problem{*problem}}
	}
	if problems := checkShape(root); len(problems) > 0 {
		e := &Error{file, problems}
		e.sort()
		return nil, e
	}
	var cfg Config
	if err := root.Decode(&cfg); err != nil {
		return nil, &Error{file, []Problem{decodeProblem(err)}}
	}
	cfg.setDirectory(filepath.Dir(file))
	if problems := cfg.check(); len(problems) > 0 {
		for i := range problems {
			problems[i].Line = lineOf(root, problems[i].Path)
		}
		e := &Error{file, problems}
		e.sort()
		return nil, e
	}
	return &cfg, nil
}

// Validate checks a configuration that was made in code.
func (c *Config) Validate() error {
	if problems := c.check(); len(problems) > 0 {
		return &Error{Problems: problems}
	}
	return nil
}

// setDirectory makes relative paths relative to dir.
func (c *Config) setDirectory(dir string) {
	for i := range c.Targets {
		c.Targets[i].HTTPClient.SetDirectory(dir)
	}
	for i := range c.Probes {
		if f := &c.Probes[i].Workload.PromptsFile; *f != "" && !filepath.IsAbs(*f) {
			*f = filepath.Join(dir, *f)
		}
	}
}

const minimal = "at least\n  targets: [{name: llama, replicas: [\"http://127.0.0.1:8000\"]}]\n" +
	"  probes: [{name: ladder, arms: [{target: llama}], ladder: {rates: [1, 2, 4]}}]"

// parseTree parses the one document of a file.
func parseTree(text []byte) (*yaml.Node, *Problem) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	switch {
	case errors.Is(err, io.EOF):
		return nil, &Problem{Path: "the file", Found: "is empty", Allowed: minimal}
	case err != nil:
		p := decodeProblem(err)
		return nil, &p
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, &Problem{Line: root.Line, Path: "the file", Found: "holds no keys", Allowed: minimal}
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, &Problem{Line: second.Line, Path: "the file", Found: "has a second document", Allowed: "one"}
	}
	return root, nil
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// decodeProblem takes the line out of an error of the YAML library.
func decodeProblem(err error) Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ := strconv.Atoi(m[1])
		return Problem{Line: line, Path: "the file", Found: "is no YAML: " + m[2]}
	}
	return Problem{Path: "the file", Found: "is no YAML: " + text}
}

var pathPart = regexp.MustCompile(`[^.\[\]]+|\[\d+\]`)

// lineOf is the line of the deepest node on the path that is in the file: a key
// that a default has filled in has the line of what should hold it.
func lineOf(root *yaml.Node, path string) int {
	node, line := root, root.Line
	for _, part := range pathPart.FindAllString(path, -1) {
		if node = child(node, part); node == nil {
			break
		}
		line = node.Line
	}
	return line
}

func child(node *yaml.Node, part string) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if strings.HasPrefix(part, "[") {
		index, err := strconv.Atoi(part[1 : len(part)-1])
		if err != nil || node.Kind != yaml.SequenceNode || index >= len(node.Content) {
			return nil
		}
		return node.Content[index]
	}
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == part {
			return node.Content[i+1]
		}
	}
	return nil
}
