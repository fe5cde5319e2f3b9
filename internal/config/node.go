package config

import (
	"iter"

	"go.yaml.in/yaml/v3"
)

// resolve follows an alias to what it stands for.
func resolve(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// pairs are the keys and values of a mapping.
func pairs(node *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if node.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if !yield(node.Content[i], node.Content[i+1]) {
				return
			}
		}
	}
}

// isMerge says whether a key is YAML's <<, which brings in the keys of others.
func isMerge(key *yaml.Node) bool { return key.ShortTag() == "!!merge" }

// merged are the mappings that the value of << stands for.
func merged(value *yaml.Node) []*yaml.Node {
	value = resolve(value)
	if value.Kind != yaml.SequenceNode {
		return []*yaml.Node{value}
	}
	return value.Content
}

// isEmpty says whether nothing stands where a value should.
func isEmpty(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

// isTagged says whether a node has a kind of its own choice, such as !!binary.
func isTagged(node *yaml.Node) bool { return node.Style&yaml.TaggedStyle != 0 }

// decodes says whether the node is a value of that kind.
func decodes(node *yaml.Node, into any) bool { return node.Decode(into) == nil }
