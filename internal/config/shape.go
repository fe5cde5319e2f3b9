package config

import (
	"encoding/json"
	"fmt"
	"iter"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// checkShape holds the file against the types of the configuration: keys that
// there are not or that stand twice, and values of another kind. The YAML
// library checks this too, but names Go types, cuts 1.5 down to a whole number,
// and repeats what may be a secret.
func checkShape(root *yaml.Node) []Problem {
	s := shapes{visits: map[visit]bool{}}
	s.check(root, reflect.TypeFor[Config](), "", root.Line)
	if len(s.problems) == 0 {
		s.validateForeign()
	}
	return s.problems
}

type shapes struct {
	problems []Problem
	// visits says of each part of the file whether it is still being looked at.
	// What several aliases stand for is looked at once, where it stands first.
	visits map[visit]bool
	// sealed is set within http_client and the like, where nothing of the file is
	// repeated: whatever is in the wrong place there may be a secret.
	sealed bool
	blocks []block
}

// visit is a part of the file, looked at as a value of a type.
type visit struct {
	node *yaml.Node
	as   reflect.Type
}

// add notes a problem in a line, which is that of the key or list item.
func (s *shapes) add(line int, path, found, allowed string) {
	if path == "" {
		path = wholeFile
	}
	s.problems = append(s.problems, Problem{Line: line, Path: path, Found: found, Allowed: allowed})
}

func (s *shapes) check(node *yaml.Node, t reflect.Type, path string, line int) {
	node = resolve(node)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	at := visit{node, t}
	if open, known := s.visits[at]; known {
		if open {
			s.add(line, path, "contains itself", "an alias of what ends before it")
		}
		return
	}
	s.visits[at] = true
	defer func() { s.visits[at] = false }()

	_, leaf := leaves[t]
	_, isForeign := foreignTypes[t]
	switch {
	case isTagged(node):
		s.add(line, path, "has a tag", "a value without !")
	case isForeign:
		s.foreign(node, t, path, line)
	case t == groupType:
		s.mapping(node, reflect.TypeFor[staticGroup](), path, line)
	case t == lengthType && node.Kind == yaml.MappingNode:
		s.mapping(node, t, path, line)
	case leaf:
		s.scalar(node, t, path, line)
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		s.mapping(node, t, path, line)
	case t.Kind() == reflect.Slice:
		s.list(node, t, path, line)
	case t.Kind() == reflect.Interface:
		s.anyJSON(node, path, line)
	default:
		s.scalar(node, t, path, line)
	}
}

func (s *shapes) list(node *yaml.Node, t reflect.Type, path string, line int) {
	if node.Kind != yaml.SequenceNode {
		s.add(line, path, s.what(node), "a list")
		return
	}
	for i, one := range node.Content {
		s.check(one, t.Elem(), item(path, i), one.Line)
	}
}

// mapping checks keys and values against the fields of a struct or the items of
// a map.
func (s *shapes) mapping(node *yaml.Node, t reflect.Type, path string, line int) {
	f := fieldsOf(t)
	if node.Kind != yaml.MappingNode {
		s.add(line, path, s.what(node), "the keys "+f.allowed())
		return
	}
	for key, value := range s.keys(node, t, path) {
		kind, known := f.types[key.Value]
		switch {
		case known:
			s.check(value, kind, join(path, key.Value), key.Line)
		case f.rest != nil && s.sealed:
			s.check(value, f.rest, path+"[…]", key.Line)
		case f.rest != nil:
			s.check(value, f.rest, join(path, key.Value), key.Line)
		default:
			s.add(key.Line, path, "has an unknown key"+s.named(key)+didYouMean(key.Value, f.names), f.allowed())
		}
	}
}

// keys are the keys and values of a mapping that is to be of type t, each key
// once. What << brings in is checked where it stands.
func (s *shapes) keys(node *yaml.Node, t reflect.Type, path string) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		first := map[string]int{}
		for key, value := range pairs(node) {
			line, twice := first[key.Value]
			switch {
			case key.Kind != yaml.ScalarNode || isTagged(key) || key.ShortTag() != "!!str" && !isMerge(key):
				s.add(key.Line, path, "has a key"+s.named(key)+" that is no plain text", `texts, in quotes where they look like something else: "1"`)
			case twice:
				s.add(key.Line, path, fmt.Sprintf("has a key%s twice, first in line %d", s.named(key), line), "each key once")
			case isMerge(key):
				first[key.Value] = key.Line
				s.merge(key, value, t, path)
			default:
				first[key.Value] = key.Line
				if !yield(key, value) {
					return
				}
			}
		}
	}
}

func (s *shapes) merge(key, value *yaml.Node, t reflect.Type, path string) {
	for _, from := range merged(value) {
		if resolve(from).Kind == yaml.MappingNode {
			s.check(from, t, path, key.Line)
		} else {
			s.add(key.Line, path, "has a << that brings no keys", "an alias of a group of keys, or a list of such aliases")
		}
	}
}

// scalar checks a value that has no parts.
func (s *shapes) scalar(node *yaml.Node, t reflect.Type, path string, line int) {
	allowed := allowedFor(t)
	if t == lengthType {
		t = reflect.TypeFor[int]()
	}
	switch {
	case node.Kind != yaml.ScalarNode, isEmpty(node):
		s.add(line, path, s.what(node), allowed)
	case t == secretType && node.Value == "":
		s.add(line, path, "is empty", allowed)
	case t == durationType && isNumber(node):
		s.add(line, path, s.what(node)+" has no unit", allowed)
	// The YAML library cuts a fraction off where a whole number is wanted.
	case !decodes(node, reflect.New(t).Interface()), isWhole(t) && node.ShortTag() == "!!float":
		s.add(line, path, s.what(node), allowed)
	}
}

// anyJSON checks a value that is to become JSON.
func (s *shapes) anyJSON(node *yaml.Node, path string, line int) {
	switch node.Kind {
	case yaml.MappingNode:
		s.check(node, reflect.TypeFor[JSONObject](), path, line)
	case yaml.SequenceNode:
		s.check(node, reflect.TypeFor[[]any](), path, line)
	default:
		var value any
		isJSON := decodes(node, &value)
		if isJSON {
			_, err := json.Marshal(value)
			isJSON = err == nil && node.ShortTag() != "!!timestamp"
		}
		if !isJSON {
			s.add(line, path, s.what(node)+" has no form in JSON", "what JSON has, and dates in quotes")
		}
	}
}

// what describes a value that should not be there.
func (s *shapes) what(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "is a group of keys"
	case node.Kind == yaml.SequenceNode:
		return "is a list"
	case isEmpty(node):
		return "is empty"
	case s.sealed, mayHoldSecret(node.Value):
		return "is of another kind"
	default:
		return show(node.Value)
	}
}

// named is a key for an error, or nothing where it must not be repeated.
func (s *shapes) named(key *yaml.Node) string {
	if s.sealed || key.Kind != yaml.ScalarNode {
		return ""
	}
	return " " + show(key.Value)
}
