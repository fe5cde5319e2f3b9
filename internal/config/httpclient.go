package config

import (
	"errors"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

// client is an http_client of the file.
type client struct {
	node *yaml.Node
	path string
	line int
}

// httpClient checks the shape of an http_client and keeps it for
// validateClients.
func (s *shapes) httpClient(node *yaml.Node, path string, line int) {
	s.sealed = true
	defer func() { s.sealed = false }()
	s.mapping(node, httpClientType, path, line)
	s.clients = append(s.clients, client{node, path, line})
}

// httpClientAllowed is where the meaning of http_client stands.
const httpClientAllowed = "the settings of http_config in the documentation of Prometheus"

// validateClients lets Prometheus's own types say which of their settings do not
// go together. They name keys and repeat no value, once all values are of the
// right kind.
func (s *shapes) validateClients() {
	for _, c := range s.clients {
		err := c.node.Decode(new(promconfig.HTTPClientConfig))
		var kind *yaml.TypeError
		switch {
		case err == nil:
		case errors.As(err, &kind):
			s.add(c.line, c.path, "holds a value of another kind", httpClientAllowed)
		default:
			s.add(c.line, c.path, err.Error(), httpClientAllowed)
		}
	}
}
