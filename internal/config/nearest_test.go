package config

import "testing"

func TestDidYouMean(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"abc", "abd", 1},
		{"abc", "abcd", 1},
		{"warmup", "wamrup", 2},
		{"kitten", "sitting", 3},
		{"flaw", "lawn", 2},
	} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("from %q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
	keys := []string{"rates", "warmup", "gpus_per_replica", "ca"}
	for found, want := range map[string]string{
		"rate":            `, did you mean "rates"?`,
		"wamrup":          `, did you mean "warmup"?`,
		"gpu_per_replica": `, did you mean "gpus_per_replica"?`,
		"gpusPerReplica":  `, did you mean "gpus_per_replica"?`,
		"no":              "", // as far from ca as two letters can be
		"drain":           "",
		"":                "",
	} {
		if got := didYouMean(found, keys); got != want {
			t.Errorf("%q%s, want %q", found, got, want)
		}
	}
	if got := didYouMean("rate", nil); got != "" {
		t.Errorf("of no keys it means %q", got)
	}
}
