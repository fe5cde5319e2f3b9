package config

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vllm_prober/internal/golden"
)

// Each file of testdata/mistakes is wrong in exactly the lines that its comments
// say, and its error is the text beside it.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.yml")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	folder, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Load(file)
			var mistakes *Error
			if !errors.As(err, &mistakes) {
				t.Fatalf("the error is %v", err)
			}
			checkLines(t, text, mistakes)
			got := strings.ReplaceAll(err.Error(), folder, "FOLDER")
			got = strings.ReplaceAll(got, filepath.Dir(file)+"/", "") + "\n"
			if strings.Contains(got, "s3cr3t") {
				t.Errorf("the error holds a secret:\n%s", got)
			}
			golden.Check(t, strings.TrimPrefix(strings.TrimSuffix(file, ".yml"), "testdata/")+".txt", got)
		})
	}
}

func checkLines(t *testing.T, text []byte, mistakes *Error) {
	t.Helper()
	want := map[int]bool{}
	for i, line := range bytes.Split(text, []byte("\n")) {
		if bytes.HasSuffix(line, []byte("# wrong")) {
			want[i+1] = true
		}
	}
	got := map[int]bool{}
	last := 0
	for _, p := range mistakes.Problems {
		if p.Line < last {
			t.Errorf("line %d is reported after line %d", p.Line, last)
		}
		last = p.Line
		got[p.Line] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("reported are the lines %d, wrong are %d:\n%v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)), mistakes)
	}
}
