package report

import (
	"vllm_prober/internal/document"
	"vllm_prober/internal/results"
)

// Of is the report of some runs in a language: a summary of what their verdicts say,
// and the figures of each.
func Of(records []*results.Record, language Language) *document.Document {
	return Since(records, nil, language)
}

// Since is that, with what has changed since the runs of the same definition before
// each, by its id.
func Since(records []*results.Record, former map[string][]*results.Record, language Language) *document.Document {
	words := speaker{language: language}
	doc := &document.Document{
		Language: string(language),
		Title:    words.say("title.several", values{"runs": len(records)}),
		Words: document.Words{
			Contents: words.say("title.contents", nil), Data: words.say("title.data", nil), Evidence: words.say("title.evidence", nil),
		},
	}
	summary := document.Section{Title: words.say("title.summary", nil)}
	var runs []document.Section
	for _, r := range records {
		d := read(r, former[r.ID]...)
		w := &writer{speaker{language, d.arms}, d}
		title := w.say("title.run", values{"id": r.ID, "probe": r.Probe})
		if len(records) == 1 {
			doc.Title = w.say("title.document", values{"probe": r.Probe})
			summary.Blocks, summary.Sections = []document.Block{document.Paragraph(title)}, w.summary()
			runs = w.parts()
			break
		}
		summary.Sections = append(summary.Sections, document.Section{Title: title, Sections: w.summary()})
		runs = append(runs, document.Section{Title: title, Sections: w.parts()})
	}
	doc.Sections = append([]document.Section{summary}, runs...)
	return doc
}

// writer writes the parts of a run's report.
type writer struct {
	speaker

	d *reading
}

// summary is what the rules say, topic by topic.
func (w *writer) summary() (all []document.Section) {
	for _, t := range topics {
		if said := w.sentences(t.findings(w.d)); len(said) > 0 {
			all = append(all, document.Section{Title: w.say(t.title, nil), Blocks: []document.Block{{Sentences: said}}})
		}
	}
	return all
}

// parts are the sections of a run. Those that its record has nothing for are left out.
func (w *writer) parts() (all []document.Section) {
	for _, part := range []struct {
		title string
		write func() []document.Block
	}{
		{"title.throughput", w.throughput},
		{"title.latency", w.latency},
		{"title.arms", w.armsSideBySide},
		{"title.before", w.sinceBefore},
		{"title.breakdown", w.breakdown},
		{"title.scaling", w.scaling},
		{"title.saturation", w.saturation},
		{"title.batch", w.batchSize},
		{"title.energy", w.energy},
		{"title.validity", w.doubts},
		{"title.figures", w.figures},
		{"title.repeat", w.howToRepeat},
	} {
		if blocks := part.write(); len(blocks) > 0 {
			all = append(all, document.Section{Title: w.say(part.title, nil), Blocks: blocks})
		}
	}
	return all
}

// head writes the heads of columns.
func (w *writer) head(names ...string) []string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = w.say("head."+name, nil)
	}
	return texts
}
