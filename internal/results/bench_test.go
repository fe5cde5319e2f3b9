package results

import (
	"fmt"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// manyRuns fills a store with runs of four steps.
func manyRuns(tb testing.TB, n int) string {
	tb.Helper()
	folder := tb.TempDir()
	s := open(tb, folder, Retention{})
	cfg := probing()
	text, err := Configuration(cfg, cfg.Probes[0])
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.update(func(tx *bbolt.Tx) error {
		for i := range n {
			run := aRun([]string{"p", "p2"}[i%2], noon.Add(time.Duration(i)*time.Hour))
			if err := putBeginning(tx, &beginning{Run: run, Configuration: text}); err != nil {
				return err
			}
			for number := range 4 {
				if err := putStep(tx, run.ID, aStep(run, number+1, 1)); err != nil {
					return err
				}
			}
			if err := putEnd(tx, run.ID, ending{EndedAt: run.StartedAt}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	tb.Logf("%d runs take %d kB", n, s.Size()/1000)
	s.Close()
	return folder
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("runs=%d", n), func(b *testing.B) {
			folder := manyRuns(b, n)
			for b.Loop() {
				open(b, folder, Retention{Runs: 10_000}).Close()
			}
		})
	}
}

func BenchmarkNewest(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		for _, probe := range []string{"", "p"} {
			b.Run(fmt.Sprintf("runs=%d/probe=%s", n, probe), func(b *testing.B) {
				folder := manyRuns(b, n)
				for b.Loop() {
					if _, err := In(folder).Newest(probe, 50); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkPage(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("runs=%d", n), func(b *testing.B) {
			folder := manyRuns(b, n)
			middle, _, err := In(folder).Page("p", "", n/4)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := In(folder).Page("p", middle[len(middle)-1].ID, 50); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStepEnded(b *testing.B) {
	s := open(b, manyRuns(b, 10_000), Retention{})
	r, run := recorder(b, s, 0), aRun("p", noon.Add(20_000*time.Hour))
	number := 0
	for b.Loop() {
		number++
		step := aStep(run, number, 1)
		r.run.Run = run
		r.StepEnded(step)
	}
	if s.Failures() > 0 {
		b.Errorf("%d writes failed", s.Failures())
	}
}
