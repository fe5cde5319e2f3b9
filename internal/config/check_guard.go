package config

// guard checks that each limit is one that can be passed.
func (k *checks) guard(g *Guard, path string) {
	for _, name := range GuardLimits() {
		limit, set := g.Limit(name)
		if !set {
			continue
		}
		at := join(path, string(name))
		switch name {
		case KVCacheUsageRatio, ErrorRatio:
			k.need(limit >= 0 && limit < 1, at, number(limit), "a share from 0 to below 1")
		default:
			k.need(limit >= 0 && limit <= maxGuarded, at, number(limit), "0 to 1000000, or left out for no limit")
		}
	}
	var actions []string
	for _, a := range GuardActions() {
		actions = append(actions, string(a))
	}
	k.oneOf(string(g.Action), path+".action", actions...)
	k.notNegative(g.WaitAtMost, path+".wait_at_most")
}

// maxGuarded bounds the limits that are numbers of requests: no replica has more.
const maxGuarded = 1_000_000
