package replica

import (
	"context"
	"errors"
	"fmt"
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
func (c *client) read(ctx context.Context, replica *url.URL) (Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, readingLimit)
	defer cancel()
	u := replica.JoinPath("/metrics")
	req := (&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{
		"Accept": {"text/plain;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.8"},
	}}).WithContext(ctx)
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return Sample{}, fmt.Errorf("GET %s: no answer within %s", u.Path, readingLimit)
		}
		return Sample{}, fmt.Errorf("GET %s: %w", u.Path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Sample{}, fmt.Errorf("GET %s: status %s", u.Path, resp.Status)
	}
	at := time.Now()
	s, err := Parse(resp.Body)
	if err != nil {
		return Sample{}, fmt.Errorf("GET %s: %w", u.Path, err)
	}
	s.At = at
	return s, nil
}
