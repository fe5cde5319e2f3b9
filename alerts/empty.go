package alerts

import "strings"

// MayBeEmpty are the recorded series that a healthy installation may be without, and
// why. All others have values where there are a ladder of arms with declared batch
// sizes, which has made a run, and a heartbeat, which has made a few windows.
func (s Settings) MayBeEmpty() map[string]string {
	const (
		noSearch   = "no probe searches for the capacity"
		noGPUs     = "it is not known which GPUs serve the replicas"
		young      = "the baseline rests on too few runs, or does not reach far enough back"
		noPrevious = "no probe has made two runs"
	)
	empty := map[string]string{}
	for _, g := range s.Recording().Groups {
		for _, r := range g.Rules {
			name := r.Record
			switch {
			case strings.Contains(name, "capacity") || strings.Contains(name, "search") || strings.Contains(name, "slo_requests"):
				empty[name] = noSearch
			case strings.Contains(name, "joule"):
				empty[name] = noGPUs
			case strings.Contains(name, ":limit_") || strings.HasSuffix(name, "_settled") || strings.HasPrefix(name, hourCount):
				empty[name] = young
			case strings.HasSuffix(name, ":previous"):
				empty[name] = noPrevious
			}
		}
	}
	return empty
}
