package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"vllm_prober/internal/simulator"
)

// server is the server of fixed latencies in a process of its own on its core.
type server struct{ url string }

func startServer(ctx context.Context, binary string) (s *server, stop func(), err error) {
	url, stop, err := listening(pinned(ctx, serverCore, binary, "simulate", "--port=0", "--model="+model,
		fmt.Sprintf("--fixed-latency=%v,%v", firstToken, nextToken)))
	return &server{url}, stop, err
}

// notes are what the server saw of each request since they were last asked for.
func (s *server) notes(ctx context.Context) (notes []simulator.FixedNote, err error) {
	page, err := get(ctx, s.url+"/fidelity", http.Header{})
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(page, &notes); err != nil {
		return nil, fmt.Errorf("reading what the server saw: %w", err)
	}
	return notes, nil
}
