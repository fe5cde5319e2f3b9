package prober

import (
	"context"
	"fmt"
	"time"
)

// running are the places of the arms whose engines run already: those without a
// command.
func running(arms []*arm) (places []Place) {
	for _, a := range arms {
		if a.prepare == nil {
			places = append(places, a.place())
		}
	}
	return places
}

// makeEngines lets the arm's command make its engines, unless those that run are
// its own. A run knows of none when it begins: whatever runs then may have been
// changed since.
func (p *Prober) makeEngines(ctx context.Context, result *RunResult, a *arm) error {
	if a.prepare == nil || p.made == a {
		return nil
	}
	p.made = nil
	// The command ends engines that others may be using. Where none answers, there
	// is nobody to wait for.
	if err := p.within(ctx, guardWait{onlySeen: true}, []Place{a.place()}); err != nil {
		return err
	}
	making, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.underway.soft, cancel)()
	began := time.Now()
	p.o.Observer.Preparing(a.Arm)
	if err := p.o.Prepare(making, a.Arm, a.place(), *a.prepare); err != nil {
		if p.underway.isOver(ctx) {
			return p.underway.early(ctx)
		}
		return fmt.Errorf("making the engines of target %q for batch size %d: %w", a.Target, a.BatchSize, err)
	}
	if err := p.examine(making, result, a); err != nil {
		return err
	}
	p.o.Logger.Info("engines made", "probe", p.probe.Name, "target", a.Target, "gpus", a.GPUs, "batch_size", a.BatchSize, "took", time.Since(began))
	p.made = a
	return nil
}
