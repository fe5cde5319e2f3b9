package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// Reader asks the replicas of one target for all that they tell of themselves.
type Reader struct {
	client *client
	model  string // as configured; empty is the first that is listed
	limit  time.Duration
}

// NewReader makes the Reader of a target. limit is how long a replica has for its
// answers, which are asked for at the same time; dial makes connections, nil is
// TCP.
func NewReader(target config.Target, dial prober.Dialer, limit time.Duration) (*Reader, error) {
	c, err := newClient(target, dial)
	if err != nil {
		return nil, err
	}
	return &Reader{client: c, model: target.Model, limit: limit}, nil
}

// Reading is what a replica said when it was asked once.
type Reading struct {
	// At is when the last answer came or the time was up, Took how long that was.
	At   time.Time
	Took time.Duration
	// Health, Models and Metrics say why /health, /v1/models and /metrics did not
	// answer as they should; nil is that they did.
	Health, Models, Metrics error
	// Version is vLLM's release; empty where it is not told.
	Version string
	// Model is the served model's name, and MaxModelLen its longest context in
	// tokens; 0 is not known.
	Model       string
	MaxModelLen int
	// Page is nil where Metrics is not.
	Page *Page
}

// Read asks a replica once.
func (r *Reader) Read(ctx context.Context, replica *url.URL) Reading {
	began := time.Now()
	var reading Reading
	var wait sync.WaitGroup
	wait.Go(func() { reading.Health = r.get(ctx, replica.JoinPath("/health"), "*/*", nothing) })
	wait.Go(func() { reading.Version = r.version(ctx, replica) })
	wait.Go(func() { reading.Model, reading.MaxModelLen, reading.Models = r.served(ctx, replica) })
	wait.Go(func() { reading.Page, reading.Metrics = r.page(ctx, replica) })
	wait.Wait()
	reading.At = time.Now()
	reading.Took = reading.At.Sub(began)
	return reading
}

// accepted are the formats of a page, the one that is the cheapest to send first.
const accepted = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited," +
	"text/plain;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.8"

func (r *Reader) page(ctx context.Context, replica *url.URL) (*Page, error) {
	var page Page
	err := r.get(ctx, replica.JoinPath("/metrics"), accepted, func(body io.Reader, header http.Header) (err error) {
		page, err = ParsePage(body, header)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &page, nil
}

// version is vLLM's release, where it can be had.
func (r *Reader) version(ctx context.Context, replica *url.URL) string {
	var told struct {
		Version string `json:"version"`
	}
	if err := r.get(ctx, replica.JoinPath("/version"), "application/json", into(&told)); err != nil {
		return ""
	}
	return shown(told.Version)
}

// served is the model that the replica serves and that the target is about.
func (r *Reader) served(ctx context.Context, replica *url.URL) (name string, maxModelLen int, err error) {
	type model struct {
		ID          string `json:"id"`
		MaxModelLen int    `json:"max_model_len"`
	}
	var list struct {
		Data []model `json:"data"`
	}
	if err := r.get(ctx, replica.JoinPath("/v1/models"), "application/json", into(&list)); err != nil {
		return "", 0, err
	}
	at := slices.IndexFunc(list.Data, func(m model) bool { return r.model == "" || m.ID == r.model })
	switch {
	case len(list.Data) == 0:
		return "", 0, errors.New("GET /v1/models: it lists no model: is vLLM still loading it?")
	case at < 0:
		return "", 0, fmt.Errorf("GET /v1/models: it does not list model %q: set the target's model to one that all its replicas serve", r.model)
	}
	return shown(list.Data[at].ID), list.Data[at].MaxModelLen, nil
}

// get asks for a page within the limit.
func (r *Reader) get(ctx context.Context, u *url.URL, accept string, take answer) error {
	return r.client.get(ctx, u, r.limit, accept, take)
}

// maxJSON bounds what is read of an answer in JSON.
const maxJSON = 4 << 20

// into takes an answer's JSON.
func into(told any) answer {
	return func(body io.Reader, _ http.Header) error {
		if err := json.NewDecoder(io.LimitReader(body, maxJSON)).Decode(told); err != nil {
			return fmt.Errorf("the answer is not vLLM's: %w", err)
		}
		return nil
	}
}
