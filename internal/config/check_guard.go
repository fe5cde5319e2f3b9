package config

import (
	"slices"
	"strings"
)

// guard checks that each limit is one that can be passed.
func (k *checks) guard(g *Guard, path string) {
	for _, name := range GuardLimits() {
		limit, set := g.Limit(name)
		if !set {
			continue
		}
		at := join(path, string(name))
		switch name {
		case HeartbeatTTFT: // checked with its heartbeat
		case KVCacheUsageRatio, ErrorRatio:
			k.need(limit >= 0 && limit < 1, at, number(limit), "a share from 0 to below 1")
		default:
			k.need(limit >= 0 && limit <= maxGuarded, at, number(limit), "0 to 1000000, or left out for no limit")
		}
	}
	k.guardHeartbeat(g, path)
	var actions []string
	for _, a := range GuardActions() {
		actions = append(actions, string(a))
	}
	k.oneOf(string(g.Action), path+".action", actions...)
	k.notNegative(g.WaitAtMost, path+".wait_at_most")
}

// maxGuarded bounds the limits that are numbers of requests: no replica has more.
const maxGuarded = 1_000_000

// guardHeartbeat checks that the limit on a heartbeat has one.
func (k *checks) guardHeartbeat(g *Guard, path string) {
	k.notNegative(g.HeartbeatTTFT, path+".heartbeat_ttft")
	if g.Heartbeat == "" {
		k.need(g.HeartbeatTTFT <= 0, path+".heartbeat_ttft", "has no heartbeat", "with guard.heartbeat, the name of a heartbeat")
		return
	}
	var names []string
	for _, p := range k.cfg.Probes {
		if p.Heartbeat != nil && p.Name != "" {
			names = append(names, p.Name)
		}
	}
	allowed := "the name of a probe that is a heartbeat; there is none"
	if len(names) > 0 {
		allowed = strings.Join(names, ", ")
	}
	k.need(slices.Contains(names, g.Heartbeat), path+".heartbeat", show(g.Heartbeat)+" is no heartbeat"+didYouMean(g.Heartbeat, names), allowed)
	k.need(g.HeartbeatTTFT != 0, path+".heartbeat", "has no limit", "with guard.heartbeat_ttft")
}
