package collector

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// Page is /metrics: what a registry gathers, and the metrics of probes. The
// series of steps are by far the most of it and only change when a step ends, so
// they are written once for all scrapes until then: a scrape must not take time
// from the measurement that goes on beside it.
type Page struct {
	registry prometheus.Gatherer

	mu      sync.Mutex
	probes  []*Probe
	written map[writing][]byte
	version uint64 // of the steps that written holds
}

// writing is a way in which metrics are written.
type writing struct {
	format     expfmt.Format
	compressed bool
}

// NewPage returns a page of what registry gathers and of no probe.
func NewPage(registry prometheus.Gatherer) *Page {
	return &Page{registry: registry, written: map[writing][]byte{}}
}

// Add puts a probe's metrics on the page.
func (p *Page) Add(probe *Probe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probes = append(p.probes, probe)
	clear(p.written)
}

// Remove takes a probe's metrics off the page.
func (p *Page) Remove(probe *Probe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probes = slices.DeleteFunc(p.probes, func(other *Probe) bool { return other == probe })
	clear(p.written)
}

// ServeHTTP writes the page in the format that the client asks for: text,
// OpenMetrics or protobuf, and compressed where it takes gzip.
func (p *Page) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	as := writing{expfmt.NegotiateAccept(q.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...), acceptsGzip(q.Header.Get("Accept-Encoding"))}
	steps, probes, err := p.steps(as)
	if err != nil {
		http.Error(w, "writing the metrics of steps: "+err.Error(), http.StatusInternalServerError)
		return
	}
	rest, err := prometheus.Gatherers{p.registry, gathererOf(probes, (*Probe).collectLive)}.Gather()
	if err != nil {
		http.Error(w, "gathering metrics: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", string(as.format))
	if as.compressed {
		w.Header().Set("Content-Encoding", "gzip")
	}
	// The steps come first, for the end of the rest is the end of the page.
	if _, err := w.Write(steps); err == nil {
		_ = as.write(w, rest, true) // a failure to write tells of a client that is gone
	}
}

// steps returns the written series of steps, and whose they are.
func (p *Page) steps(as writing) ([]byte, []*Probe, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	version := uint64(0)
	for _, probe := range p.probes {
		version += probe.version.Load()
	}
	if version != p.version {
		clear(p.written)
		p.version = version
	}
	probes := slices.Clone(p.probes)
	if done, has := p.written[as]; has {
		return done, probes, nil
	}
	families, err := gathererOf(probes, (*Probe).collectSteps).Gather()
	if err != nil {
		return nil, nil, fmt.Errorf("gathering: %w", err)
	}
	var b bytes.Buffer
	if err := as.write(&b, families, false); err != nil {
		return nil, nil, err
	}
	p.written[as] = b.Bytes()
	return b.Bytes(), probes, nil
}

// write writes families; last says that nothing comes after them. Compressed
// texts can follow one another, as gzip's members do.
func (as writing) write(w io.Writer, families []*dto.MetricFamily, last bool) (err error) {
	if as.compressed {
		z := gzip.NewWriter(w)
		defer func() { err = errors.Join(err, z.Close()) }()
		w = z
	}
	encoder := expfmt.NewEncoder(w, as.format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return fmt.Errorf("encoding %s: %w", family.GetName(), err)
		}
	}
	if closer, ok := encoder.(expfmt.Closer); ok && last {
		return closer.Close() //nolint:wrapcheck // of a writer that is gone there is nothing to add
	}
	return nil
}

// acceptsGzip reads an Accept-Encoding header.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, quality, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) == "gzip" {
			return strings.TrimSpace(quality) != "q=0"
		}
	}
	return false
}

// gathererOf gathers a part of each probe's metrics.
func gathererOf(probes []*Probe, part func(*Probe, chan<- prometheus.Metric)) prometheus.Gatherer {
	registry := prometheus.NewRegistry()
	for _, p := range probes {
		registry.MustRegister(undescribed(func(metrics chan<- prometheus.Metric) { part(p, metrics) }))
	}
	return registry
}

// undescribed is a collector that describes nothing: the metrics of many probes
// share their names.
type undescribed func(chan<- prometheus.Metric)

// Describe implements prometheus.Collector.
func (undescribed) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c undescribed) Collect(metrics chan<- prometheus.Metric) { c(metrics) }
