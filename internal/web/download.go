package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"

	"vllm_prober/internal/report"
	"vllm_prober/internal/results"
)

// download is a form in which a run can be had: those of `vllm_prober runs show --output`,
// and its report.
type download struct {
	kind string // of its content
	// inWords says that it is in a language.
	inWords bool
	write   func(io.Writer, *results.Record, report.Language) error
}

// downloads are all of them by the names of their files.
var downloads = map[string]download{
	"result.json": {"application/json", false, func(w io.Writer, r *results.Record, _ report.Language) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}},
	"result.csv": {"text/csv; charset=utf-8", false, func(w io.Writer, r *results.Record, _ report.Language) error {
		return report.Write(w, report.CSV, r.Result())
	}},
	"result.md": {"text/markdown; charset=utf-8", false, func(w io.Writer, r *results.Record, _ report.Language) error {
		return report.Write(w, report.Markdown, r.Result())
	}},
	"report.md": {"text/markdown; charset=utf-8", true, func(w io.Writer, r *results.Record, l report.Language) error {
		_, err := io.WriteString(w, report.Of([]*results.Record{r}, l).Markdown())
		return err
	}},
	"report.html": {"text/html; charset=utf-8", true, func(w io.Writer, r *results.Record, l report.Language) error {
		text, err := report.Of([]*results.Record{r}, l).HTML()
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}},
}

// download gives a run as a file, all of it or an error.
func (p *pages) download(w http.ResponseWriter, q *http.Request) error {
	name := q.PathValue("file")
	file, has := downloads[name]
	if !has {
		return errNoPage
	}
	language, err := languageOf(q, name)
	if err != nil {
		return err
	}
	record, err := p.runs.run(q.PathValue("id"))
	if err != nil {
		return err
	}
	text, err := p.write(file, record, language)
	if err != nil {
		return fmt.Errorf("writing %s of run %s: %w", name, record.ID, err)
	}
	saved := record.Probe + "-" + record.ID
	if file.inWords {
		saved += "-report-" + string(language)
	}
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", saved+path.Ext(name)))
	_, _ = w.Write(text) // the client may be gone
	return nil
}

// write makes a file of a run.
func (p *pages) write(file download, record *results.Record, language report.Language) ([]byte, error) {
	p.runs.working.Lock()
	defer p.runs.working.Unlock()
	var b bytes.Buffer
	err := file.write(&b, record, language)
	return b.Bytes(), err
}

// languageOf is the language that is asked for of a file.
func languageOf(q *http.Request, name string) (report.Language, error) {
	const parameter = "lang"
	query, allowed := q.URL.Query(), report.Languages()
	text := query.Get(parameter)
	switch {
	case !query.Has(parameter):
		return report.English, nil
	case !downloads[name].inWords:
		return "", badParameter(parameter, "%s has no language: leave it out", name)
	case !slices.Contains(allowed, text):
		return "", badParameter(parameter, "%q; allowed: %s", text, strings.Join(allowed, ", "))
	}
	return report.Language(text), nil
}
