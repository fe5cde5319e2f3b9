package main

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/simulator"
)

func about(a, b float64) bool {
	return math.Abs(a-b) < 1e-12 || math.IsNaN(a) && math.IsNaN(b)
}

// The server saw 80 and 100 ms; the client measured 81 and 98 ms, in the other
// order: it is off by +1 and −2 ms, so by −0.5 ms in the mean.
func TestCompareJoinsByRequest(t *testing.T) {
	f, err := compare(measurement{
		Samples: []sample{{"b", .098}, {"a", .081}}, Lags: []float64{.003, .001},
		Tokens: 500, CPU: 3 * time.Millisecond, PeakRSS: 7, Lost: 2,
	}, []simulator.FixedNote{{ID: "warmup", TTFT: 9}, {ID: "a", TTFT: .080}, {ID: "b", TTFT: .100}})
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]float64{
		"seen": {f.seen, .090}, "measured": {f.measured, .0895}, "mean error": {f.meanError, -.0005},
		"p99 error": {f.p99Error, .002}, "send lag p99": {f.lagP99, .003}, "CPU per token": {f.cpuPerToken, 6e-6},
	} {
		if !about(pair[0], pair[1]) {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	if f.requests != 2 || f.peakRSS != 7 || f.lost != 2 {
		t.Errorf("requests, RSS and lost are %d, %d, %d", f.requests, f.peakRSS, f.lost)
	}
}

func TestCompareKnowsWhatItCannotTell(t *testing.T) {
	f, err := compare(measurement{Samples: []sample{{"a", .081}}, Tokens: 64}, []simulator.FixedNote{{ID: "a", TTFT: .080}})
	if err != nil || !math.IsNaN(f.lagP99) || !math.IsNaN(f.cpuPerToken) {
		t.Errorf("without lags and CPU: %+v, %v", f, err)
	}
	if _, err := compare(measurement{}, nil); err == nil {
		t.Error("a client that measured nothing was compared")
	}
	if _, err := compare(measurement{Samples: []sample{{"a", 1}}}, []simulator.FixedNote{{ID: "b", TTFT: 1}}); err == nil {
		t.Error("a request without its note was compared")
	}
}

func TestP99(t *testing.T) {
	var upTo200 []float64
	for i := range 200 {
		upTo200 = append(upTo200, float64(200-i))
	}
	tests := map[string]struct {
		samples []float64
		want    float64
	}{
		"none":       {nil, math.NaN()},
		"one":        {[]float64{5}, 5},
		"198 of 200": {upTo200, 198},
		"99 of 100":  {upTo200[100:], 99},
		"100 of 101": {upTo200[99:], 100},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(tt.samples)
			if got := p99(tt.samples); !about(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if !slices.Equal(before, tt.samples) {
				t.Error("the samples were moved")
			}
		})
	}
}

func TestLimits(t *testing.T) {
	all := limits{
		meanError: time.Millisecond, p99Error: 2 * time.Millisecond, lagP99: 3 * time.Millisecond,
		cpuPerToken: 8 * time.Microsecond, peakRSS: 150e6, closer: 20, noneLost: true,
	}
	atThem := figures{meanError: -.001, p99Error: .002, lagP99: .003, cpuPerToken: 8e-6, peakRSS: 150e6}
	tests := map[string]struct {
		spoil  func(*figures)
		closer float64
		want   string // missed; empty is none
	}{
		"just kept":          {func(*figures) {}, 20, ""},
		"mean too high":      {func(f *figures) { f.meanError = .0011 }, 20, "mean error above 1ms"},
		"mean too low":       {func(f *figures) { f.meanError = -.0011 }, 20, "mean error above 1ms"},
		"p99":                {func(f *figures) { f.p99Error = .0021 }, 20, "p99 error above 2ms"},
		"send lag":           {func(f *figures) { f.lagP99 = .0031 }, 20, "send lag p99 above 3ms"},
		"send lag not known": {func(f *figures) { f.lagP99 = math.NaN() }, 20, "send lag p99 above 3ms"},
		"CPU":                {func(f *figures) { f.cpuPerToken = 8.1e-6 }, 20, "CPU per token above 8µs"},
		"memory":             {func(f *figures) { f.peakRSS++ }, 20, "peak RSS above 150 MB"},
		"memory not known":   {func(f *figures) { f.peakRSS = 0 }, 20, "peak RSS above 150 MB"},
		"peer too close":     {func(*figures) {}, 19.9, "less than 20 times closer than the peer"},
		"peer not measured":  {func(*figures) {}, math.NaN(), ""},
		"lost":               {func(f *figures) { f.lost = 1 }, 20, "1 requests lost"},
		"invalid step":       {func(f *figures) { f.broken = []string{"cpu"} }, 20, "step invalid by its cpu"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := atThem
			tt.spoil(&f)
			if got := strings.Join(all.missed(f, tt.closer), "; "); got != tt.want {
				t.Errorf("missed %q, want %q", got, tt.want)
			}
			if got := (limits{}).missed(f, tt.closer); len(got) > len(f.broken) {
				t.Errorf("missed %q of no limits", got)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	rows := []row{
		{client: "vllm_prober", figures: figures{requests: 1, meanError: .0003}},
		{client: bareSockets.name, figures: figures{requests: 1, meanError: .0002}},
		{client: "vllm bench serve", figures: figures{requests: 1, meanError: .0045}},
	}
	judge(rows, limits{meanError: time.Millisecond, closer: 20})
	for i, want := range []string{
		"MISSED: less than 20 times closer than the peer", "what the machine itself takes", "15 times farther from the truth",
	} {
		if rows[i].verdict != want {
			t.Errorf("%s: %q, want %q", rows[i].client, rows[i].verdict, want)
		}
	}

	rows[2] = row{client: "vllm bench serve", verdict: errNotInstalled.Error()}
	judge(rows, limits{meanError: time.Millisecond, closer: 20})
	if rows[0].verdict != "kept" || rows[2].verdict != errNotInstalled.Error() {
		t.Errorf("without the peer: %q and %q", rows[0].verdict, rows[2].verdict)
	}
}
