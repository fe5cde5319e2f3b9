package report

import (
	"strings"
	"testing"

	"vllm_prober/internal/golden"
	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// The report of a recorded run, in each form.
func TestDocumentOfTheDemo(t *testing.T) {
	records := []*results.Record{demoRecord(t)}
	for _, language := range []Language{English, Korean} {
		doc := Of(records, language)
		golden.Check(t, "demo."+string(language)+".md", doc.Markdown())
	}
}

// Whatever names and errors hold, they are text.
func TestHostileNames(t *testing.T) {
	const hostile = "<script>alert(1)</script>|`\"'&"
	r := demoRecord(t)
	rename := func(arm *prober.Arm) { arm.Target += hostile }
	for i := range r.Steps {
		rename(&r.Steps[i].Arm)
		r.Steps[i].Failures = []prober.Failure{{Outcome: prober.HTTP5xx, Count: 1, Example: hostile}}
		for j := range r.Steps[i].Replicas {
			r.Steps[i].Replicas[j].InForce.Detail += hostile
		}
	}
	for i := range r.Models {
		rename(&r.Models[i].Arm)
		r.Models[i].Model, r.Models[i].Versions = hostile, []string{hostile}
	}
	for i := range r.Answers {
		rename(&r.Answers[i].Arm)
		r.Answers[i].Err = hostile
	}
	r.Probe, r.Err, r.Configuration = hostile, hostile, hostile
	for _, language := range []Language{English, Korean} {
		doc := Of([]*results.Record{r}, language)
		html, err := doc.HTML()
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(html), "<script"); n != 1 {
			t.Errorf("%s: %d scripts, the page has one of its own", language, n)
		}
		text, _, _ := strings.Cut(doc.Markdown(), "\n```\n") // the configuration follows, as it is
		if strings.Contains(text, "<script") {
			t.Errorf("%s: HTML in the Markdown", language)
		}
		columns := -1
		for line := range strings.Lines(text) { // a name makes no column
			n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
			if columns > 0 && n > 0 && n != columns {
				t.Errorf("%s: %d columns in place of %d: %s", language, n, columns, line)
			}
			columns = n
		}
	}
}

// The sentences on the recorded run are those on its simulated engines, of which the
// truth is known: 16.55 requests a second and replica, and 50 slots, whatever is declared.
func TestTheDemoIsUnderstood(t *testing.T) {
	d := read(demoRecord(t))
	said := map[string]string{}
	for _, topic := range topics {
		for _, s := range (speaker{English, d.arms}).sentences(topic.findings(d)) {
			said[s.Rule] += s.Text + "\n"
		}
	}
	for rule, want := range map[string]string{
		"saturation.between": "bs16 on 4 GPUs and bs32 on 4 GPUs kept up with 64 requests a second, but not with 73.", // 66.2 is between
		"capacity.found":     "Capacity of bs16 on 1 GPU and bs32 on 1 GPU: 16.4 requests a second.",
		"batch.exceeded":     "The declared batch size 16 of bs16 on 1 GPU and bs16 on 4 GPUs is not in force: up to 50 requests ran on a replica at once.",
		"batch.no_cause":     "Nothing that differs between bs16 on 4 GPUs and bs32 on 4 GPUs can come from their batch sizes",
		"difference.some":    "No difference between bs32 on 4 GPUs and bs16 on 4 GPUs was found",
		"drain.artefact":     "A benchmark that divides requests by the whole duration",
		"latency.queue":      "The time goes into the queue: from 16 to 20 requests a second",
	} {
		if !strings.Contains(said[rule], want) {
			t.Errorf("%s says\n%swant\n%s", rule, said[rule], want)
		}
	}
	if wrong := said["difference.found"]; wrong != "" {
		t.Errorf("a difference between the same engines: %s", wrong)
	}
}
