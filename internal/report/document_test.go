package report

import (
	"testing"

	"vllm_prober/internal/golden"
	"vllm_prober/internal/results"
)

// The report of a recorded run, in each form.
func TestDocumentOfTheDemo(t *testing.T) {
	records := []*results.Record{demoRecord(t)}
	for _, language := range []Language{English, Korean} {
		doc := Of(records, language)
		golden.Check(t, "demo."+string(language)+".md", doc.Markdown())
	}
}
