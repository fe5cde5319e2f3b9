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

// DefaultProbe is a probe with all that need not be said. Its length of prompts
// is for prompts that are made: where there is a prompts_file, none is set.
func DefaultProbe() Probe {
	return Probe{
		Workload: Workload{
			Endpoint:     Completions,
			PromptTokens: Length{Fixed: 128},
			OutputTokens: Length{Fixed: 64},
		},
		Pacing: Pacing{Process: Poisson},
		Ladder: Ladder{
			Warmup: 10 * time.Second, Window: 30 * time.Second, Drain: time.Minute, Cooldown: 2 * time.Second, Repeats: 1,
		},
		SLO:   SLO{Attainment: 0.9},
		Guard: Guard{Action: AbortStep, WaitAtMost: 5 * time.Minute},
		Timeouts: Timeouts{
			Connect: 5 * time.Second, FirstToken: time.Minute, Stall: 30 * time.Second, Total: 5 * time.Minute,
		},
		MaxInFlight: 4096,
		MaxSendLag:  10 * time.Millisecond,
	}
}

// DefaultSearch is a search with all that need not be said.
func DefaultSearch() Search {
	return Search{MaxWindow: 4 * time.Minute, MaxRate: 1000, MaxSteps: 16}
}

// DefaultCompare is a comparison with all that need not be said.
func DefaultCompare() Compare {
	return Compare{Repeats: 5}
}

// UnmarshalYAML sets the defaults and then what the file says.
func (c *Compare) UnmarshalYAML(node *yaml.Node) error {
	type plain Compare
	*c = DefaultCompare()
	return node.Decode((*plain)(c))
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

// UnmarshalYAML sets the defaults and then what the file says.
func (s *Search) UnmarshalYAML(node *yaml.Node) error {
	type plain Search
	*s = DefaultSearch()
	return node.Decode((*plain)(s))
}

// UnmarshalYAML sets what the file says on top of what is set. The length of
// made prompts that a default has set goes where a prompts_file takes their place.
func (w *Workload) UnmarshalYAML(node *yaml.Node) error {
	type plain Workload
	var said struct {
		PromptsFile  string    `yaml:"prompts_file"`
		PromptTokens yaml.Node `yaml:"prompt_tokens"`
	}
	if err := node.Decode(&said); err != nil {
		return err
	}
	if said.PromptsFile != "" && said.PromptTokens.IsZero() {
		w.PromptTokens = Length{}
	}
	return node.Decode((*plain)(w))
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
