package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

// Prepare is a command that makes an arm's engines, such as one that restarts a
// deployment with another --max-num-seqs.
type Prepare struct {
	// Command is the program and its arguments; no shell reads them. A program
	// whose path is relative is looked for from the configuration's folder, one
	// without a path in $PATH.
	Command []string `yaml:"command"`
	// Env is added to the daemon's own environment. The values are hidden wherever
	// the configuration is shown.
	Env map[string]promconfig.Secret `yaml:"env,omitempty"`
	// Timeout is how long the command may take, with the start of the engines.
	Timeout time.Duration `yaml:"timeout"`
}

// DefaultPrepare is a preparation with all that need not be said.
func DefaultPrepare() Prepare { return Prepare{Timeout: 10 * time.Minute} }

// UnmarshalYAML sets the defaults and then what the file says.
func (p *Prepare) UnmarshalYAML(node *yaml.Node) error {
	type plain Prepare
	*p = DefaultPrepare()
	return node.Decode((*plain)(p))
}

// setDirectory makes a relative program relative to dir.
func (p *Prepare) setDirectory(dir string) {
	if len(p.Command) > 0 && strings.ContainsRune(p.Command[0], filepath.Separator) && !filepath.IsAbs(p.Command[0]) {
		p.Command[0] = filepath.Join(dir, p.Command[0])
	}
}

// On is the target as the arm makes it.
func (a Arm) On(t Target) Target {
	if a.BatchSize > 0 {
		t.BatchSize = a.BatchSize
	}
	if a.GPUsPerReplica > 0 {
		t.GPUsPerReplica = a.GPUsPerReplica
	}
	return t
}

// Commands says which of the arms are made by commands, for a refusal to run
// them; empty means that none is.
func (c *Config) Commands() []string {
	var found []string
	for _, p := range c.Probes {
		for i, a := range p.Arms {
			if a.Prepare != nil {
				found = append(found, fmt.Sprintf("probe %q, arms[%d]", p.Name, i))
			}
		}
	}
	return found
}

// prepared checks what an arm makes of its target.
func (k *checks) prepared(a *Arm, path string) {
	const allowed = "with prepare alone, which makes it so; otherwise it is the target's"
	k.need(a.BatchSize >= 0, path+".batch_size", fmt.Sprint(a.BatchSize), "the --max-num-seqs that prepare sets, 1 or more")
	k.need(a.GPUsPerReplica >= 0, path+".gpus_per_replica", fmt.Sprint(a.GPUsPerReplica), "1 or more")
	if a.Prepare == nil {
		k.need(a.BatchSize <= 0, path+".batch_size", "is of no use", allowed)
		k.need(a.GPUsPerReplica <= 0, path+".gpus_per_replica", "is of no use", allowed)
		return
	}
	at := path + ".prepare"
	k.need(len(a.Prepare.Command) > 0 && a.Prepare.Command[0] != "", at+".command", "names no program",
		"a program and its arguments: [./deploy.sh, \"16\"]")
	for i, argument := range a.Prepare.Command {
		k.need(!strings.ContainsRune(argument, 0), item(at+".command", i), "has a byte 0", "a text without it")
	}
	for name, value := range a.Prepare.Env {
		k.need(name != "" && !strings.ContainsAny(name, "=\x00") && !strings.ContainsRune(string(value), 0), join(at+".env", name),
			"cannot be a variable", "a name without =, and no byte 0")
	}
	k.positive(a.Prepare.Timeout, at+".timeout")
}
