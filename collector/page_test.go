package collector

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"vllm_prober/prober"
)

const (
	plainText   = "text/plain;version=0.0.4"
	openMetrics = "application/openmetrics-text;version=1.0.0"
	protobuf    = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)

// newPage is a page with a probe that was told of a step.
func newPage() (*Page, *Probe) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewBuildInfoCollector())
	page, probe := NewPage(registry), NewProbe(ladder())
	page.Add(probe)
	tell(probe)
	return page, probe
}

// fetch asks a page for its content, decompressed.
func fetch(t *testing.T, handler http.Handler, accept, encoding string) (body string, header http.Header) {
	t.Helper()
	q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	q.Header.Set("Accept", accept)
	q.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, q)
	var r io.Reader = w.Body
	if w.Header().Get("Content-Encoding") == "gzip" {
		var err error
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, text)
	}
	return string(text), w.Header()
}

// families are the metrics of a page by name, as text.
func families(t *testing.T, body string, header http.Header) map[string]string {
	t.Helper()
	all := map[string]string{}
	if format := expfmt.ResponseFormat(header); format.FormatType() == expfmt.TypeProtoDelim {
		decoder := expfmt.NewDecoder(strings.NewReader(body), format)
		for {
			family := new(dto.MetricFamily)
			if err := decoder.Decode(family); errors.Is(err, io.EOF) {
				return all
			} else if err != nil {
				t.Fatal(err)
			}
			all[family.GetName()] = family.String()
		}
	}
	for family := range strings.SplitSeq(body, "# HELP ") {
		name, _, _ := strings.Cut(family, " ")
		all[name] += strings.TrimSuffix(family, "# EOF\n")
	}
	return all
}

// The page is what the client library would make of the same metrics, in any
// format: only the order of the families is another.
func TestThePageIsThatOfTheClientLibrary(t *testing.T) {
	page, probe := newPage()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewBuildInfoCollector(), probe)
	library := promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	for name, accept := range map[string]string{"text": plainText, "OpenMetrics": openMetrics, "protobuf": protobuf, "anything": "*/*"} {
		for _, encoding := range []string{"gzip", "identity", "br, gzip;q=0.5", "gzip;q=0"} {
			t.Run(fmt.Sprintf("%s, %s", name, encoding), func(t *testing.T) {
				gotBody, gotHeader := fetch(t, page, accept, encoding)
				wantBody, wantHeader := fetch(t, library, accept, encoding)
				for _, key := range []string{"Content-Type", "Content-Encoding"} {
					if got, want := gotHeader.Get(key), wantHeader.Get(key); got != want {
						t.Errorf("%s is %q, want %q", key, got, want)
					}
				}
				got, want := families(t, gotBody, gotHeader), families(t, wantBody, wantHeader)
				if !maps.Equal(got, want) {
					t.Errorf("families\n%s\nwant\n%s", slices.Sorted(maps.Values(got)), slices.Sorted(maps.Values(want)))
				}
				if wantEnd := strings.HasSuffix(wantBody, "# EOF\n"); strings.HasSuffix(gotBody, "# EOF\n") != wantEnd || strings.Count(gotBody, "# EOF") > 1 {
					t.Errorf("the page ends with %q", gotBody[max(0, len(gotBody)-40):])
				}
			})
		}
	}
}

// What tells of the present is so at every scrape; a step is there once it has ended.
func TestThePageFollowsWhatHappens(t *testing.T) {
	page, probe := newPage()
	const (
		completed = `vllm_prober_completed_requests_total{batch_size="16",gpus="8",probe="p",request_rate="10",target="t"} `
		inFlight  = `vllm_prober_in_flight_requests{batch_size="16",gpus="8",probe="p",target="t"} `
	)
	shows := func(when string, lines ...string) {
		t.Helper()
		for _, encoding := range []string{"gzip", "identity"} {
			body, _ := fetch(t, page, plainText, encoding)
			for _, line := range lines {
				if !strings.Contains(body, line+"\n") {
					t.Errorf("%s, %s: no line %s", when, encoding, line)
				}
			}
		}
	}
	shows("after a step", completed+"2", inFlight+"0")
	probe.RequestSent(aStep())
	shows("while a request is in flight", completed+"2", inFlight+"1")
	probe.RequestEnded(aStep(), &prober.Observation{Phase: prober.Window, Outcome: prober.OK})
	shows("when it has ended", completed+"2", inFlight+"0")
	tell(probe)
	shows("after the next step", completed+"4", inFlight+"0")

	page.Remove(probe)
	if body, _ := fetch(t, page, plainText, "gzip"); strings.Contains(body, namespace+"_") {
		t.Errorf("a probe that is gone is still there:\n%s", body)
	}
	page.Add(NewProbe(ladder()))
	shows("with a new probe of the same name", completed+"0", inFlight+"0")
}

// Whoever scrapes protobuf gets the native histograms.
func TestProtobufCarriesNativeHistograms(t *testing.T) {
	page, _ := newPage()
	body, header := fetch(t, page, protobuf, "gzip")
	if ttft := families(t, body, header)["vllm_prober_time_to_first_token_seconds"]; !strings.Contains(ttft, "positive_span") {
		t.Errorf("no native histogram in %s", ttft)
	}
}
