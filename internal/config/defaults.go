package config

import (
	"time"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

// DefaultTarget is a target with all that need not be said.
func DefaultTarget() Target {
	return Target{GPUsPerReplica: 1, Balance: RoundRobin, HTTPClient: promconfig.DefaultHTTPClientConfig}
}

// DefaultProbe is a probe with all that need not be said. Its lengths apply
// where the workload has no prompts_file.
func DefaultProbe() Probe {
	return Probe{
		Workload: Workload{
			Endpoint:     Completions,
			PromptTokens: Length{Fixed: 128},
			OutputTokens: Length{Fixed: 64},
		},
		Pacing: Pacing{Process: Poisson},
		Ladder: Ladder{
			Warmup: 10 * time.Second, Window: 30 * time.Second, Drain: time.Minute, Cooldown: 2 * time.Second,
		},
		Timeouts: Timeouts{
			Connect: 5 * time.Second, FirstToken: time.Minute, Stall: 30 * time.Second, Total: 5 * time.Minute,
		},
		MaxInFlight: 4096,
		MaxSendLag:  10 * time.Millisecond,
	}
}

// UnmarshalYAML sets the defaults and then what the file says.
func (t *Target) UnmarshalYAML(node *yaml.Node) error {
	type plain Target
	*t = DefaultTarget()
	return node.Decode((*plain)(t))
}

// UnmarshalYAML sets the defaults and then what the file says.
func (p *Probe) UnmarshalYAML(node *yaml.Node) error {
	type plain Probe
	*p = DefaultProbe()
	return node.Decode((*plain)(p))
}

// UnmarshalYAML takes a length's distribution, or a plain number for a fixed one.
func (l *Length) UnmarshalYAML(node *yaml.Node) error {
	type plain Length
	*l = Length{}
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&l.Fixed)
	}
	return node.Decode((*plain)(l))
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
