package prober

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Discovery knows the replicas of targets whose configuration does not list them.
type Discovery interface {
	// Watch returns the base URLs of a target's replicas as they are now, sorted,
	// and a function that ends the watch and tells what has changed since. If the
	// first list is still to come, Watch waits for it, at the most until ctx ends.
	Watch(ctx context.Context, target string) (replicas []string, changes func() []Change)
}

// Change is a replica that came or went.
type Change struct {
	// Replica is its base URL.
	Replica string
	// Came says that it came; else it went.
	Came bool
	At   time.Time
}

// muster returns the arms of a run. One that uses all replicas of a discovered
// target uses those that there are now, as many for the whole run. Arms that come
// to the same are one.
func (p *Prober) muster(ctx context.Context, all []*arm) ([]*arm, error) {
	var arms []*arm
	var errs []error
	for _, a := range all {
		if a.target.IsDiscovered() {
			found, changes := p.watch(ctx, a)
			changes()
			errs = append(errs, a.muster(found))
		}
		if !slices.ContainsFunc(arms, func(other *arm) bool { return other.Arm == a.Arm }) {
			arms = append(arms, a)
		}
	}
	if p.underway.isOver(ctx) {
		return arms, p.underway.early(ctx) // the first list may still have been to come
	}
	return arms, errors.Join(errs...)
}

// muster makes an arm of a discovered target ready for a run.
func (a *arm) muster(found []string) (err error) {
	n := a.wanted
	if n == 0 {
		n = len(found)
	}
	if n == 0 {
		return fmt.Errorf("target %q has no replica: its discovery has found none", a.Arm.Target)
	}
	a.Arm.Replicas, a.Arm.GPUs = n, n*a.target.GPUsPerReplica
	a.replicas, a.asked = nil, map[string]bool{}
	a.replicas, err = a.choose(found)
	return err
}

// choose are the replicas that the arm uses of those that were found: those that it
// has, as long as they are there, and then the first others.
func (a *arm) choose(found []string) ([]*url.URL, error) {
	need := a.Arm.Replicas
	if len(found) < need {
		return nil, fmt.Errorf("target %q has %d replicas of the %d that the arm needs: its discovery has found no more",
			a.Arm.Target, len(found), need)
	}
	var chosen []*url.URL
	left := slices.Clone(found)
	for _, replica := range a.replicas {
		if at := slices.Index(left, ReplicaName(replica)); at >= 0 {
			chosen, left = append(chosen, replica), slices.Delete(left, at, at+1)
		}
	}
	for _, replica := range left[:need-len(chosen)] {
		u, err := parseReplica(replica)
		if err != nil {
			return nil, fmt.Errorf("replica of target %q: %w", a.Arm.Target, err)
		}
		chosen = append(chosen, u)
	}
	return chosen, nil
}

// enlist lets an arm of a discovered target have the replicas of its next step,
// asks those that it did not have before, and returns the watch over them all.
func (p *Prober) enlist(ctx context.Context, result *RunResult, a *arm) (changes func() []Change, err error) {
	if !a.target.IsDiscovered() {
		return func() []Change { return nil }, nil
	}
	for {
		found, changes := p.watch(ctx, a)
		chosen, err := a.choose(found)
		if err != nil {
			changes()
			return nil, err
		}
		a.replicas = chosen
		newcomers := slices.DeleteFunc(slices.Clone(chosen), func(u *url.URL) bool { return a.asked[ReplicaName(u)] })
		if len(newcomers) == 0 {
			return changes, nil
		}
		changes() // what comes and goes while they are asked is no matter of the step's
		if err := p.meet(ctx, result, a, newcomers); err != nil {
			return nil, err
		}
	}
}

// meet asks replicas that the arm did not have before, as the preflight does.
func (p *Prober) meet(ctx context.Context, result *RunResult, a *arm, newcomers []*url.URL) error {
	prompt, output, err := p.longest(result.ID)
	if err != nil {
		return err
	}
	model := a.model
	model.Versions = slices.Clone(model.Versions)
	if err := a.ask(ctx, newcomers, &model); err != nil {
		return err
	}
	if err := model.takes(prompt, output); err != nil {
		return err
	}
	a.learn(result, model)
	return nil
}

// watch is a watch over the arm's target that waits no longer than the prober may.
func (p *Prober) watch(ctx context.Context, a *arm) (replicas []string, changes func() []Change) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.underway.soft, cancel)()
	return p.o.Discovery.Watch(ctx, a.Arm.Target)
}

// brokenByChanges is the promise that changes have broken, if there are any.
func brokenByChanges(changes []Change) []Broken {
	if len(changes) == 0 {
		return nil
	}
	first := changes[0]
	verb := "left"
	if first.Came {
		verb = "came"
	}
	detail := fmt.Sprintf("replica %s %s at %s", first.Replica, verb, first.At.UTC().Format(time.RFC3339))
	if n := len(changes); n > 1 {
		detail += fmt.Sprintf(", the first of %d changes", n)
	}
	return []Broken{{PromiseReplicas, detail}}
}

// parseReplica is a replica's base URL. Paths are joined to it, and an empty one
// would stay relative.
func parseReplica(replica string) (*url.URL, error) {
	u, err := url.Parse(replica)
	if err != nil {
		return nil, err
	}
	return u.JoinPath("/"), nil
}

// ReplicaName is what a replica is called: its base URL as the configuration and
// discovery have it, without the slash at the end.
func ReplicaName(replica *url.URL) string { return strings.TrimSuffix(replica.String(), "/") }
