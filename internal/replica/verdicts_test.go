package replica

import (
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// look is what a sample says of slots; a running below 0 is not known.
type look struct{ running, waiting, usage, preempted float64 }

// samplesOf are samples at 4 Hz, with 10 answers begun a second.
func samplesOf(looks ...look) []Sample {
	samples := make([]Sample, len(looks))
	for i, l := range looks {
		samples[i] = Sample{
			At: noon.Add(time.Duration(i) * period), Engines: 1, Running: known(l.running), Waiting: known(l.waiting),
			KVCacheUsage: known(l.usage), Preemptions: known(l.preempted), FirstTokens: known(2.5 * float64(i)),
		}
		if l.running < 0 {
			samples[i].Running, samples[i].Engines = Figure{}, 0
		}
	}
	return samples
}

// times repeats looks.
func times(n int, looks ...look) []look {
	var all []look
	for range n {
		all = append(all, looks...)
	}
	return all
}

func TestInForce(t *testing.T) {
	tests := map[string]struct {
		batchSize int
		looks     []look
		want      prober.InForceVerdict
	}{
		"full, and some wait":                    {16, times(10, look{running: 16, waiting: 3}), prober.Bound},
		"full in three samples":                  {16, append(times(20, look{running: 12}), times(3, look{running: 16, waiting: 1})...), prober.Bound},
		"full in two samples":                    {16, append(times(20, look{running: 12}), times(2, look{running: 16, waiting: 1})...), prober.DidNotBind},
		"full, and none waits":                   {16, times(20, look{running: 16}), prober.DidNotBind},
		"full while the KV cache is full too":    {16, times(20, look{running: 16, waiting: 3, usage: 1}), prober.Bound},
		"nothing to do":                          {16, times(20, look{}), prober.DidNotBind},
		"an arrival waits for its iteration":     {16, times(20, look{running: 9, waiting: 1}, look{running: 8}), prober.DidNotBind},
		"more ran":                               {16, append(times(20, look{running: 12}), look{running: 17}), prober.NotInForce},
		"fewer ran, always as many":              {16, times(10, look{running: 8, waiting: 40}), prober.NotInForce},
		"fewer ran, now and then one less":       {16, times(10, look{running: 8, waiting: 40}, look{running: 8, waiting: 41}, look{running: 7, waiting: 40}), prober.NotInForce},
		"fewer ran, as many as just fitted":      {16, times(10, look{running: 5, waiting: 40}, look{running: 8, waiting: 40}, look{running: 6, waiting: 40}), prober.InForceUnknown},
		"the KV cache is full":                   {16, times(10, look{running: 8, waiting: 40, usage: 0.995}), prober.InForceUnknown},
		"the KV cache has no room for one more":  {16, times(10, look{running: 8, waiting: 40, usage: 0.9}), prober.InForceUnknown},
		"the KV cache has room for some":         {16, times(10, look{running: 8, waiting: 40, usage: 0.8}), prober.NotInForce},
		"the KV cache is full with nobody there": {16, times(10, look{running: 0, waiting: 40, usage: 1}), prober.InForceUnknown},
		"preempted all the time": {
			16,
			[]look{{8, 40, 0.5, 0}, {8, 40, 0.5, 1}, {8, 40, 0.5, 3}, {8, 40, 0.5, 4}, {8, 40, 0.5, 6}, {8, 40, 0.5, 7}, {8, 40, 0.5, 8}, {8, 40, 0.5, 9}, {8, 40, 0.5, 10}},
			prober.InForceUnknown,
		},
		"undeclared":                 {0, times(20, look{running: 50, waiting: 3}), prober.InForceUnknown},
		"too few samples":            {16, times(minSamples-1, look{running: 16, waiting: 3}), prober.InForceUnknown},
		"too few samples that tell":  {16, append(times(20, look{running: -1}), times(minSamples-1, look{running: 16, waiting: 3})...), prober.InForceUnknown},
		"no samples":                 {16, nil, prober.InForceUnknown},
		"enough samples in the mean": {16, append(times(20, look{running: -1}), times(minSamples, look{running: 16, waiting: 3})...), prober.Bound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := inForce(samplesOf(tt.looks...), tt.batchSize); got.Verdict != tt.want || got.Detail == "" {
				t.Errorf("got %+v, want %s", got, tt.want)
			}
		})
	}
}

