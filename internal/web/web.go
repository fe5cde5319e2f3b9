// Package web is the daemon's pages for people and its JSON API for programs. Both
// only read: what goes on from the board, and what was found from the records.
package web

import (
	"fmt"
	"net/http"

	"vllm_prober/internal/config"
	"vllm_prober/internal/live"
	"vllm_prober/internal/results"
)

// Options are what the pages are made of.
type Options struct {
	Board *live.Board
	// Config is the configuration in force.
	Config func() *config.Config
	// Records are those of all runs; nil where none are kept.
	Records *results.Reader
}

// mostInFlight is how many requests are served at a time; more get a 503. It keeps
// readers from taking the measurement's processors.
const mostInFlight = 16

var tooMany = fmt.Sprintf("%d requests are being served, which is the most: try again", mostInFlight)

// Register adds the pages and the API to a mux. The addresses of pages are relative to one
// another, so that a proxy may serve them under a prefix.
func Register(mux *http.ServeMux, o Options) {
	r := &runs{board: o.Board, records: o.Records, config: o.Config}
	slots := make(chan struct{}, mostInFlight)
	newAPI(o, r).register(mux, slots)
	newPages(o, r).register(mux, slots)
}

// limit serves as many requests at a time as slots holds, and refuses more.
func limit(slots chan struct{}, refuse func(http.ResponseWriter), serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			serve(w, q)
		default:
			w.Header().Set("Retry-After", "1")
			refuse(w)
		}
	}
}
