package prober

import (
	"math"
	"testing"

	"vllm_prober/internal/workload"
)

// What the server can have counted of one request, whatever became of it. It was
// asked for 100 and 64 tokens.
func TestLoadOfOneRequest(t *testing.T) {
	exactly := func(n int) Bounds { return Bounds{n, n} }
	for name, tt := range map[string]struct {
		prompt int // as it is known when the request is made
		seen   Observation
		want   Load
	}{
		"ok": {
			100,
			Observation{Outcome: OK, Sent: 1, FirstToken: 2, PromptTokens: 100, OutputTokens: 64},
			Load{Ended: 1, FirstTokens: exactly(1), PromptTokens: exactly(100), OutputTokens: exactly(64)},
		},
		"ok, a text": {
			0,
			Observation{Outcome: OK, Sent: 1, FirstToken: 2, PromptTokens: 107, OutputTokens: 64},
			Load{Ended: 1, FirstTokens: exactly(1), PromptTokens: exactly(107), OutputTokens: exactly(64)},
		},
		"cut in the middle": {
			100,
			Observation{Outcome: Aborted, Sent: 1, FirstToken: 2, PromptTokens: 100, OutputTokens: 20},
			Load{FirstTokens: exactly(1), PromptTokens: exactly(100), OutputTokens: Bounds{20, 64}},
		},
		"cut before its first token": {
			100,
			Observation{Outcome: Aborted, Sent: 1},
			Load{FirstTokens: Bounds{0, 1}, PromptTokens: Bounds{0, 100}, OutputTokens: Bounds{0, 64}},
		},
		"a text, cut before its first token": {
			0,
			Observation{Outcome: Aborted, Sent: 1},
			Load{FirstTokens: Bounds{0, 1}, OutputTokens: Bounds{0, 64}, UnknownPrompts: 1},
		},
		"timed out in the middle": {
			100,
			Observation{Outcome: TimeoutStall, Sent: 1, FirstToken: 2, OutputTokens: 20},
			Load{Ended: 1, Failed: 1, FirstTokens: exactly(1), PromptTokens: exactly(100), OutputTokens: Bounds{20, 64}},
		},
		"refused": {
			100,
			Observation{Outcome: HTTP503, Sent: 1},
			Load{Ended: 1, Failed: 1, FirstTokens: Bounds{0, 1}, PromptTokens: Bounds{0, 100}, OutputTokens: Bounds{0, 64}},
		},
		"never sent": {100, Observation{Outcome: Connect}, Load{Ended: 1, Failed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got Load
			got.add(&workload.Request{PromptTokens: tt.prompt, OutputTokens: 64}, &tt.seen)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// A step's reconciliation is the worst of its replicas', with the sums of all.
func TestReconciled(t *testing.T) {
	if got := reconciled(nil); got != nil {
		t.Errorf("of no replicas: %+v", got)
	}
	all := []ReplicaResult{
		{Replica: "a", Reconciliation: Reconciliation{Verdict: Reconciled, Requests: 90, OutputTokens: 900}},
		{Replica: "b", Reconciliation: Reconciliation{
			Verdict: ForeignTraffic, Detail: "others had it", Requests: 110, OutputTokens: 1100, ForeignRequests: 20, ForeignTokens: 200,
		}},
		{Replica: "c", Reconciliation: Reconciliation{Verdict: NotReconciled, Detail: "it could not be read"}},
	}
	want := Reconciliation{
		Verdict: ForeignTraffic, Detail: "b: others had it", Requests: 200, OutputTokens: 2000, ForeignRequests: 20, ForeignTokens: 200, ForeignShare: 0.1,
	}
	if got := reconciled(all); *got != want {
		t.Errorf("got %+v, want %+v", *got, want)
	}
}

func TestFiguresOfAllReplicas(t *testing.T) {
	two := 2
	r := StepResult{Replicas: []ReplicaResult{
		{Running: &Level{3, 5}, KVCacheUsage: &Level{0.2, 0.4}, Preemptions: &two, Gaps: 1, InForce: InForce{Verdict: DidNotBind, Detail: "at most 5 ran"}},
		{Running: &Level{4, 9}, Waiting: &Level{1, 2}, KVCacheUsage: &Level{0.1, 0.3}, Gaps: 2, InForce: InForce{Verdict: Bound, Detail: "9 ran"}},
	}}
	if got, known := r.LevelOf(func(r *ReplicaResult) *Level { return r.Running }); !known || got != (Level{7, 14}) {
		t.Errorf("running %+v, %t", got, known)
	}
	if got, known := r.LevelOf(func(r *ReplicaResult) *Level { return r.Waiting }); known {
		t.Errorf("waiting %+v, which one replica does not tell", got)
	}
	if got, known := r.KVCacheUsage(); !known || got != 0.4 {
		t.Errorf("KV cache usage %g, %t", got, known)
	}
	if got, known := r.Preemptions(); known {
		t.Errorf("%d preemptions, which one replica does not tell", got)
	}
	if got, known := r.InForce(); !known || got.Verdict != Bound {
		t.Errorf("in force: %+v, %t", got, known)
	}
	if r.Gaps() != 3 {
		t.Errorf("%d gaps", r.Gaps())
	}
}

// Who has more requests weighs more: 30 of 0.1 s and 10 of 0.5 s are 8 s of 40.
func TestSpentOf(t *testing.T) {
	for name, tt := range map[string]struct {
		replicas []*Spent
		want     Spent
		known    bool
	}{
		"all tell":              {[]*Spent{{30, 0.1}, {10, 0.5}}, Spent{40, 0.2}, true},
		"one had no requests":   {[]*Spent{{30, 0.1}, {}}, Spent{30, 0.1}, true},
		"none had any":          {[]*Spent{{}, {}}, Spent{}, false},
		"one does not tell":     {[]*Spent{{30, 0.1}, nil}, Spent{}, false},
		"no replica is watched": {nil, Spent{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var r StepResult
			for _, s := range tt.replicas {
				r.Replicas = append(r.Replicas, ReplicaResult{Queue: s})
			}
			got, known := r.SpentOf(func(r *ReplicaResult) *Spent { return r.Queue })
			if got.Requests != tt.want.Requests || math.Abs(got.Mean-tt.want.Mean) > 1e-12 || known != tt.known {
				t.Errorf("got %+v, %t, want %+v, %t", got, known, tt.want, tt.known)
			}
		})
	}
}

func TestTripSaysWhatItSaw(t *testing.T) {
	for want, trip := range map[string]Trip{
		"waiting_requests is 12, more than 4 on http://a":                       {Limit: "waiting_requests", Replica: "http://a", Value: 12, Allowed: 4},
		"error_ratio is 0.3333, more than 0.25":                                 {Limit: "error_ratio", Value: 1. / 3, Allowed: 0.25},
		"waiting_requests cannot be seen: GET /metrics: status 404 on http://a": {Limit: "waiting_requests", Replica: "http://a", Unseen: "GET /metrics: status 404"},
	} {
		if got := trip.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