// Long prompts fill the engine's iterations, and who waits then waits for that:
// with 8 of 2000 + 10 tokens running, each iteration has 1600 of prompts. With
// 200 + 100 tokens it has 16.
func TestInForceUnderLongPrompts(t *testing.T) {
	for name, tt := range map[string]struct {
		prompt, output float64 // of all requests in a quarter of a second
		want           prober.InForceVerdict
	}{
		"long prompts":  {2000, 10, prober.InForceUnknown},
		"short prompts": {200, 100, prober.NotInForce},
		"no tokens":     {0, 0, prober.NotInForce},
	} {
		t.Run(name, func(t *testing.T) {
			samples := samplesOf(times(20, look{running: 8, waiting: 40})...)
			for i := range samples {
				samples[i].PromptTokens, samples[i].OutputTokens = known(tt.prompt*float64(i)), known(tt.output*float64(i))
			}
			if got := inForce(samples, 16); got.Verdict != tt.want {
				t.Errorf("got %+v, want %s", got, tt.want)
			}
		})
	}
}

// The declared batch size is that of one engine: a replica of two runs twice as
// many.
func TestInForceOfADataParallelReplica(t *testing.T) {
	for running, want := range map[float64]prober.InForceVerdict{20: prober.DidNotBind, 32: prober.Bound, 33: prober.NotInForce} {
		samples := samplesOf(times(10, look{running: running, waiting: max(0, running-31)})...)
		for i := range samples {
			samples[i].Engines = 2
		}
		if got := inForce(samples, 16); got.Verdict != want || got.Allowed != 32 {
			t.Errorf("%g ran: got %+v, want %s of 32", running, got, want)
		}
	}
}

// reading is a sample of counts, by a process that began so many seconds after
// another; below 0 it is not known when.
func reading(requests, output, prompt, started float64) Sample {
	s := Sample{FirstTokens: known(requests), OutputTokens: known(output), PromptTokens: known(prompt), ProcessStart: known(1.7e9 + started)}
	if started < 0 {
		s.ProcessStart = Figure{}
	}
	return s
}

