package backtest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// service is simulated replicas of a target, and a probe of it.
type service struct {
	cfg    *config.Config
	engine simulator.Parameters
}

// runs makes n runs, one each so often, in synthetic time. The first one's search
// begins at what is known, as after a restart, and each other's at what the one
// before it found.
func (s service) runs(t *testing.T, n int, every time.Duration, seed uint64, known []prober.Answer) *tape {
	return s.inBubble(t, seed, func(t *testing.T, observer prober.Observer, dial prober.Dialer) {
		begin := time.Now()
		last := &prober.RunResult{Answers: known}
		for i := range n {
			time.Sleep(time.Until(begin.Add(time.Duration(i) * every)))
			p := s.prober(t, seed*1000+uint64(i), observer, dial)
			p.Remember(last)
			var err error
			if last, err = p.Run(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// windows makes n windows of a heartbeat, one after the other.
func (s service) windows(t *testing.T, n int, seed uint64) *tape {
	return s.inBubble(t, seed, func(t *testing.T, observer prober.Observer, dial prober.Dialer) {
		p := s.prober(t, seed*100_000, observer, dial)
		for i := range n {
			if _, err := p.Window(t.Context(), 0, i > 0); err != nil {
				t.Error(err)
			}
		}
	})
}

// prober makes a prober of the service's probe.
func (s service) prober(t *testing.T, seed uint64, observer prober.Observer, dial prober.Dialer) *prober.Prober {
	t.Helper()
	probe := s.cfg.Probes[0]
	probe.Seed = seed
	p, err := prober.New(s.cfg, probe, prober.Options{
		Observer: observer, Logger: slog.New(slog.DiscardHandler), Synthetic: true, Dial: dial,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// inBubble does something in synthetic time, beside the service's replicas, and
// returns what the observer was told.
func (s service) inBubble(t *testing.T, seed uint64, do func(*testing.T, prober.Observer, prober.Dialer)) *tape {
	t.Helper()
	tape := &tape{}
	synctest.Test(t, func(t *testing.T) {
		tape.began = time.Now()
		engines, end := context.WithCancel(t.Context())
		network := map[string]*simulator.PipeListener{}
		var servers []*http.Server
		for _, url := range s.cfg.Targets[0].Replicas {
			l := simulator.NewPipeListener()
			network[url[len("http://"):]+":80"] = l
			replica := simulator.NewReplica(engines, simulator.Options{Parameters: s.engine, Seed: seed})
			server := &http.Server{Handler: replica, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
			servers = append(servers, server)
			go func() { _ = server.Serve(l) }()
		}
		do(t, tape, func(ctx context.Context, n, address string) (net.Conn, error) {
			if l, ok := network[address]; ok {
				return l.DialContext(ctx, n, address)
			}
			return nil, fmt.Errorf("there is no replica %s", address)
		})
		end()
		time.Sleep(10 * time.Second) // idle connections end
		for _, server := range servers {
			_ = server.Close()
		}
		synctest.Wait()
	})
	return tape
}

// each does something n times, on all processors.
func each[T any](n int, do func(i int) T) []T {
	all := make([]T, n)
	var wait sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range n {
		free <- struct{}{}
		wait.Go(func() {
			defer func() { <-free }()
			all[i] = do(i)
		})
	}
	wait.Wait()
	return all
}
