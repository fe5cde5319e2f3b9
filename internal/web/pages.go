package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/prometheus/common/version"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/config"
	"vllm_prober/internal/document"
	"vllm_prober/internal/live"
)

//go:embed static
var static embed.FS

//go:embed templates
var templates embed.FS

// pages answers people.
type pages struct {
	board  *live.Board
	config func() *config.Config
	runs   *runs

	templates *template.Template
	files     map[string]file
	histories parts[*history]
	runViews  parts[*runView]
	charts    parts[[]drawing]
}

// file is one that pages need beside them.
type file struct {
	text []byte
	kind string
	tag  string // changes with the text
}

func newPages(o Options, r *runs) *pages {
	p := &pages{board: o.Board, config: o.Config, runs: r, files: map[string]file{}}
	p.runViews.final = func(v *runView) bool { return v.Run.Outcome != "" }
	p.templates = template.Must(template.New("").Funcs(functions).ParseFS(templates, "templates/*.html"))
	names, err := fs.Glob(static, "static/*")
	if err != nil {
		panic(err) // the pattern is right
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	for _, name := range names {
		text, err := static.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		switch path.Base(name) {
		case "style.css":
			text = append([]byte(chart.Stylesheet), text...)
		case "live.js":
			text = append([]byte(document.Script), text...)
		}
		sum := sha256.Sum256(text)
		p.files[path.Base(name)] = file{text, kinds[path.Ext(name)], hex.EncodeToString(sum[:6])}
	}
	return p
}

// frame is what all pages have around what they show.
type frame struct {
	// Root is the relative address of the first page.
	Root string
	// Title is the page's own; Here is where it belongs in the navigation.
	Title, Here string
	Version     string
	// Board is the version of the board that the page shows at the least: it is read
	// before all else, so that what changes meanwhile is a reason to look again.
	Board uint64
	// Tags are those of the files beside the page.
	Style, Script string
	// Live says that the page shows what goes on: without scripts it loads itself anew.
	Live bool
	View any
}

// errNoPage is that of an address that has none.
var errNoPage = errors.New("there is no such page")

func (p *pages) register(mux *http.ServeMux, slots chan struct{}) {
	page := func(pattern string, serve func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc("GET "+pattern, limit(slots, refusePage, func(w http.ResponseWriter, q *http.Request) {
			protect(w.Header())
			if err := serve(w, q); err != nil {
				p.fail(w, q, err)
			}
		}))
	}
	page("/{$}", p.overview)
	page("/now", p.now)
	page("/probes/{probe}", p.probe)
	page("/runs", p.list)
	page("/runs/{id}", p.run)
	page("/runs/{id}/{file}", p.download)
	page("/compare", p.compare)
	page("/configuration", p.configuration)
	page("/static/{file}", p.file)
	for _, others := range []string{"/probes/", "/runs/", "/static/"} {
		page(others, func(http.ResponseWriter, *http.Request) error { return errNoPage })
	}
}

// protect keeps a page from loading or running anything but what this server gives.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
}

func refusePage(w http.ResponseWriter) {
	protect(w.Header())
	http.Error(w, tooMany, http.StatusServiceUnavailable)
}

// show writes a page: its frame has what is the page's own, and gets the rest.
func (p *pages) show(w http.ResponseWriter, q *http.Request, status int, name string, f frame) error {
	f.Root = strings.Repeat("../", strings.Count(q.URL.Path, "/")-1)
	if f.Root == "" {
		f.Root = "./"
	}
	f.Version, f.Style, f.Script = version.Version, p.files["style.css"].tag, p.files["live.js"].tag
	return p.execute(w, status, name, f)
}

// execute writes what a template makes, all of it or an error.
func (p *pages) execute(w http.ResponseWriter, status int, name string, data any) error {
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client may be gone
	return nil
}

// fail shows what went wrong.
func (p *pages) fail(w http.ResponseWriter, q *http.Request, err error) {
	status := http.StatusInternalServerError
	if f, ok := errors.AsType[*failure](err); ok {
		status = f.status
	} else if errors.Is(err, errNoRun) || errors.Is(err, errNoPage) {
		status = http.StatusNotFound
	}
	if err := p.show(w, q, status, "error", frame{Board: p.board.Version(), Title: http.StatusText(status), View: err.Error()}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (p *pages) file(w http.ResponseWriter, q *http.Request) error {
	f, has := p.files[q.PathValue("file")]
	if !has {
		return errNoPage
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("ETag", `"`+f.tag+`"`)
	if q.URL.Query().Get("v") == f.tag {
		h.Set("Cache-Control", "max-age=31536000, immutable")
	}
	http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(f.text))
	return nil
}

// configuration shows the configuration in force; its secrets marshal as <secret>.
func (p *pages) configuration(w http.ResponseWriter, q *http.Request) error {
	board := p.board.Version()
	text, err := p.config().YAML()
	if err != nil {
		return err
	}
	return p.show(w, q, http.StatusOK, "configuration", frame{Board: board, Title: "Configuration", Here: "configuration", View: string(text)})
}
