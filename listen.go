package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// defaultAddress is where the daemon listens unless told otherwise.
const defaultAddress = ":9877"

// webFlags say where and how to serve HTTP.
type webFlags = web.FlagConfig

// newServer returns the server of a daemon's pages. All of them are written at once
// and soon: a reader that stalls does not hold one of the few that may be in flight
// for ever.
func newServer(pages http.Handler) *http.Server {
	return &http.Server{
		Handler: pages, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
}

// webServer listens, and answers nothing before it is opened: a daemon whose port is
// another's sends no load, and nobody sees one that has no configuration yet.
type webServer struct {
	server *http.Server
	failed chan error // why it has ended
	opened chan struct{}
	open   func()
}

// listen opens the addresses of the flags.
func listen(pages http.Handler, flags *webFlags, logger *slog.Logger) (*webServer, error) {
	if err := checkWebConfig(flags); err != nil {
		return nil, err
	}
	w := &webServer{server: newServer(pages), failed: make(chan error, 1), opened: make(chan struct{})}
	w.open = sync.OnceFunc(func() { close(w.opened) })
	w.server.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn) // in the form of all other lines
	listens := make(chan struct{})
	listensNow := sync.OnceFunc(func() { close(listens) })
	// The server asks for it after all addresses were bound, and before it takes the
	// first connection from any.
	w.server.BaseContext = func(net.Listener) context.Context {
		listensNow()
		<-w.opened
		return context.Background()
	}
	go func() { w.failed <- web.ListenAndServe(w.server, flags, logger) }()
	select {
	case <-listens:
		return w, nil
	case err := <-w.failed:
		if _, bound := errors.AsType[*net.OpError](err); bound {
			return nil, fmt.Errorf("serving HTTP: %w: give another --web.listen-address", err)
		}
		return nil, ended(err)
	}
}

// close ends the server; an answer under way may be cut.
func (w *webServer) close() {
	_ = w.server.Close()
	w.open()
}

// ended makes of why the server has ended what is to be told of it: nothing where it
// was closed.
func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving HTTP: %w", err)
}

// checkWebConfig says what is wrong with the file of TLS and authentication, if there
// is one.
func checkWebConfig(flags *webFlags) error {
	if err := web.Validate(*flags.WebConfigFile); err != nil {
		return fmt.Errorf("--web.config.file %s: %w", *flags.WebConfigFile, err)
	}
	return nil
}
