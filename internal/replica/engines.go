package replica

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"vllm_prober/prober"
)

// engineLook is how often Renewed looks for new engines.
const engineLook = time.Second

// Engines is what ran on replicas at a time, in the order of the
// replicas. It is nil for one that did not answer.
type Engines []*Sample

// Engines reads what runs on the replicas in a place.
func (w *Watcher) Engines(ctx context.Context, place prober.Place) Engines {
	c, replicas := w.targets[place.Target].client, w.replicas(place)
	engines := make(Engines, len(replicas))
	var wait sync.WaitGroup
	for i, r := range replicas {
		wait.Go(func() {
			if s, err := c.read(ctx, r.url); err == nil {
				engines[i] = &s
			}
		})
	}
	wait.Wait()
	return engines
}

// Renewed waits until each of the replicas in a place is ready to serve and its metrics
// are those of another engine than before. Its error, once ctx has ended, says
// what each of the others lacks.
func (w *Watcher) Renewed(ctx context.Context, place prober.Place, before Engines) error {
	replicas := w.replicas(place)
	lacks := make([]string, len(replicas))
	var wait sync.WaitGroup
	for i, r := range replicas {
		wait.Go(func() { lacks[i] = w.renewed(ctx, w.targets[place.Target].client, r, before[i]) })
	}
	wait.Wait()
	var missing []string
	for i, lack := range lacks {
		if lack != "" {
			missing = append(missing, fmt.Sprintf("replica %s: %s", replicas[i].name, lack))
		}
	}
	if len(missing) > 0 {
		return errors.New(strings.Join(missing, "; "))
	}
	return nil
}

// renewed waits for one replica's new engine, and says what was lacking when ctx
// ended; empty means nothing.
func (w *Watcher) renewed(ctx context.Context, c *client, r *replica, old *Sample) (lack string) {
	for lack = "was not asked"; ctx.Err() == nil; pause(ctx, engineLook) {
		now, err := c.read(ctx, r.url)
		if err == nil {
			err = c.ready(ctx, r.url)
		}
		switch {
		case ctx.Err() != nil: // what was lacking before says more
		case err != nil:
			lack, old = err.Error(), nil // whatever answers after this has started since
		case old == nil || now.startedAfter(*old):
			return ""
		case !now.ProcessStart.Known:
			lack = "its /metrics do not tell when it started (process_start_time_seconds), and it has answered all the time"
		default:
			lack = fmt.Sprintf("still runs the engine that started at %s: the command has to restart it",
				time.Unix(int64(now.ProcessStart.Value), 0).UTC().Format(time.RFC3339))
		}
	}
	return lack
}

// startedAfter says whether s is of an engine that started after that of old.
func (s Sample) startedAfter(old Sample) bool {
	return difference(old.ProcessStart, s.ProcessStart).Value > startTolerance || fell(old, s)
}

// ready says whether a replica's /health answers that it serves.
func (c *client) ready(ctx context.Context, replica *url.URL) error {
	return c.get(ctx, replica.JoinPath("/health"), readingLimit, "*/*", nothing)
}
