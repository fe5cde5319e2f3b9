package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML is the configuration as a file would hold it, with all defaults said and secrets
// as <secret>.
func (c *Config) YAML() ([]byte, error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	return text, nil
}

// MarshalYAML gives a fixed length as a plain number.
func (l Length) MarshalYAML() (any, error) {
	if l.Uniform == nil && l.Lognormal == nil {
		return l.Fixed, nil
	}
	type plain Length
	return plain(l), nil
}

// IsZero says whether no distribution is set.
func (l Length) IsZero() bool { return l == Length{} }

// MarshalYAML puts texts of several lines into quotes: the YAML library would
// write them as blocks, and one that begins with a line break, as stop words do,
// as a block that cannot be read again.
func (o JSONObject) MarshalYAML() (any, error) { return quoted(o) }

func quoted(value any) (*yaml.Node, error) {
	node := &yaml.Node{}
	switch value := value.(type) {
	case map[string]any:
		return quoted(JSONObject(value))
	case JSONObject:
		node.Kind = yaml.MappingNode
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if err := appendQuoted(node, key, value[key]); err != nil {
				return nil, err
			}
		}
		return node, nil
	case []any:
		node.Kind = yaml.SequenceNode
		return node, appendQuoted(node, value...)
	case string:
		node.SetString(value)
		if strings.Contains(value, "\n") {
			node.Style = yaml.DoubleQuotedStyle
		}
		return node, nil
	default:
		return node, node.Encode(value)
	}
}

func appendQuoted(node *yaml.Node, values ...any) error {
	for _, value := range values {
		item, err := quoted(value)
		if err != nil {
			return err
		}
		node.Content = append(node.Content, item)
	}
	return nil
}
