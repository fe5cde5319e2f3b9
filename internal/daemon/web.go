package daemon

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
)

// Handler serves the daemon's pages.
func (d *Daemon) Handler() (http.Handler, error) {
	landing, err := web.NewLandingPage(web.LandingConfig{
		Name:        "vllm_prober",
		Description: "Continuous open-loop prober of vLLM for Prometheus",
		Version:     version.Info(),
		Links: []web.LandingLinks{
			{Address: "metrics", Text: "Metrics"},
			{Address: "config", Text: "Configuration", Description: "in force, with secrets hidden"},
			{Address: "-/healthy", Text: "Healthy"},
			{Address: "-/ready", Text: "Ready"},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("making the landing page: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", landing)
	mux.Handle("GET /metrics", promhttp.InstrumentMetricHandler(d.o.Registry, d.page))
	mux.HandleFunc("GET /config", d.showConfig)
	mux.HandleFunc("GET /-/healthy", text("vllm_prober is healthy.\n"))
	mux.HandleFunc("GET /-/ready", text("vllm_prober is ready.\n"))
	d.addLifecycle(mux)
	return mux, nil
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
}

// showConfig writes the configuration in force; its secrets marshal as <secret>.
func (d *Daemon) showConfig(w http.ResponseWriter, _ *http.Request) {
	shown, err := yaml.Marshal(d.inForce())
	if err != nil {
		http.Error(w, "writing the configuration: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(shown) // the client may be gone
}
