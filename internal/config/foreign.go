package config

import (
	"errors"
	"net/url"
	"reflect"

	"github.com/prometheus/prometheus/discovery/dns"
	"github.com/prometheus/prometheus/discovery/file"
	"github.com/prometheus/prometheus/discovery/http"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
)

// foreign is a group of keys whose meaning is Prometheus's.
type foreign struct {
	// allowed is where that meaning stands.
	allowed string
	// sealed says that any of its values may be a secret.
	sealed bool
}

var relabelType = reflect.TypeFor[relabel.Config]()

// foreignTypes are the types of Prometheus's that the configuration is made of.
var foreignTypes = map[reflect.Type]foreign{
	httpClientType:                         {httpClientAllowed, true},
	reflect.TypeFor[file.SDConfig]():       {settingsOf("file_sd_config"), false},
	reflect.TypeFor[http.SDConfig]():       {settingsOf("http_sd_config"), true},
	reflect.TypeFor[dns.SDConfig]():        {settingsOf("dns_sd_config"), false},
	reflect.TypeFor[kubernetes.SDConfig](): {settingsOf("kubernetes_sd_config"), true},
	relabelType:                            {settingsOf("relabel_config"), false},
}

// httpClientAllowed is where the meaning of http_client stands.
var httpClientAllowed = settingsOf("http_config")

func settingsOf(section string) string {
	return "the settings of " + section + " in the documentation of Prometheus"
}

// block is a group of the file's keys whose meaning is Prometheus's.
type block struct {
	node *yaml.Node
	as   reflect.Type
	path string
	line int
}

// foreign checks the shape of a group whose meaning is Prometheus's, and keeps it
// for validateForeign.
func (s *shapes) foreign(node *yaml.Node, t reflect.Type, path string, line int) {
	s.sealed = foreignTypes[t].sealed
	defer func() { s.sealed = false }()
	s.mapping(node, t, path, line)
	s.blocks = append(s.blocks, block{node, t, path, line})
}

// validateForeign lets Prometheus's own types say which of their settings do not
// go together. They name keys, and repeat no value that may be a secret, once all
// values are of the right kind.
func (s *shapes) validateForeign() {
	for _, b := range s.blocks {
		err := b.node.Decode(reflect.New(b.as).Interface())
		allowed := foreignTypes[b.as].allowed
		var kind *yaml.TypeError
		var address *url.Error
		switch {
		case err == nil:
		case errors.As(err, &kind):
			s.add(b.line, b.path, "holds a value of another kind", allowed)
		case errors.As(err, &address): // which it repeats
			s.add(b.line, b.path, "has a url that is none", allowed)
		default:
			s.add(b.line, b.path, err.Error(), allowed)
		}
	}
}
