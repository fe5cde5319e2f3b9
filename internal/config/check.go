package config

import (
	"fmt"
	"math"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRate bounds request rates: more than one prober can make honestly.
const maxRate = 10_000

// minMeasured is how many requests a window must expect at the least.
const minMeasured = 5

var (
	nameForm  = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)
	labelForm = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// extraBodyTaken are the keys of a request that the prober sets itself.
var extraBodyTaken = []string{
	"model", "prompt", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "min_tokens",
	"ignore_eos", "cache_salt", "n",
}

// checks gathers the problems of a configuration whose shape is right.
type checks struct {
	cfg      *Config
	problems []Problem
}

func (c *Config) check() []Problem {
	k := &checks{cfg: c}
	k.need(len(c.Targets) > 0, "targets", "are none", "one or more")
	k.need(len(c.Probes) > 0, "probes", "are none", "one or more")
	for i := range c.Targets {
		k.target(&c.Targets[i], fmt.Sprintf("targets[%d]", i))
	}
	for i := range c.Probes {
		k.probe(&c.Probes[i], fmt.Sprintf("probes[%d]", i))
	}
	k.unique("targets", len(c.Targets), func(i int) string { return c.Targets[i].Name })
	k.unique("probes", len(c.Probes), func(i int) string { return c.Probes[i].Name })
	return k.problems
}

// need notes a problem unless ok.
func (k *checks) need(ok bool, path, found, allowed string) {
	if !ok {
		k.problems = append(k.problems, Problem{Path: path, Found: found, Allowed: allowed})
	}
}

func (k *checks) unique(path string, n int, name func(int) string) {
	seen := map[string]bool{}
	for i := range n {
		at := fmt.Sprintf("%s[%d].name", path, i)
		k.need(nameForm.MatchString(name(i)), at, quoted(name(i)), "letters, digits, _ . and -, beginning with a letter or digit")
		k.need(!seen[name(i)], at, quoted(name(i))+" is taken", "a name of its own")
		seen[name(i)] = true
	}
}

func (k *checks) target(t *Target, path string) {
	k.need(len(t.Replicas) > 0, path+".replicas", "are none", "one or more base URLs, such as http://127.0.0.1:8000")
	seen := map[string]bool{}
	for i, replica := range t.Replicas {
		replica = strings.TrimRight(replica, "/")
		t.Replicas[i] = replica
		at := fmt.Sprintf("%s.replicas[%d]", path, i)
		k.replica(replica, at)
		k.need(!seen[replica], at, "stands there twice", "each replica once")
		seen[replica] = true
	}
	k.need(t.GPUsPerReplica >= 1, path+".gpus_per_replica", strconv.Itoa(t.GPUsPerReplica), "1 or more")
	k.need(t.BatchSize >= 0, path+".batch_size", strconv.Itoa(t.BatchSize), "the deployment's --max-num-seqs, 1 or more")
	k.need(t.Balance == RoundRobin || t.Balance == LeastInFlight, path+".balance", quoted(string(t.Balance)),
		fmt.Sprintf("%s, %s", RoundRobin, LeastInFlight))
	for name := range t.Labels {
		ok := labelForm.MatchString(name) && !strings.HasPrefix(name, "__") && name != "target" && name != "model"
		k.need(ok, join(path+".labels", name), "cannot be a label", "letters, digits and _, but not target, model, or a beginning of __")
	}
	if err := t.HTTPClient.Validate(); err != nil {
		k.need(false, path+".http_client", err.Error(), "the settings of http_config in the documentation of Prometheus")
	}
}

func (k *checks) replica(replica, path string) {
	const allowed = "a base URL such as http://127.0.0.1:8000 or https://llm.example.org/prefix"
	u, err := url.Parse(replica)
	switch {
	case err != nil:
		k.need(false, path, "is no URL", allowed) // the error would repeat what may hold a password
	case u.User != nil:
		k.need(false, path, "holds credentials", "http_client.basic_auth or http_client.authorization for them")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		k.need(false, path, quoted(replica), allowed)
	case u.RawQuery != "", u.Fragment != "":
		k.need(false, path, quoted(replica)+" has more than a path", allowed)
	case strings.HasSuffix(u.Path, "/v1"):
		k.need(false, path, quoted(replica)+" ends in /v1", "the URL without /v1, which the prober adds")
	}
}

func (k *checks) probe(p *Probe, path string) {
	k.arms(p, path)
	k.workload(&p.Workload, path+".workload")
	k.pacing(p.Pacing, path+".pacing")
	k.ladder(p, path)
	for name, d := range map[string]time.Duration{"ttft": p.SLO.TTFT, "tpot": p.SLO.TPOT, "e2e": p.SLO.E2E} {
		k.need(d >= 0, path+".slo."+name, d.String(), "more than 0s")
	}
	t := p.Timeouts
	for name, d := range map[string]time.Duration{
		"connect": t.Connect, "first_token": t.FirstToken, "stall": t.Stall, "total": t.Total,
	} {
		k.need(d > 0, path+".timeouts."+name, d.String(), "more than 0s")
	}
	k.need(t.FirstToken <= t.Total, path+".timeouts.first_token", t.FirstToken.String(), "up to timeouts.total, "+t.Total.String())
	k.need(t.Stall <= t.Total, path+".timeouts.stall", t.Stall.String(), "up to timeouts.total, "+t.Total.String())
	k.need(p.MaxInFlight >= 1, path+".max_in_flight", strconv.Itoa(p.MaxInFlight), "1 or more")
	k.need(p.MaxSendLag > 0, path+".max_send_lag", p.MaxSendLag.String(), "more than 0s")
	if planned := p.Planned(); p.Interval != 0 {
		k.need(p.Interval >= planned, path+".interval", p.Interval.String(),
			"0s for runs that follow one another, or at least what a run is planned to take, "+planned.String())
	}
}

func (k *checks) arms(p *Probe, path string) {
	k.need(len(p.Arms) > 0, path+".arms", "are none", "one or more, such as [{target: NAME}]")
	type identity struct {
		target   string
		replicas int
	}
	seen := map[identity]bool{}
	for i, a := range p.Arms {
		at := fmt.Sprintf("%s.arms[%d]", path, i)
		target, known := k.cfg.Target(a.Target)
		k.need(known, at+".target", quoted(a.Target)+" is no target", k.targetNames())
		if known {
			n := len(target.Replicas)
			k.need(a.Replicas >= 0 && a.Replicas <= n, at+".replicas", strconv.Itoa(a.Replicas),
				fmt.Sprintf("1 to %d, which are target %q's, or left out for all", n, a.Target))
			id := identity{a.Target, a.Replicas}
			if a.Replicas == 0 {
				id.replicas = n
			}
			k.need(!seen[id], at, "is the same as an earlier arm", "each target with each number of replicas once")
			seen[id] = true
		}
		if len(a.Rates) > 0 {
			k.rates(a.Rates, at+".rates")
		}
	}
}

func (k *checks) targetNames() string {
	names := make([]string, 0, len(k.cfg.Targets))
	for _, t := range k.cfg.Targets {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

func (k *checks) workload(w *Workload, path string) {
	k.need(w.Endpoint == Completions || w.Endpoint == Chat, path+".endpoint", quoted(string(w.Endpoint)),
		fmt.Sprintf("%s, %s", Completions, Chat))
	k.length(w.OutputTokens, path+".output_tokens")
	for key := range w.ExtraBody {
		k.need(!slices.Contains(extraBodyTaken, key), join(path+".extra_body", key), "is set by the prober itself",
			"any key but "+strings.Join(extraBodyTaken, ", "))
	}
	if w.PromptsFile != "" {
		info, err := os.Stat(w.PromptsFile)
		k.need(err == nil && info.Mode().IsRegular(), path+".prompts_file", quoted(w.PromptsFile)+" cannot be read", "a file")
		k.need(w.SharedPrefixTokens == 0, path+".shared_prefix_tokens", "is of no use beside prompts_file", "one of the two")
		return
	}
	k.length(w.PromptTokens, path+".prompt_tokens")
	k.need(w.SharedPrefixTokens >= 0 && (w.SharedPrefixTokens == 0 || w.SharedPrefixTokens < w.PromptTokens.MinTokens()),
		path+".shared_prefix_tokens", strconv.Itoa(w.SharedPrefixTokens),
		fmt.Sprintf("0 or more, and less than the shortest prompt, %d", w.PromptTokens.MinTokens()))
}

func (k *checks) length(l Length, path string) {
	switch {
	case l.Uniform != nil && (l.Lognormal != nil || l.Fixed != 0), l.Lognormal != nil && l.Fixed != 0:
		k.need(false, path, "has more than one distribution", "a number, or one of uniform and lognormal")
	case l.Uniform != nil:
		u := *l.Uniform
		k.need(u.Min >= 1, path+".uniform.min", strconv.Itoa(u.Min), "1 or more")
		k.need(u.Max >= u.Min, path+".uniform.max", strconv.Itoa(u.Max), fmt.Sprintf("min, %d, or more", u.Min))
	case l.Lognormal != nil:
		n := *l.Lognormal
		k.need(n.Min >= 1, path+".lognormal.min", strconv.Itoa(n.Min), "1 or more")
		k.need(n.Max >= n.Min, path+".lognormal.max", strconv.Itoa(n.Max), fmt.Sprintf("min, %d, or more", n.Min))
		k.need(n.Sigma > 0 && n.Sigma <= 10, path+".lognormal.sigma", number(n.Sigma), "above 0, up to 10")
		// Drawing again until a draw fits must come to an end.
		k.need(n.Median >= float64(n.Min) && n.Median <= float64(n.Max), path+".lognormal.median", number(n.Median),
			fmt.Sprintf("from min, %d, to max, %d", n.Min, n.Max))
	default:
		k.need(l.Fixed >= 1, path, strconv.Itoa(l.Fixed), "1 or more")
	}
}

func (k *checks) pacing(p Pacing, path string) {
	switch p.Process {
	case Gamma:
		k.need(p.Burstiness > 0 && p.Burstiness <= 1e6, path+".burstiness", number(p.Burstiness),
			"the shape of the gaps, above 0: below 1 is burstier than poisson, above 1 more regular")
	case Poisson, Constant:
		k.need(p.Burstiness == 0, path+".burstiness", "is of no use with process "+string(p.Process), "with process gamma alone")
	default:
		k.need(false, path+".process", quoted(string(p.Process)), fmt.Sprintf("%s, %s, %s", Poisson, Constant, Gamma))
	}
}

func (k *checks) ladder(p *Probe, path string) {
	l, at := p.Ladder, path+".ladder"
	own := len(p.Arms) > 0 && !slices.ContainsFunc(p.Arms, func(a Arm) bool { return len(a.Rates) == 0 })
	if len(l.Rates) > 0 || !own {
		k.rates(l.Rates, at+".rates")
	}
	k.need(l.Warmup >= 0, at+".warmup", l.Warmup.String(), "0s or more")
	k.need(l.Window > 0, at+".window", l.Window.String(), "more than 0s")
	k.need(l.Drain > 0, at+".drain", l.Drain.String(), "more than 0s")
	k.need(l.Cooldown >= 0, at+".cooldown", l.Cooldown.String(), "0s or more")
	if p.SLO.E2E > 0 {
		k.need(l.Window >= p.SLO.E2E, at+".window", l.Window.String()+" is shorter than one request may take",
			"slo.e2e, "+p.SLO.E2E.String()+", or more")
	}
	lowest := math.Inf(1)
	for _, a := range p.Arms {
		if rates := p.Rates(a); len(rates) > 0 && rates[0] > 0 {
			lowest = min(lowest, rates[0])
		}
	}
	if !math.IsInf(lowest, 1) && l.Window > 0 {
		k.need(lowest*l.Window.Seconds() >= minMeasured, at+".window",
			fmt.Sprintf("%s at %s requests per second measures %s requests", l.Window, number(lowest), number(lowest*l.Window.Seconds())),
			fmt.Sprintf("%s or more, which measures %d", time.Duration(math.Ceil(minMeasured/lowest))*time.Second, minMeasured))
	}
}

func (k *checks) rates(rates []float64, path string) {
	k.need(len(rates) > 0, path, "are none", "one or more, rising, in requests per second")
	for i, r := range rates {
		at := fmt.Sprintf("%s[%d]", path, i)
		k.need(r > 0 && r <= maxRate, at, number(r), fmt.Sprintf("above 0, up to %d requests per second", maxRate))
		if i > 0 {
			k.need(r > rates[i-1], at, fmt.Sprintf("%s after %s", number(r), number(rates[i-1])), "rates that rise")
		}
	}
}

func quoted(s string) string { return strconv.Quote(s) }

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
