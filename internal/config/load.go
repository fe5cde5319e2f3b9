package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

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
		return nil, newError(file, []Problem{*problem})
	}
	// The values are checked only once the shape is right: what could not be
	// read would be reported a second time as its zero value.
	if problems := checkShape(root); len(problems) > 0 {
		return nil, newError(file, problems)
	}
	var cfg Config
	if err := root.Decode(&cfg); err != nil {
		return nil, newError(file, []Problem{{root.Line, wholeFile, "is more than the YAML library decodes", "fewer aliases of what holds aliases"}})
	}
	// Absolute paths mean the same wherever the configuration is written to.
	folder, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("finding the folder of %s: %w", file, err)
	}
	cfg.setDirectory(folder)
	problems := cfg.check()
	for i := range problems {
		problems[i].Line = lineOf(root, problems[i].Path)
	}
	if len(problems) > 0 {
		return nil, newError(file, problems)
	}
	return &cfg, nil
}

// Validate checks a configuration that was made in code, as Parse checks one
// that was read, and puts its URLs into the same form.
func (c *Config) Validate() error {
	if problems := c.check(); len(problems) > 0 {
		return newError("", problems)
	}
	return nil
}

// setDirectory makes relative paths relative to dir.
func (c *Config) setDirectory(dir string) {
	for i := range c.Targets {
		c.Targets[i].HTTPClient.SetDirectory(dir)
		ways := c.Targets[i].Discovery.Ways()
		ways.SetDirectory(dir)
	}
	for i := range c.Probes {
		if f := &c.Probes[i].Workload.PromptsFile; *f != "" && !filepath.IsAbs(*f) {
			*f = filepath.Join(dir, *f)
		}
		for _, a := range c.Probes[i].Arms {
			if a.Prepare != nil {
				a.Prepare.setDirectory(dir)
			}
		}
	}
}

const minimal = "at least\n" +
	"  targets: [{name: llama, replicas: [\"http://127.0.0.1:8000\"]}]\n" +
	"  probes: [{name: ladder, arms: [{target: llama}], ladder: {rates: [1, 2, 4]}}]"

// wholeFile is the path of a problem that no key has.
const wholeFile = "the file"

// parseTree parses the one document of a file.
func parseTree(text []byte) (*yaml.Node, *Problem) {
	// The YAML library refuses such bytes too, but without their line.
	if at := invalidUTF8(text); at >= 0 {
		return nil, &Problem{1 + bytes.Count(text[:at], []byte("\n")), wholeFile, "has bytes that are no UTF-8", "text in UTF-8"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, &Problem{1, wholeFile, "is empty", minimal}
	}
	if err != nil {
		return nil, syntaxProblem(text, err)
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, &Problem{document.Line, wholeFile, "holds no keys", minimal}
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
		return root, nil
	case err != nil:
		return nil, syntaxProblem(text, err)
	default:
		return nil, &Problem{second.Line, wholeFile, "has a second document", "one document, without a line of --- after its beginning"}
	}
}

// invalidUTF8 is where the text stops being UTF-8, or -1.
func invalidUTF8(text []byte) int {
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// syntaxProblem is the YAML library's refusal of a text. Its words are its own
// but for the name of an anchor, which may be a secret: a password that begins
// with * is an unknown anchor to it.
func syntaxProblem(text []byte, err error) *Problem {
	message := libraryPlace.ReplaceAllString(err.Error(), "")
	if strings.HasPrefix(message, "unknown anchor") {
		message = "unknown anchor after *"
	}
	line, allowed := lineOfSyntax(text), "YAML; a text that begins with one of *&!%@`[{ needs quotes"
	if bytes.HasPrefix(bytes.TrimLeft(bytes.Split(text, []byte("\n"))[line-1], " "), []byte("\t")) {
		message, allowed = "a tab indents the line", "YAML, which is indented by spaces"
	}
	return &Problem{line, wholeFile, "is no YAML: " + message, allowed}
}

var libraryPlace = regexp.MustCompile(`^yaml: (line \d+: )?`)

// lineOfSyntax is the line after the longest beginning of a text that is YAML.
// The YAML library names the line of what it was in the middle of, or the line
// before, or none.
func lineOfSyntax(text []byte) int {
	for n := bytes.Count(text, []byte("\n")); n > 0; n-- {
		text = text[:bytes.LastIndexByte(text, '\n')]
		if isYAML(text) {
			return n + 1
		}
	}
	return 1
}

func isYAML(text []byte) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		if err := decoder.Decode(new(yaml.Node)); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
