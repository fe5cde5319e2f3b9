package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// What a look costs: made anew as after each step or run, and from what is kept.
func BenchmarkPages(b *testing.B) {
	s := newSite(b, true)
	for i := range 100 {
		s.makes(b, noon.Add(time.Duration(i)*time.Hour))
	}
	id := noon.Format("20060102T150405Z") + "-abcd"
	for name, path := range map[string]string{
		"overview": "/", "now": "/now", "probe": "/probes/ladder", "runs": "/runs", "run": "/runs/" + id, "api_now": apiRoot + "now", "api_runs": apiRoot + "runs",
	} {
		look := func(b *testing.B, change func()) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				change()
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		}
		b.Run(name+"/anew", func(b *testing.B) { look(b, func() { s.ladder.Restore(nil) }) })
		b.Run(name+"/kept", func(b *testing.B) { look(b, func() {}) })
	}
}
