package discovery

import (
	"fmt"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"vllm_prober/internal/config"
)

// replicasOf are the base URLs of what was found, sorted, each once, and why some
// of it has none.
func replicasOf(groups map[origin]*targetgroup.Group, rules []*relabel.Config) (replicas, refused []string) {
	for _, group := range groups {
		for _, found := range group.Targets {
			replica, keep, err := replicaOf(found, group.Labels, rules)
			switch {
			case err != nil:
				refused = append(refused, fmt.Sprintf("%s: %v", group.Source, err))
			case keep:
				replicas = append(replicas, replica)
			}
		}
	}
	slices.Sort(replicas)
	return slices.Compact(replicas), refused
}

// replicaOf is the base URL that the labels of a target and of its group have
// after relabelling, which may drop it. As in Prometheus, the target's own go
// before its group's, and the scheme is http unless a label says otherwise.
func replicaOf(found, group model.LabelSet, rules []*relabel.Config) (replica string, keep bool, err error) {
	b := labels.NewBuilder(labels.EmptyLabels())
	b.Set(model.SchemeLabel, "http")
	for _, set := range []model.LabelSet{group, found} {
		for name, value := range set {
			b.Set(string(name), string(value))
		}
	}
	if !relabel.ProcessBuilder(b, rules...) {
		return "", false, nil
	}
	replica, err = config.BaseURL(b.Get(model.SchemeLabel), b.Get(model.AddressLabel))
	if err != nil {
		return "", false, fmt.Errorf("__scheme__ and __address__ after relabelling: %w", err)
	}
	return replica, true, nil
}
