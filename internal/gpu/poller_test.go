package gpu

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// source is one of functions.
type source struct {
	read    func() (*Snapshot, error)
	measure func(uuids []string) ([]Reading, error)
}

func (s source) Read() (*Snapshot, error)                  { return s.read() }
func (s source) Measure(uuids []string) ([]Reading, error) { return s.measure(uuids) }

// polling runs a poller over read in synthetic time, while test looks at it. A
// call of read hangs while it receives from hold, until release.
func polling(t *testing.T, read func(hold chan struct{}) (*Snapshot, error), test func(p *Poller, log *bytes.Buffer, release func())) {
	t.Helper()
	of := func(hold chan struct{}) Source { return source{read: func() (*Snapshot, error) { return read(hold) }} }
	pollingOf(t, of, test)
}

// pollingOf does so over a whole source.
func pollingOf(t *testing.T, of func(hold chan struct{}) Source, test func(p *Poller, log *bytes.Buffer, release func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{}) // of this bubble, whose time stands still otherwise
		release := sync.OnceFunc(func() { close(hold) })
		var log bytes.Buffer
		p := NewPoller(of(hold), 5*time.Second, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			p.Run(ctx)
			close(ended)
		}()
		synctest.Wait()
		test(p, &log, release)
		end()
		<-ended
		release()
	})
}

// pass lets time pass, and what is due then be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPollerKeepsTheLatestSnapshot(t *testing.T) {
	rounds := 0
	read := func(chan struct{}) (*Snapshot, error) {
		rounds++
		s := &Snapshot{At: time.Now()}
		time.Sleep(20 * time.Millisecond)
		return s, nil
	}
	polling(t, read, func(p *Poller, _ *bytes.Buffer, _ func()) {
		if _, fresh := p.Fresh(); fresh {
			t.Error("a snapshot before the first round has ended")
		}
		pass(12 * time.Second)
		s, fresh := p.Fresh()
		if !fresh || time.Since(s.At) != 2*time.Second || rounds != 3 {
			t.Errorf("%t, %d rounds in 12 s, want one every 5 s", fresh, rounds)
		}
		if status := p.Status(); !status.Success || status.Duration != 20*time.Millisecond {
			t.Errorf("%+v", status)
		}
	})
}

// A failure is logged once, and its data dropped once it is three intervals old.
func TestPollerDropsStaleData(t *testing.T) {
	var failing atomic.Bool
	read := func(chan struct{}) (*Snapshot, error) {
		if failing.Load() {
			return nil, errors.New("the driver is gone")
		}
		return &Snapshot{At: time.Now()}, nil
	}
	polling(t, read, func(p *Poller, log *bytes.Buffer, _ func()) {
		failing.Store(true)
		pass(14 * time.Second)
		if _, fresh := p.Fresh(); !fresh || p.Status().Success {
			t.Errorf("%t, %+v after 14 s", fresh, p.Status())
		}
		pass(2 * time.Second)
		if _, fresh := p.Fresh(); fresh {
			t.Error("data of 16 s ago is there")
		}
		if n := strings.Count(log.String(), "the driver is gone"); n != 1 {
			t.Errorf("logged %d times, want once:\n%s", n, log)
		}
		failing.Store(false)
		pass(5 * time.Second)
		if _, fresh := p.Fresh(); !fresh || !p.Status().Success || !strings.Contains(log.String(), "can be read again") {
			t.Errorf("%t, %+v once it is back:\n%s", fresh, p.Status(), log)
		}
	})
}

// What is read beside a failure of one GPU is shown.
func TestPollerShowsTheOtherGPUs(t *testing.T) {
	read := func(chan struct{}) (*Snapshot, error) {
		return &Snapshot{At: time.Now(), GPUs: make([]GPU, 2)}, errors.New("GPU 1 is lost")
	}
	polling(t, read, func(p *Poller, _ *bytes.Buffer, _ func()) {
		if s, fresh := p.Fresh(); !fresh || len(s.GPUs) != 2 || p.Status().Success {
			t.Errorf("%t, %+v", fresh, p.Status())
		}
	})
}

