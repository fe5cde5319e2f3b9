package config

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestPathsLeadToTheirLines(t *testing.T) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(`a:
  - b: 1
    "c.d":
      e: 2
  - <<: &m
      f: 3
    g: 4
h: {i: 5,
  j: [6,
    7]}
k: *m
`), &document); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"": 1, "a": 1, "a[0]": 2, "a[0].b": 2, `a[0]["c.d"]`: 3, `a[0]["c.d"].e`: 4, "a[1]": 5, "a[1].f": 6, "a[1].g": 7,
		"h": 8, "h.i": 8, "h.j": 9, "h.j[0]": 9, "h.j[1]": 10, "k": 11, "k.f": 6,
		"a[0].missing": 2, "a[7]": 1, "h.j.x": 9, "missing": 1,
	} {
		if got := lineOf(document.Content[0], path); got != want {
			t.Errorf("%q is in line %d, want %d", path, got, want)
		}
	}
}

func TestLongValuesAreCut(t *testing.T) {
	long := strings.Repeat("ä", 400)
	_, err := Parse([]byte("targets: "+long+"\n"+long+": 1\n"), "long.yml")
	if err == nil || len(err.Error()) > 600 || strings.Count(err.Error(), strings.Repeat("ä", 80)+"…") != 2 {
		t.Errorf("the error is %v", err)
	}
}
