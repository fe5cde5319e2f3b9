package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestPeerResultIsReadInTheOrderOfRequests(t *testing.T) {
	m, err := peerResult([]byte(`{
		"total_output_tokens": 256, "ttfts": [0.5, 0.081, 0, 0.083], "errors": ["", "", "refused", ""]
	}`), "peer-", 1)
	want := measurement{Tokens: 256, Lost: 1, Samples: []sample{{"peer-1", .081}, {"peer-3", .083}}}
	if err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v, %v, want %+v", m, err, want)
	}
	if _, err := peerResult([]byte(`[]`), "peer-", 0); err == nil {
		t.Error("what is no result was read")
	}
}

func TestBytesOf(t *testing.T) {
	const status = "Name:\tvllm_prober\nVmHWM:\t  1200 kB\nVmRSS:\t     900 kB\nVmBad:\tmany\n"
	tests := map[string]struct {
		want  int64
		found bool
	}{
		"VmHWM": {1200 * 1024, true},
		"VmRSS": {900 * 1024, true},
		"Vm":    {0, false},
		"VmBad": {0, false},
	}
	for figure, tt := range tests {
		if got, found := bytesOf(status, figure); got != tt.want || found != tt.found {
			t.Errorf("%s: %d, %v, want %d, %v", figure, got, found, tt.want, tt.found)
		}
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	printTable(&b, [][]string{{"client", "CPU µs", "verdict"}, {"a", "10.5", "kept"}, {"bare sockets", "", "MISSED"}})
	const want = `
| client       | CPU µs | verdict |
|--------------|-------:|---------|
| a            |   10.5 | kept    |
| bare sockets |        | MISSED  |
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("got %s want %s", got, want)
	}
}
