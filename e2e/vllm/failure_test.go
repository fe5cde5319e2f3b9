//go:build e2e && linux

package vllm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// TestPreflight: a run against the wrong thing does not begin, and says why.
func TestPreflight(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*config.Target, *config.Probe)
		says   []string // nothing: the run begins
	}{
		"with its key": {func(*config.Target, *config.Probe) {}, nil},
		"without its key": {
			func(target *config.Target, _ *config.Probe) { target.HTTPClient.Authorization = nil },
			[]string{server.url, "/v1/models", "401", "http_client.authorization"},
		},
		"of a model that it does not serve": {
			func(target *config.Target, _ *config.Probe) { target.Model = "huge" },
			[]string{server.url, `"huge"`, `"tiny"`},
		},
		"with prompts that it cannot hold": {
			func(_ *config.Target, p *config.Probe) { p.Workload.PromptTokens.Fixed = 2048 },
			[]string{"max_model_len", "2048 + 64", "prompt_tokens"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			target, probe := server.probe()
			tt.change(&target, &probe)
			rec := &recorder{}
			p := newProber(t, target, probe, rec)
			rec.onSent = func(int) { p.Stop() }
			result, err := p.Run(context.Background())
			if tt.says == nil {
				if len(rec.seen) == 0 || rec.seen[0].Outcome != prober.OK {
					t.Errorf("saw %+v, and the run said: %v", rec.seen, err)
				}
				return
			}
			if err == nil || result.Err != err.Error() || len(rec.seen) > 0 {
				t.Fatalf("the run went on: %v, %d requests", err, len(rec.seen))
			}
			for _, part := range tt.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
		})
	}
}

// TestRefusals: what vLLM refuses, by status or within the stream, has its
// outcome and is told in vLLM's words.
func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		endpoint config.Endpoint
		extra    map[string]any
		outcome  prober.Outcome
		says     string
	}{
		"by status":             {config.Completions, map[string]any{"temperature": -1}, prober.HTTP4xx, "temperature"},
		"by status, chat":       {config.Chat, map[string]any{"temperature": -1}, prober.HTTP4xx, "temperature"},
		"in the stream":         {config.Completions, map[string]any{"logit_bias": map[string]any{"9999": 1}}, prober.StreamError, "9999"},
		"in the stream of chat": {config.Chat, map[string]any{"logit_bias": map[string]any{"9999": 1}}, prober.StreamError, "9999"},
	} {
		t.Run(name, func(t *testing.T) {
			s := server.load(t, 5, func(p *config.Probe) { p.Workload.Endpoint, p.Workload.ExtraBody = tt.endpoint, tt.extra })
			for _, o := range s.seen {
				if o.Outcome != tt.outcome || !strings.Contains(o.Err, tt.says) || strings.Contains(o.Err, apiKey) {
					t.Errorf("outcome %s, %q, want %s with %q", o.Outcome, o.Err, tt.outcome, tt.says)
				}
			}
			if s.delta[outputTokens] != 0 {
				t.Errorf("vLLM made %g tokens all the same", s.delta[outputTokens])
			}
		})
	}
}

// TestCut: what the prober cuts, at the end of a step or at once, vLLM gives up
// too; and what had come until then is counted.
func TestCut(t *testing.T) {
	for name, length := range map[string]time.Duration{"by the step": 2 * time.Second, "at once": time.Hour} {
		t.Run(name, func(t *testing.T) {
			target, probe := server.probe()
			probe.Workload.OutputTokens.Fixed = 512 // many seconds
			probe.Ladder.Window, probe.Ladder.Drain = length, 100*time.Millisecond
			rec := &recorder{}
			p := newProber(t, target, probe, rec)
			before := server.idle(t)
			ctx, cut := context.WithCancel(context.Background())
			defer cut()
			busy := make(chan float64, 1)
			go func() {
				busy <- server.mostRunning(ctx, batchSize)
				if length == time.Hour {
					cut()
				}
			}()
			if _, err := p.Run(ctx); err != nil && ctx.Err() == nil {
				t.Fatal(err)
			}
			cut()
			if n := <-busy; n == 0 {
				t.Fatal("vLLM was never seen at work")
			}
			delta := server.idle(t).minus(before)

			aborted, came, asked := 0, 0, 0
			for _, o := range rec.seen {
				came += o.OutputTokens
				asked += probe.Workload.OutputTokens.Fixed
				switch o.Outcome {
				case prober.Aborted:
					aborted++
				case prober.OK:
				default:
					t.Errorf("request %s: %s: %s", o.ID, o.Outcome, o.Err)
				}
			}
			if aborted == 0 {
				t.Fatal("nothing was cut")
			}
			if made := delta[outputTokens]; made < float64(came) || made >= float64(asked) {
				t.Errorf("vLLM made %g tokens; %d came, %d were asked for", made, came, asked)
			}
		})
	}
}
