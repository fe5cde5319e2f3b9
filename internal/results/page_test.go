package results

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"vllm_prober/prober"
)

// Pages follow one another without a gap or a run twice, of all probes and of one.
func TestPages(t *testing.T) {
	s := open(t, t.TempDir(), Retention{})
	defer s.Close()
	for i := range 7 {
		record(t, s, i%2, noon.Add(time.Duration(i)*time.Hour))
	}
	for probe, want := range map[string]string{
		"":   "1800 1700 1600|1500 1400 1300|1200",
		"p":  "1800 1600 1400|1200",
		"p2": "1700 1500 1300",
		"q":  "",
	} {
		var pages []string
		before := ""
		for more := true; more; {
			var records []*Record
			var err error
			if records, more, err = s.Page(probe, before, 3); err != nil {
				t.Fatal(err)
			}
			pages = append(pages, ids(records))
			if len(records) > 0 {
				before = records[len(records)-1].ID
			}
		}
		if got := strings.Join(pages, "|"); got != want {
			t.Errorf("the pages of %q are %q, want %q", probe, got, want)
		}
	}
}

// A page has all of a record but histograms and batches, whatever the texts in it hold.
func TestAPageLeavesOutHistogramsAlone(t *testing.T) {
	s := open(t, t.TempDir(), Retention{})
	defer s.Close()
	r, run := recorder(t, s, 0), aRun("p", noon)
	hostile := aStep(run, 2, 1)
	hostile.Failures = []prober.Failure{{Outcome: prober.HTTP4xx, Count: 1, Example: `{"a":1,"histograms":{"b":2}}`}}
	r.RunStarted(run)
	r.StepEnded(aStep(run, 1, 1))
	r.StepEnded(hostile)
	r.StepEnded(aStep(run, 3, 1, prober.Broken{Promise: prober.PromiseCPU, Detail: `,"histograms":{`}))
	want, err := s.Run(run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if want.Steps[0].Histograms == nil || want.Steps[0].Batches == nil || want.Steps[2].Histograms != nil {
		t.Fatal("the record has not what the test is about")
	}
	for i := range want.Steps {
		want.Steps[i].Histograms, want.Steps[i].Batches = nil, nil
	}
	got, _, err := s.Page("", "", 1)
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestNoSuchRun(t *testing.T) {
	s := open(t, t.TempDir(), Retention{})
	defer s.Close()
	_, err := s.Run("x")
	if missing, ok := errors.AsType[*NotFoundError](err); !ok || missing.ID != "x" {
		t.Errorf("got %v", err)
	}
}