func TestReconcile(t *testing.T) {
	exactly := func(n int) prober.Bounds { return prober.Bounds{AtLeast: n, AtMost: n} }
	// Ten requests of 100 and 64 tokens, and two that were cut before their end.
	own := prober.Load{
		FirstTokens: prober.Bounds{AtLeast: 11, AtMost: 12}, PromptTokens: prober.Bounds{AtLeast: 1100, AtMost: 1200},
		OutputTokens: prober.Bounds{AtLeast: 650, AtMost: 768},
	}
	before := reading(1000, 50000, 90000, 0)
	after := func(requests, output, prompt float64) *Sample {
		s := reading(1000+requests, 50000+output, 90000+prompt, 0)
		return &s
	}
	type want struct {
		verdict          prober.ReconciliationVerdict
		requests, tokens int
		share            float64
	}
	tests := map[string]struct {
		before, after *Sample
		during        []Sample
		own           prober.Load
		want          want
	}{
		"exact":               {&before, after(10, 640, 1000), nil, prober.Load{FirstTokens: exactly(10), PromptTokens: exactly(1000), OutputTokens: exactly(640)}, want{verdict: prober.Reconciled}},
		"nothing was done":    {&before, after(0, 0, 0), nil, prober.Load{}, want{verdict: prober.Reconciled}},
		"the least":           {&before, after(11, 650, 1100), nil, own, want{verdict: prober.Reconciled}},
		"the most":            {&before, after(12, 768, 1200), nil, own, want{verdict: prober.Reconciled}},
		"a request of others": {&before, after(13, 960, 1300), nil, own, want{prober.ForeignTraffic, 1, 192, 0.2}},
		"tokens of others, of a request from before the step": {&before, after(12, 800, 1200), nil, own, want{prober.ForeignTraffic, 0, 32, 0.04}},
		"a prompt of others that got no token":                {&before, after(12, 768, 1201), nil, own, want{verdict: prober.ForeignTraffic}},
		"a prompt of which the length is not known": {
			&before, after(12, 768, 5000), nil,
			prober.Load{FirstTokens: own.FirstTokens, OutputTokens: own.OutputTokens, UnknownPrompts: 3},
			want{verdict: prober.Reconciled},
		},
		"fewer requests": {&before, after(10, 700, 1100), nil, own, want{verdict: prober.SeveralReplicas}},
		"fewer tokens":   {&before, after(12, 649, 1200), nil, own, want{verdict: prober.SeveralReplicas}},
		"a restart, by its counts": {
			&before, new(reading(3, 100, 300, -1)), []Sample{reading(1005, 50100, 90500, -1)}, own, want{verdict: prober.Restarted},
		},
		"a restart, by its time, before anything was counted": {
			new(reading(0, 0, 0, 0)), new(reading(12, 768, 1200, 60)), nil, own, want{verdict: prober.Restarted},
		},
		"a restart, and no answer since":          {&before, nil, []Sample{reading(3, 100, 300, 60)}, own, want{verdict: prober.Restarted}},
		"a start told with rounding":              {&before, new(reading(1012, 50768, 91200, 0.01)), nil, own, want{verdict: prober.Reconciled}},
		"counts that go up and down":              {&before, after(12, 768, 1200), []Sample{reading(7, 300, 700, -1), reading(1005, 50100, 90500, -1), reading(9, 400, 900, -1)}, own, want{verdict: prober.SeveralReplicas}},
		"processes of different ages":             {&before, after(12, 768, 1200), []Sample{reading(2000, 90000, 99000, 60)}, own, want{verdict: prober.SeveralReplicas}},
		"no reading before":                       {nil, after(12, 768, 1200), nil, own, want{verdict: prober.NotReconciled}},
		"no reading after":                        {&before, nil, nil, own, want{verdict: prober.NotReconciled}},
		"no counts":                               {&Sample{}, &Sample{}, nil, own, want{verdict: prober.NotReconciled}},
		"tokens alone":                            {&Sample{OutputTokens: known(5)}, &Sample{OutputTokens: known(773)}, nil, own, want{verdict: prober.Reconciled}},
		"tokens alone, and more of them":          {&Sample{OutputTokens: known(0)}, &Sample{OutputTokens: known(1536)}, nil, own, want{prober.ForeignTraffic, 0, 768, 0.5}},
		"a count that only the later reading has": {&Sample{OutputTokens: known(5)}, &Sample{OutputTokens: known(773), FirstTokens: known(9)}, nil, own, want{verdict: prober.Reconciled}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := reconcile(tt.before, tt.during, tt.after, tt.own)
			if (want{got.Verdict, got.ForeignRequests, got.ForeignTokens, got.ForeignShare}) != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if (got.Detail == "") != (got.Verdict == prober.Reconciled) {
				t.Errorf("%s without a word of it: %+v", got.Verdict, got)
			}
		})
	}
}

