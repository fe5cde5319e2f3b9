package daemon

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Turns come in the order in which they were asked for, but nobody waits for a
// turn at replicas that are not its own.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns turns
		var mu sync.Mutex
		var order []string
		use := func(ctx context.Context, name string, replicas ...string) {
			mine := &turn{probe: name, replicas: replicas}
			if !turns.take(ctx, mine) {
				return
			}
			mu.Lock()
			order = append(order, name)
			mu.Unlock()
			time.Sleep(time.Minute)
			turns.give(mine)
		}
		soFar := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(order)
		}
		impatient, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		for _, each := range []struct {
			ctx      context.Context
			name     string
			replicas []string
		}{
			{t.Context(), "a", []string{"1", "2"}},
			{t.Context(), "b", []string{"2", "3"}}, // waits for a
			{t.Context(), "c", []string{"4"}},      // for nobody
			{t.Context(), "d", []string{"3"}},      // for b, although nobody uses 3
			{impatient, "e", []string{"1"}},        // for a, but not so long
			{t.Context(), "f", []string{"1"}},      // for a, and then begins with b
		} {
			go use(each.ctx, each.name, each.replicas...)
			synctest.Wait()
		}
		if got, want := soFar(), []string{"a", "c"}; !slices.Equal(got, want) {
			t.Errorf("at first %v have their turns, want %v", got, want)
		}
		for replicas, want := range map[string]string{"1": "a", "2": "a", "3": "b", "5": ""} {
			if got := turns.ahead(&turn{replicas: []string{replicas}}); got != want {
				t.Errorf("ahead at replica %s is %q, want %q", replicas, got, want)
			}
		}
		time.Sleep(61 * time.Second)
		if got, want := soFar(), []string{"b", "f"}; len(got) != 4 || !slices.Contains(want, got[2]) || !slices.Contains(want, got[3]) {
			t.Errorf("after a minute %v have had their turns, want %v too", got, want)
		}
		time.Sleep(time.Minute)
		if got := soFar(); len(got) != 5 || got[4] != "d" {
			t.Errorf("in the end %v have had their turns", got)
		}
		time.Sleep(time.Minute)
		if turns.mu.Lock(); len(turns.queue) != 0 {
			t.Errorf("%d turns are left", len(turns.queue))
		}
		turns.mu.Unlock()
	})
}
