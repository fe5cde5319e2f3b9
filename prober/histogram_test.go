package prober

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"
)

// What is written and read again is the same, and merging what was read of two
// parts is the histogram of the whole.
func TestHistogramAsJSON(t *testing.T) {
	var parts [2]Histogram
	var whole Histogram
	for i := range 1000 {
		d := time.Duration(i*i) * 17 * time.Microsecond // 0 among them
		parts[i%2].Observe(d, 1+i%5)
		whole.Observe(d, 1+i%5)
	}
	var merged Histogram
	for i := range parts {
		text, err := json.Marshal(&parts[i])
		if err != nil {
			t.Fatal(err)
		}
		var read Histogram
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		merged.Merge(&read)
	}
	if got, want := collect(&merged), collect(&whole); !maps.Equal(got, want) {
		t.Errorf("merged buckets %v, want %v", got, want)
	}
	got, want := merged.Distribution(), whole.Distribution()
	if diff := got.Mean/want.Mean - 1; diff > 1e-12 || diff < -1e-12 { // sums of floats depend on their order
		t.Errorf("mean %g, want %g", got.Mean, want.Mean)
	}
	if got.Mean = want.Mean; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func collect(h *Histogram) map[float64]uint64 { return maps.Collect(h.Buckets) }

func TestHistogramAsJSONIsWhatIsDocumented(t *testing.T) {
	var h Histogram
	h.Observe(0, 1)
	h.Observe(time.Second, 2)                           // 2^0, the upper bound of bucket 0
	h.Observe(1500*time.Millisecond, 3)                 // 128·log2(1.5) = 74.9
	h.Observe(500*time.Millisecond+time.Microsecond, 1) // just above 2^-1, the upper bound of bucket −128
	const want = `{"schema":7,"count":7,"sum":7.000001,"max":1.5,"zero":1,"buckets":{"-127":1,"0":2,"75":3}}`
	if got, err := json.Marshal(&h); err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestNoHistogram(t *testing.T) {
	for name, text := range map[string]string{
		"no object":          `7`,
		"another schema":     `{"schema":4,"count":1,"buckets":{"0":1}}`,
		"no schema":          `{}`,
		"a count that lies":  `{"schema":7,"count":3,"zero":1,"buckets":{"0":1}}`,
		"too short a time":   `{"schema":7,"count":1,"buckets":{"-3841":1}}`,
		"too long a time":    `{"schema":7,"count":1,"buckets":{"4353":1}}`,
		"a time below 0":     `{"schema":7,"count":1,"sum":-1,"buckets":{"0":1}}`,
		"more than a uint64": `{"schema":7,"count":0,"zero":1,"buckets":{"0":18446744073709551615}}`,
	} {
		var h Histogram
		if err := json.Unmarshal([]byte(text), &h); err == nil {
			t.Errorf("%s: %s was read as %v", name, text, slices.Collect(maps.Keys(collect(&h))))
		}
	}
	// The longest and the shortest durations are within bounds.
	for _, d := range []time.Duration{1, 1<<63 - 1} {
		var h, read Histogram
		h.Observe(d, 1)
		if text, err := json.Marshal(&h); err != nil || json.Unmarshal(text, &read) != nil {
			t.Errorf("%d ns: %s, %v", d, text, err)
		}
	}
}
