package config

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

var (
	durationType   = reflect.TypeFor[time.Duration]()
	lengthType     = reflect.TypeFor[Length]()
	httpClientType = reflect.TypeFor[promconfig.HTTPClientConfig]()
)

// checkShape holds the file against the types of the configuration: keys that
// there are not or that stand twice, and values of another kind. The YAML
// library checks this too, but names Go types, and takes a number without a unit
// for nanoseconds.
func checkShape(root *yaml.Node) []Problem {
	var s shapes
	s.check(root, reflect.TypeFor[Config](), "")
	return s.problems
}

type shapes struct{ problems []Problem }

func (s *shapes) add(node *yaml.Node, path, found, allowed string) {
	s.problems = append(s.problems, Problem{Line: node.Line, Path: path, Found: found, Allowed: allowed})
}

func (s *shapes) check(node *yaml.Node, t reflect.Type, path string) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == httpClientType:
		s.httpClient(node, path)
	case t == durationType:
		s.duration(node, path)
	case t == lengthType && node.Kind == yaml.ScalarNode:
		s.scalar(node, reflect.TypeFor[int](), path)
	case t.Kind() == reflect.Struct:
		s.object(node, t, path)
	case t.Kind() == reflect.Slice:
		if node.Kind != yaml.SequenceNode {
			s.add(node, path, "is "+kindOf(node), "a list")
			return
		}
		for i, item := range node.Content {
			s.check(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case t.Kind() == reflect.Map:
		if node.Kind != yaml.MappingNode {
			s.add(node, path, "is "+kindOf(node), "keys with values")
			return
		}
		s.twice(node, path)
		for i := 0; i+1 < len(node.Content); i += 2 {
			if t.Elem().Kind() != reflect.Interface {
				s.check(node.Content[i+1], t.Elem(), join(path, node.Content[i].Value))
			}
		}
	default:
		s.scalar(node, t, path)
	}
}

// object checks a mapping against the keys of a struct.
func (s *shapes) object(node *yaml.Node, t reflect.Type, path string) {
	keys := map[string]reflect.Type{}
	var allowed []string
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		keys[key] = t.Field(i).Type
		allowed = append(allowed, key)
	}
	if node.Kind != yaml.MappingNode {
		s.add(node, path, "is "+kindOf(node), "the keys "+strings.Join(allowed, ", "))
		return
	}
	s.twice(node, path)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Value == "<<" {
			continue // a merge; what it brings is checked where it stands
		}
		kind, known := keys[key.Value]
		if !known {
			s.add(key, join(path, key.Value), "is an unknown key"+didYouMean(key.Value, allowed), strings.Join(allowed, ", "))
			continue
		}
		s.check(value, kind, join(path, key.Value))
	}
}

func (s *shapes) twice(node *yaml.Node, path string) {
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if first := seen[key.Value]; first > 0 {
			s.add(key, join(path, key.Value), fmt.Sprintf("stands there twice, first in line %d", first), "once")
			continue
		}
		seen[key.Value] = key.Line
	}
}

func (s *shapes) duration(node *yaml.Node, path string) {
	const allowed = "a number with its unit: 500ms, 30s, 5m, 1h30m"
	if node.Kind != yaml.ScalarNode {
		s.add(node, path, "is "+kindOf(node), allowed)
		return
	}
	if _, err := time.ParseDuration(node.Value); err != nil {
		s.add(node, path, fmt.Sprintf("%q is no duration", node.Value), allowed)
	} else if node.Tag == "!!int" && node.Value != "0" {
		s.add(node, path, node.Value+" has no unit", allowed)
	}
}

func (s *shapes) scalar(node *yaml.Node, t reflect.Type, path string) {
	into := reflect.New(t)
	allowed := map[reflect.Kind]string{
		reflect.String: "a text", reflect.Bool: "true or false", reflect.Float64: "a number",
		reflect.Int: "a whole number", reflect.Uint64: "a whole number from 0 on",
	}[t.Kind()]
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		s.add(node, path, "is "+kindOf(node), allowed)
		return
	}
	if node.Decode(into.Interface()) != nil {
		s.add(node, path, fmt.Sprintf("%q is not of this kind", node.Value), allowed)
	}
}

// httpClient lets Prometheus's own types check themselves, strictly. Their
// errors name keys; values, which may be secrets, they do not repeat but where
// one is of another kind, and there the error is cut before it.
func (s *shapes) httpClient(node *yaml.Node, path string) {
	const allowed = "the settings of http_config in the documentation of Prometheus"
	if node.Kind != yaml.MappingNode {
		s.add(node, path, "is no group of keys", allowed)
		return
	}
	before := len(s.problems)
	s.twice(node, path)
	if len(s.problems) > before {
		return
	}
	text, err := yaml.Marshal(node)
	if err == nil {
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true)
		err = decoder.Decode(new(promconfig.HTTPClientConfig))
	}
	if err == nil {
		return
	}
	if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
		if key := findKey(node, m[1]); key != nil {
			s.add(key, path+" … "+m[1], "is an unknown key", allowed)
			return
		}
	}
	found := yamlNoise.ReplaceAllString(err.Error(), "")
	if plain, _, cut := strings.Cut(found, "`"); cut {
		found = strings.TrimSpace(plain) + " a value of another kind"
	}
	s.add(node, path, found, allowed)
}

var (
	unknownField = regexp.MustCompile(`field (\S+) not found in type`)
	yamlNoise    = regexp.MustCompile(`yaml: (unmarshal errors:\s*)?(line \d+: )?`)
)

// findKey finds a key of that name at any depth.
func findKey(node *yaml.Node, name string) *yaml.Node {
	for i, item := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 0 && item.Value == name {
			return item
		}
		if found := findKey(item, name); found != nil {
			return found
		}
	}
	return nil
}

func kindOf(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	default:
		if node.Tag == "!!null" {
			return "empty"
		}
		return fmt.Sprintf("%q", node.Value)
	}
}
