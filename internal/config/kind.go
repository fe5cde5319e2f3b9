package config

import (
	"reflect"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
)

var (
	clockType      = reflect.TypeFor[Clock]()
	durationType   = reflect.TypeFor[time.Duration]()
	lengthType     = reflect.TypeFor[Length]()
	httpClientType = reflect.TypeFor[promconfig.HTTPClientConfig]()
	secretType     = reflect.TypeFor[promconfig.Secret]()
	groupType      = reflect.TypeFor[targetgroup.Group]()
)

// staticGroup is what a targetgroup.Group is in YAML, which its type does not tell.
type staticGroup struct {
	Targets []string       `yaml:"targets"`
	Labels  model.LabelSet `yaml:"labels"`
}

// leaves are the types of values without parts that their Go kind does not tell,
// with what they allow.
var leaves = map[reflect.Type]string{
	lengthType:                               "a whole number, or one of uniform and lognormal",
	clockType:                                "a time of day from 00:00 to 24:00, in quotes",
	durationType:                             "a number with its unit: 500ms, 30s, 5m, 1h30m",
	secretType:                               "a text",
	reflect.TypeFor[promconfig.URL]():        "a URL",
	reflect.TypeFor[promconfig.TLSVersion](): "TLS10, TLS11, TLS12, TLS13",
	reflect.TypeFor[model.Duration]():        "a number with its unit: 500ms, 30s, 5m, 1h30m",
	reflect.TypeFor[model.LabelName]():       "the name of a label",
	reflect.TypeFor[kubernetes.Role]():       "pod, service, endpoints, endpointslice, node, ingress",
	reflect.TypeFor[relabel.Regexp]():        "a regular expression of Go",
	reflect.TypeFor[relabel.Action]():        "an action of relabel_config in the documentation of Prometheus",
}

// allowedFor says what a value without parts may be.
func allowedFor(t reflect.Type) string {
	if allowed, ok := leaves[t]; ok {
		return allowed
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "a number"
	case reflect.Int:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number from 0 on"
	default:
		return "a text"
	}
}

func isWhole(t reflect.Type) bool {
	return t != durationType && t != clockType && (t.Kind() == reflect.Int || t.Kind() == reflect.Uint64)
}

func isNumber(node *yaml.Node) bool {
	return node.ShortTag() == "!!int" || node.ShortTag() == "!!float"
}

// fields are the keys that a mapping may have.
type fields struct {
	names []string
	types map[string]reflect.Type
	rest  reflect.Type // of any other key's value; nil where there may be none
}

// fieldsOf are the keys of a struct or map in YAML.
func fieldsOf(t reflect.Type) *fields {
	f := &fields{types: map[string]reflect.Type{}}
	f.add(t)
	return f
}

func (f *fields) add(t reflect.Type) {
	if t.Kind() == reflect.Map {
		f.rest = t.Elem()
		return
	}
	for field := range t.Fields() {
		key, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			f.add(field.Type)
		// What ends in _ref names a secret of a secret manager, and there is none.
		case key != "" && key != "-" && !strings.HasSuffix(key, "_ref"):
			f.names = append(f.names, key)
			f.types[key] = field.Type
		}
	}
}

func (f *fields) allowed() string {
	if f.rest != nil {
		return "of your choice, with their values"
	}
	return strings.Join(f.names, ", ")
}
