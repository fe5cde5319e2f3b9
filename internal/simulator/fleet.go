package simulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Fleet is a number of replicas that listen.
type Fleet struct {
	Replicas []*Replica
	// URLs are the replicas' base URLs.
	URLs []string

	servers []*http.Server
	stop    context.CancelFunc
}

// Start starts n replicas on host, on the ports from firstPort on, or on free
// ones where it is 0. Each draws its faults from a seed of its own.
func Start(host string, firstPort, n int, o Options) (*Fleet, error) {
	ctx, stop := context.WithCancel(context.Background())
	f := &Fleet{stop: stop}
	for i := range n {
		port := 0
		if firstPort > 0 {
			port = firstPort + i
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("replica %d of %d: %w; it needs an address of this machine and a free port", i+1, n, err)
		}
		o.Seed++
		f.serve(ctx, listener, o)
	}
	return f, nil
}

func (f *Fleet) serve(ctx context.Context, listener net.Listener, o Options) {
	replica := NewReplica(ctx, o)
	// vLLM's server closes a connection that was unused for 5 s.
	server := &http.Server{Handler: replica, IdleTimeout: 5 * time.Second, ReadHeaderTimeout: 10 * time.Second}
	f.Replicas = append(f.Replicas, replica)
	f.URLs = append(f.URLs, "http://"+listener.Addr().String())
	f.servers = append(f.servers, server)
	go func() {
		if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("serving a simulated replica on %s: %v", listener.Addr(), err))
		}
	}()
}

// Close stops all replicas and cuts their connections.
func (f *Fleet) Close() {
	f.stop()
	for _, s := range f.servers {
		_ = s.Close() // nothing waits for the connections
	}
}
