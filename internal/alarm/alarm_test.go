package alarm_test

import (
	"context"
	"testing"
	"time"

	"vllm_prober/internal/alarm"
)

// alarms are both kinds.
var alarms = map[string]func(context.Context) alarm.Alarm{"the most punctual": alarm.New, "Go's timers": alarm.NewTimer}

func TestNoWaitEndsEarly(t *testing.T) {
	for name, newAlarm := range alarms {
		t.Run(name, func(t *testing.T) {
			a := newAlarm(t.Context())
			defer a.Close()
			// A long wait before short ones and after: what an earlier one has
			// left behind must not end a later one.
			for _, d := range []time.Duration{-time.Second, 0, 20 * time.Millisecond, 1, 50 * time.Microsecond, 0, 20 * time.Millisecond} {
				begin := time.Now()
				if !a.Wait(d) {
					t.Fatalf("waiting %v ended as if the context had", d)
				}
				if waited := time.Since(begin); waited < d {
					t.Errorf("waiting %v took only %v", d, waited)
				}
			}
		})
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	for name, newAlarm := range alarms {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			a := newAlarm(ctx)
			defer a.Close()
			time.AfterFunc(5*time.Millisecond, cancel)
			if a.Wait(time.Hour) {
				t.Error("an hour is over")
			}
			for _, d := range []time.Duration{0, time.Millisecond, time.Hour} {
				if a.Wait(d) {
					t.Errorf("waiting %v went on after the context's end", d)
				}
			}
		})
	}
}
