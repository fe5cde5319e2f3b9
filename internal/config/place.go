package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	plainKey = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	pathPart = regexp.MustCompile(`\["(?:[^"\\]|\\.)*"\]|\[\d+\]|[^.\[\]]+`)
)

// join is the path of a key beneath another path. A key that a dot or bracket
// of its own would make unreadable is quoted.
func join(path, key string) string {
	switch {
	case !plainKey.MatchString(key):
		return path + "[" + show(key) + "]"
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

// item is the path of an item of a list.
func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// show quotes a value for an error, as much of it as tells it apart.
func show(value string) string {
	const enough = 80
	if runes := []rune(value); len(runes) > enough {
		value = string(runes[:enough]) + "…"
	}
	return strconv.Quote(value)
}

// lineOf is the line of the key or list item that a path leads to, or of the
// deepest one on the way that is in the file: a key that a default has filled in
// has the line of what should hold it.
func lineOf(root *yaml.Node, path string) int {
	node, line := root, root.Line
	for _, part := range pathPart.FindAllString(path, -1) {
		next, at := child(resolve(node), part)
		if next == nil {
			break
		}
		node, line = next, at
	}
	return line
}

// child is the value of one part of a path, with the line that the part stands
// in, or nil.
func child(node *yaml.Node, part string) (value *yaml.Node, line int) {
	if index, err := strconv.Atoi(strings.Trim(part, "[]")); err == nil && part[0] == '[' {
		if node.Kind == yaml.SequenceNode && index < len(node.Content) {
			return node.Content[index], node.Content[index].Line
		}
		return nil, 0
	}
	if key, err := strconv.Unquote(strings.Trim(part, "[]")); err == nil {
		part = key
	}
	for key, value := range pairs(node) {
		if !isMerge(key) && key.Value == part {
			return value, key.Line
		}
	}
	for key, value := range pairs(node) {
		if !isMerge(key) {
			continue
		}
		for _, from := range merged(value) {
			if value, line := child(resolve(from), part); value != nil {
				return value, line
			}
		}
	}
	return nil, 0
}