// What a limit is held against, of one sample.
func TestSeen(t *testing.T) {
	now := func(running, waiting float64) []Sample {
		return []Sample{{At: noon, Running: known(running), Waiting: known(waiting), KVCacheUsage: known(0.5)}}
	}
	for name, tt := range map[string]struct {
		limit   config.GuardLimit
		samples []Sample
		own     int
		want    Figure
	}{
		"all that waits, without own requests":       {config.WaitingRequests, now(16, 5), 0, known(5)},
		"all that runs, without own requests":        {config.ForeignRequestsRunning, now(16, 5), 0, known(16)},
		"none waits but the prober's":                {config.WaitingRequests, now(16, 5), 21, known(0)},
		"none runs but the prober's":                 {config.ForeignRequestsRunning, now(16, 5), 21, known(0)},
		"the prober has more than the replica knows": {config.WaitingRequests, now(16, 5), 30, known(0)},
		"no more wait than are foreign":              {config.WaitingRequests, now(16, 50), 60, known(6)},
		"no more run than are foreign":               {config.ForeignRequestsRunning, now(16, 50), 60, known(6)},
		"no more wait than wait":                     {config.WaitingRequests, now(16, 2), 8, known(2)},
		"the KV cache, by whomever":                  {config.KVCacheUsageRatio, now(16, 0), 16, known(0.5)},
		"not exported":                               {config.WaitingRequests, []Sample{{At: noon, Running: known(3)}}, 0, Figure{}},
		"no KV cache usage":                          {config.KVCacheUsageRatio, []Sample{{At: noon}}, 0, Figure{}},
		"no preemptions":                             {config.PreemptionsPerSecond, []Sample{{At: noon}}, 0, Figure{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := seen(tt.limit, tt.samples, tt.own); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestPreemptionRate(t *testing.T) {
	counts := func(counts ...float64) []Sample {
		var samples []Sample
		for i, n := range counts {
			samples = append(samples, Sample{At: noon.Add(time.Duration(i) * period), Preemptions: known(n)})
		}
		return samples
	}
	for name, tt := range map[string]struct {
		samples []Sample
		want    float64
	}{
		"one look":                      {counts(7), 0},
		"less than a second":            {counts(0, 5, 9), 0},
		"a second":                      {counts(0, 1, 2, 3, 4), 4},
		"the last second":               {counts(0, 90, 90, 90, 91, 92), 2},
		"all before the last second":    {counts(0, 9, 9, 9, 9, 9), 0},
		"a restart in the last second":  {counts(9, 9, 0, 1, 1), 0},
		"a restart before that, and on": {counts(9, 0, 1, 1, 2, 3), 3},
	} {
		t.Run(name, func(t *testing.T) {
			if got := preemptionRate(tt.samples); got != known(tt.want) {
				t.Errorf("got %+v, want %g", got, tt.want)
			}
		})
	}
	late := []Sample{{At: noon, Preemptions: known(0)}, {At: noon.Add(2 * time.Second), Preemptions: known(5)}}
	if got := preemptionRate(late); got != known(2.5) {
		t.Errorf("over a gap of two seconds: %+v, want 2.5", got)
	}
}

func TestErrorRatio(t *testing.T) {
	for name, tt := range map[string]struct {
		own  []prober.Load
		want Figure
	}{
		"nothing has ended":         {[]prober.Load{{InFlight: 4}}, Figure{}},
		"too little has ended":      {[]prober.Load{{Ended: 9, Failed: 9}}, Figure{}},
		"of all replicas":           {[]prober.Load{{Ended: 6, Failed: 3}, {Ended: 4}}, known(0.3)},
		"those in flight are apart": {[]prober.Load{{InFlight: 100, Ended: 10, Failed: 5}}, known(0.5)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := errorRatio(tt.own); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Only the second look in a row passes a limit.
func TestALimitIsPassedByTwoLooksInARow(t *testing.T) {
	o := overs{}
	for i, look := range []struct {
		figure Figure
		passed bool
	}{
		{known(5), false},
		{known(4), false},
		{known(5), false},
		{Figure{}, false},
		{known(5), false},
		{known(6), true},
		{known(7), true},
	} {
		if got := o.take(config.WaitingRequests, look.figure, 4); got != look.passed {
			t.Errorf("look %d at %+v: %t", i, look.figure, got)
		}
		if o.take(config.KVCacheUsageRatio, known(0), 0) {
			t.Errorf("look %d: the limits are mixed up", i)
		}
	}
}

func TestGaps(t *testing.T) {
	for name, tt := range map[string]struct {
		sampled time.Duration
		samples int
		want    int
	}{
		"nothing":                  {0, 0, 0},
		"all":                      {10 * time.Second, 40, 0},
		"the last one was not due": {10 * time.Second, 39, 0},
		"one":                      {10200 * time.Millisecond, 39, 1},
		"a second without answer":  {10200 * time.Millisecond, 36, 4},
		"none answered":            {10100 * time.Millisecond, 0, 39},
	} {
		t.Run(name, func(t *testing.T) {
			if got := gaps(tt.sampled, tt.samples); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
