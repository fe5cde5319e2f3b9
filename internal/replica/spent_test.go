package replica

import (
	"testing"
	"time"

	"vllm_prober/prober"
)

// What a replica counted from the window's opening on is of the readings at its edges:
// 6 requests that waited 3 s together, and 4 that took 1 s to their first tokens.
func TestSpentFromTheOpeningToTheEnd(t *testing.T) {
	at := func(seconds, queued, waited, prefilled, took float64) Sample {
		return Sample{
			At:     noon.Add(time.Duration(seconds * float64(time.Second))),
			Queued: known(queued), QueueSeconds: known(waited), Prefilled: known(prefilled), PrefillSeconds: known(took),
		}
	}
	step := prober.Step{StartedAt: noon, Warmup: 2 * time.Second}
	type edges struct {
		before, after *Sample
		during        []Sample
	}
	before, after := at(-1, 100, 50, 100, 20), at(9, 120, 60, 130, 30)
	first, anew := before, at(9, 300, 90, 300, 60)
	first.ProcessStart, anew.ProcessStart = known(0), known(60)
	opening := []Sample{at(1, 105, 52, 110, 25), at(2, 114, 57, 126, 29), at(2.25, 117, 58, 127, 29.5)}
	for name, tt := range map[string]struct {
		of             edges
		queue, prefill *prober.Spent
	}{
		"of the last reading up to the opening": {edges{&before, &after, opening}, &prober.Spent{Requests: 6, Mean: 0.5}, &prober.Spent{Requests: 4, Mean: 0.25}},
		"of the one before the step":            {edges{&before, &after, opening[2:]}, &prober.Spent{Requests: 20, Mean: 0.5}, &prober.Spent{Requests: 30, Mean: 1. / 3}},
		"no request ended":                      {edges{&after, &after, nil}, &prober.Spent{}, &prober.Spent{}},
		"no reading up to the opening":          {edges{nil, &after, opening[2:]}, nil, nil},
		"no reading after the step":             {edges{&before, nil, opening}, nil, nil},
		"a restart":                             {edges{&before, new(at(9, 5, 1, 5, 1)), opening[:1]}, nil, nil},
		"a restart that more requests followed": {edges{&first, &anew, nil}, nil, nil},
		"a sum that fell":                       {edges{&before, new(at(9, 120, 1, 130, 30)), nil}, nil, &prober.Spent{Requests: 30, Mean: 1. / 3}},
		"not exported":                          {edges{&Sample{}, &Sample{}, nil}, nil, nil},
		"exported at the end alone":             {edges{&Sample{}, &after, nil}, nil, nil},
		"no sum":                                {edges{&before, &Sample{Queued: known(120), Prefilled: known(130), PrefillSeconds: known(30)}, nil}, nil, &prober.Spent{Requests: 30, Mean: 1. / 3}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &watch{replica: &replica{}, before: tt.of.before, during: tt.of.during, after: tt.of.after}
			got := w.result(step, prober.Load{})
			for what, each := range map[string][2]*prober.Spent{"queue": {got.Queue, tt.queue}, "prefill": {got.Prefill, tt.prefill}} {
				if got, want := each[0], each[1]; (got == nil) != (want == nil) || got != nil && *got != *want {
					t.Errorf("%s: got %+v, want %+v", what, got, want)
				}
			}
		})
	}
}
