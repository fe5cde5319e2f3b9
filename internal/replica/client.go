package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/version"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// readingLimit is how long a replica has for its page. One that takes longer
// leaves a gap.
const readingLimit = time.Second

// idleTimeout is how long an unused connection is kept: below the 5 s after which
// vLLM's HTTP server closes one.
const idleTimeout = 4 * time.Second

// client reads the pages of one target's replicas, by connections of its own.
type client struct{ transport http.RoundTripper }

func newClient(target config.Target, dial prober.Dialer) (*client, error) {
	options := []promconfig.HTTPClientOption{
		promconfig.WithHTTP2Disabled(),
		promconfig.WithIdleConnTimeout(idleTimeout),
		promconfig.WithUserAgent("vllm_prober/" + version.Version),
	}
	if dial != nil {
		options = append(options, promconfig.WithDialContextFunc(promconfig.DialContextFunc(dial)))
	}
	transport, err := promconfig.NewRoundTripperFromConfig(target.HTTPClient, "vllm_prober", options...)
	if err != nil {
		return nil, fmt.Errorf("setting up http_client of target %q: %w", target.Name, err)
	}
	return &client{transport}, nil
}

// read reads a replica's page once.
func (c *client) read(ctx context.Context, replica *url.URL) (s Sample, err error) {
	const accept = "text/plain;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.8"
	err = c.get(ctx, replica.JoinPath("/metrics"), readingLimit, accept, func(body io.Reader, _ http.Header) (err error) {
		at := time.Now()
		s, err = Parse(body)
		s.At = at
		return err
	})
	if err != nil {
		return Sample{}, err
	}
	return s, nil
}

// answer takes an answer of status 200.
type answer func(body io.Reader, header http.Header) error

// nothing takes nothing of an answer but that it came.
func nothing(io.Reader, http.Header) error { return nil }

// get asks for a page and lets take have the answer, within a time. Its errors
// repeat nothing of an answer's body.
func (c *client) get(ctx context.Context, u *url.URL, limit time.Duration, accept string, take answer) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req := (&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{"Accept": {accept}}}).WithContext(ctx)
	resp, err := c.transport.RoundTrip(req)
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: status %d %s", u.Path, resp.StatusCode, http.StatusText(resp.StatusCode))
		}
		err = take(resp.Body, resp.Header)
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("GET %s: no answer within %s", u.Path, limit)
	case err != nil:
		return fmt.Errorf("GET %s: %w", u.Path, err)
	}
	return nil
}
