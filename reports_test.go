package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vllm_prober/internal/document"
	"vllm_prober/internal/golden"
	"vllm_prober/internal/simulator"
)

func TestReport(t *testing.T) {
	folder, configuration := pastRuns(t)
	report := func(args ...string) string {
		return text(t, append([]string{"report", "--storage.path=" + folder}, args...)...)
	}
	for name, args := range map[string][]string{
		"latest":  {}, // the run that was cut
		"run":     {"20261124T120000Z-aaaa"},
		"korean":  {"20261124T120000Z-aaaa", "--lang=ko"},
		"several": {"20261124T120000Z-aaaa", "20261124T130000Z-bbbb"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.ReplaceAll(report(args...), configuration, "(the configuration)\n")
			golden.Check(t, "report/"+name+".md", withoutRevision(got))
		})
	}
	if got, want := report("--probe=p"), report(); got != want {
		t.Errorf("of the only probe:\n%s\nof each:\n%s", got, want)
	}
	var doc document.Document
	if err := json.Unmarshal([]byte(report("--output=json", "--lang=ko")), &doc); err != nil || doc.Language != "ko" || len(doc.Sections) < 2 {
		t.Errorf("%v: %+v", err, doc)
	}
	if got := report("--output=html"); !strings.HasPrefix(got, "<!DOCTYPE html>\n<html lang=\"en\">") || !strings.HasSuffix(got, "</html>\n") {
		t.Errorf("as HTML:\n%s", got)
	}
}

// What cannot be reported is told in a line, with what to do.
func TestNothingToReport(t *testing.T) {
	folder, _ := pastRuns(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no such run":   {[]string{"x"}, `vllm_prober: there is no run "x" in ` + folder + ": vllm_prober runs list shows those that there are\n"},
		"no such probe": {[]string{"--probe=q"}, `vllm_prober: there is no run of probe "q" to report: vllm_prober runs list shows those that there are` + "\n"},
		"two ways":      {[]string{"--probe=p", "x"}, "vllm_prober: --probe and the ids of runs are two ways to choose: give one\n"},
	} {
		p := start(t, append([]string{"report", "--storage.path=" + folder}, c.args...)...)
		if status := p.wait(); status != 1 || p.stderr.String() != c.want {
			t.Errorf("%s: status %d: %s", name, status, p.stderr.String())
		}
	}
}

// The sentences on a run by hand agree with its table.
func TestReportOfARun(t *testing.T) {
	f := fleet(t, 1, simulator.Options{})
	folder := filepath.Join(t.TempDir(), "data")
	text(t, short(f, "--rates=20", "--storage.path="+folder)...)
	var doc document.Document
	if err := json.Unmarshal([]byte(text(t, "report", "--output=json", "--storage.path="+folder)), &doc); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, topic := range doc.Sections[0].Sections {
		for _, s := range topic.Blocks[0].Sentences {
			said = append(said, s.Rule)
		}
	}
	if len(said) < 2 || said[0] != "run.success" || !strings.HasPrefix(said[1], "valid.") {
		t.Errorf("it says %v", said)
	}
}

// The demo keeps records where it is told to, for report to read.
func TestDemoKeepsRecords(t *testing.T) {
	folder, address := filepath.Join(t.TempDir(), "data"), freeAddress(t)
	d := &served{url: "http://" + address, process: start(t, "demo", "--no-collector.gpu", "--web.listen-address="+address, "--storage.path="+folder)}
	d.eventually("it serves", d.answers)
	d.eventually("its run is recorded", func() bool {
		p := start(t, "runs", "list", "--storage.path="+folder)
		return p.wait() == 0 && strings.Contains(p.stdout.String(), " ladder ")
	})
	d.signal(syscall.SIGTERM)
	d.signal(syscall.SIGTERM)
	<-d.ended
	if said := text(t, "report", "--storage.path="+folder); !strings.Contains(said, "# vLLM performance: probe ladder") ||
		!strings.Contains(said, "The run did not make all of its steps") {
		t.Errorf("it reports\n%s", said)
	}
}
