package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"vllm_prober/internal/simulator"
)

// figures say how far a client was from the truth. All times are in seconds.
type figures struct {
	requests       int
	seen, measured float64 // mean TTFT, as the server saw it and as the client measured it
	meanError      float64 // of what was measured minus what was seen, request by request
	p99Error       float64 // of the absolute value of that
	lagP99         float64 // NaN for a client that does not tell its send lag
	cpuPerToken    float64 // NaN for a client whose processor time is not known
	peakRSS        int64   // bytes; 0 is not known
	lost           int     // requests that were not sent, or not answered well
	broken         []string
}

// compare joins a client's requests with the server's notes of them. Each
// measured request must have its note: the truth would be of other requests.
func compare(m measurement, notes []simulator.FixedNote) (figures, error) {
	if len(m.Samples) == 0 {
		return figures{}, errors.New("the client measured no request")
	}
	seen := make(map[string]float64, len(notes))
	for _, n := range notes {
		seen[n.ID] = n.TTFT
	}
	f := figures{
		requests: len(m.Samples), peakRSS: m.PeakRSS, lost: m.Lost, broken: m.Broken,
		lagP99: p99(m.Lags), cpuPerToken: m.CPU.Seconds() / float64(m.Tokens),
	}
	if m.CPU == 0 {
		f.cpuPerToken = math.NaN()
	}
	var off []float64
	for _, s := range m.Samples {
		truth, ok := seen[s.ID]
		if !ok {
			return figures{}, fmt.Errorf("the server has no note of request %q", s.ID)
		}
		f.seen += truth / float64(len(m.Samples))
		f.measured += s.TTFT / float64(len(m.Samples))
		off = append(off, math.Abs(s.TTFT-truth))
	}
	f.meanError, f.p99Error = f.measured-f.seen, p99(off)
	return f, nil
}

// p99 is the smallest of samples that 99% of them do not exceed, NaN for none.
func p99(samples []float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[int(math.Ceil(0.99*float64(len(sorted))))-1]
}

// limits are what vllm_prober has to keep at a request rate; a zero is no limit.
type limits struct {
	meanError, p99Error, lagP99, cpuPerToken time.Duration

	peakRSS int64 // bytes
	// closer is how many times nearer to the truth than the peer it has to be.
	closer float64
	// noneLost says that every arrival is sent and answered.
	noneLost bool
}

// judge writes the verdicts of the clients of one request rate: of the first
// one, by the limits, and of the peer by how far it is off in comparison.
func judge(rows []row, l limits) {
	ours, closer := &rows[0], math.NaN()
	for i := range rows[1:] {
		switch other := &rows[i+1]; {
		case other.client == bareSockets.name:
			other.verdict = "what the machine itself takes"
		case other.requests > 0:
			closer = math.Abs(other.meanError / ours.meanError)
			other.verdict = fmt.Sprintf("%.3g times farther from the truth", closer)
		}
	}
	ours.verdict = "kept"
	if missed := l.missed(ours.figures, closer); len(missed) > 0 {
		ours.verdict = "MISSED: " + strings.Join(missed, ", ")
	}
}

// missed names the limits that were not kept. closer is how many times closer
// than the peer the client came, NaN when that is not known.
func (l limits) missed(f figures, closer float64) []string {
	var missed []string
	most := func(what string, found float64, limit time.Duration) {
		if limit > 0 && !(found <= limit.Seconds()) { // a NaN keeps no limit
			missed = append(missed, fmt.Sprintf("%s above %v", what, limit))
		}
	}
	most("mean error", math.Abs(f.meanError), l.meanError)
	most("p99 error", f.p99Error, l.p99Error)
	most("send lag p99", f.lagP99, l.lagP99)
	most("CPU per token", f.cpuPerToken, l.cpuPerToken)
	if l.peakRSS > 0 && (f.peakRSS == 0 || f.peakRSS > l.peakRSS) {
		missed = append(missed, fmt.Sprintf("peak RSS above %d MB", l.peakRSS/1e6))
	}
	if closer < l.closer {
		missed = append(missed, fmt.Sprintf("less than %g times closer than the peer", l.closer))
	}
	if l.noneLost && f.lost > 0 {
		missed = append(missed, fmt.Sprintf("%d requests lost", f.lost))
	}
	for _, promise := range f.broken {
		missed = append(missed, "step invalid by its "+promise)
	}
	return missed
}