// A call that hangs is told within the time limit and waited for: there is never
// a second one beside it.
func TestPollerWaitsForACallThatHangs(t *testing.T) {
	now, most, rounds := 0, 0, 0
	read := func(hold chan struct{}) (*Snapshot, error) {
		now++
		rounds++
		most = max(most, now)
		defer func() { now-- }()
		s := &Snapshot{At: time.Now()}
		if rounds == 2 {
			<-hold
		}
		return s, nil
	}
	polling(t, read, func(p *Poller, log *bytes.Buffer, release func()) {
		pass(5*time.Second + timeLimit + time.Second)
		if p.Status().Success || !strings.Contains(log.String(), "the driver hangs") {
			t.Errorf("%+v\n%s", p.Status(), log)
		}
		if _, fresh := p.Fresh(); fresh {
			t.Error("data of before the call that hangs is there")
		}
		pass(time.Hour)
		release()
		pass(6 * time.Second)
		if _, fresh := p.Fresh(); !fresh || !p.Status().Success || most != 1 {
			t.Errorf("%t, %+v, %d calls at a time", fresh, p.Status(), most)
		}
	})
}

// The poller ends while a call hangs.
func TestPollerEndsBesideACallThatHangs(t *testing.T) {
	hang := func(hold chan struct{}) (*Snapshot, error) { <-hold; return &Snapshot{}, nil }
	polling(t, hang, func(*Poller, *bytes.Buffer, func()) { time.Sleep(time.Minute) })
}

// What is measured comes from between the rounds, and never beside another call.
func TestMeasuringBesideTheRounds(t *testing.T) {
	now, most, measured := 0, 0, 0
	call := func() func() {
		now++
		most = max(most, now)
		time.Sleep(300 * time.Millisecond)
		return func() { now-- }
	}
	of := func(chan struct{}) Source {
		return source{
			read: func() (*Snapshot, error) { defer call()(); return &Snapshot{At: time.Now()}, nil },
			measure: func(uuids []string) ([]Reading, error) {
				defer call()()
				measured++
				return []Reading{{UUID: uuids[0]}}, nil
			},
		}
	}
	pollingOf(t, of, func(p *Poller, _ *bytes.Buffer, _ func()) {
		for range 40 {
			got, err := p.Measure(context.Background(), []string{"GPU-a"})
			if err != nil || len(got) != 1 || got[0].UUID != "GPU-a" {
				t.Fatalf("%+v, %v", got, err)
			}
			time.Sleep(200 * time.Millisecond)
		}
		if most != 1 || measured != 40 || !p.Status().Success {
			t.Errorf("%d calls at a time, %d measured, %+v", most, measured, p.Status())
		}
	})
}

// A call that hangs holds up nobody: not who measures, nor who measures after it,
// and the round after it is told as one that hangs.
func TestMeasuringEndsBesideACallThatHangs(t *testing.T) {
	calls := 0
	of := func(hold chan struct{}) Source {
		return source{
			read: func() (*Snapshot, error) { return &Snapshot{At: time.Now()}, nil },
			measure: func([]string) ([]Reading, error) {
				calls++
				<-hold
				return nil, nil
			},
		}
	}
	pollingOf(t, of, func(p *Poller, _ *bytes.Buffer, release func()) {
		measure := func() error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			began := time.Now()
			_, err := p.Measure(ctx, nil)
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %s", took)
			}
			return err
		}
		for range 3 {
			if err := measure(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		pass(5*time.Second + timeLimit)
		if calls != 1 || p.Status().Success {
			t.Errorf("%d calls, %+v", calls, p.Status())
		}
		release()
		pass(time.Second)
		if err := measure(); err != nil || !p.Status().Success {
			t.Errorf("%v, %+v once it has returned", err, p.Status())
		}
	})
}
