package daemon

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"vllm_prober/internal/web"
)

// Handler serves the daemon's pages.
func (d *Daemon) Handler() http.Handler {
	mux := http.NewServeMux()
	pages := web.Options{Board: d.board, Config: d.inForce}
	if d.o.Records != nil {
		pages.Records = &d.o.Records.Reader
	}
	web.Register(mux, pages)
	mux.Handle("GET /metrics", promhttp.InstrumentMetricHandler(d.o.Registry, d.page))
	mux.HandleFunc("GET /config", d.showConfig)
	mux.HandleFunc("GET /-/healthy", text("vllm_prober is healthy.\n"))
	mux.HandleFunc("GET /-/ready", text("vllm_prober is ready.\n"))
	mux.HandleFunc("GET /probe", noProbe)
	d.addLifecycle(mux)
	return mux
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
}

// noProbe answers those who scrape this as they scrape blackbox_exporter.
func noProbe(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "vllm_prober has no /probe: it probes the targets of its configuration, on their schedules; scrape /metrics", http.StatusNotFound)
}

// showConfig writes the configuration in force.
func (d *Daemon) showConfig(w http.ResponseWriter, _ *http.Request) {
	shown, err := d.inForce().YAML()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff") // it is no page, whatever its texts look like
	_, _ = w.Write(shown)                               // the client may be gone
}
