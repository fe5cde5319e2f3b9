//go:build e2e && linux

package vllm_test

import (
	"encoding/json"
	"math"
	"testing"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// TestTokens: every request gets the lengths that it asked for, and vLLM has
// counted the very tokens that the prober has.
func TestTokens(t *testing.T) {
	uniform := func(p *config.Probe) {
		p.Workload.PromptTokens = config.Length{Uniform: &config.UniformTokens{Min: 8, Max: 120}}
		p.Workload.OutputTokens = config.Length{Uniform: &config.UniformTokens{Min: 1, Max: 64}}
	}
	for name, change := range map[string]func(*config.Probe){
		"completions":                    func(*config.Probe) {},
		"completions of various lengths": uniform,
		"chat":                           func(p *config.Probe) { p.Workload.Endpoint = config.Chat },
		"chat of various lengths":        func(p *config.Probe) { uniform(p); p.Workload.Endpoint = config.Chat },
		// Answers that are no plain repetition hold halves of characters, which are
		// tokens without text.
		"completions at temperature 2": func(p *config.Probe) { p.Workload.ExtraBody = map[string]any{"temperature": 2} },
	} {
		t.Run(name, func(t *testing.T) {
			var w config.Workload
			s := server.load(t, 40, func(p *config.Probe) { change(p); w = p.Workload })
			s.allOK(t)
			asked := s.asked(t, w)
			for _, o := range s.seen {
				a, known := asked[o.ID]
				if !known || o.OutputTokens != a.OutputTokens {
					t.Errorf("request %s has %d output tokens, not %d", o.ID, o.OutputTokens, a.OutputTokens)
				}
				// The length of text in tokens is the tokenizer's affair.
				if a.PromptTokens > 0 && o.PromptTokens != a.PromptTokens {
					t.Errorf("request %s has %d prompt tokens, not %d", o.ID, o.PromptTokens, a.PromptTokens)
				}
			}
			for figure, counted := range map[string]float64{
				succeeded:    float64(len(s.seen)),
				firstTokens:  float64(len(s.seen)),
				promptTokens: s.sum(func(o *prober.Observation) int { return o.PromptTokens }),
				outputTokens: s.sum(func(o *prober.Observation) int { return o.OutputTokens }),
			} {
				if s.delta[figure] != counted || counted == 0 {
					t.Errorf("%s rose by %g, the prober counted %g", figure, s.delta[figure], counted)
				}
			}
		})
	}
}

// TestTimeToFirstToken: it is the server's own and the way there and back, on an
// idle server and when most of it is waiting for one's turn.
//
// vLLM stamps a request when its HTTP layer has decoded it, and the first token
// when it comes out of the engine, before it is turned into text and sent. So
// its figure leaves out what the prober's holds: connecting, HTTP both ways,
// JSON, and the turns of the server's event loop.
func TestTimeToFirstToken(t *testing.T) {
	const (
		rounds = 6
		limit  = 0.025 // seconds
		// fuzz, in seconds, is for vLLM's figure: its clock may be adjusted meanwhile.
		fuzz = 0.002
	)
	for name, tt := range map[string]struct {
		rate    float64
		n       int
		atLeast float64 // seconds of vLLM's own mean
	}{
		"idle":   {rate: 4, n: 24},
		"queued": {rate: 200, n: 8 * batchSize, atLeast: 0.1}, // a request alone takes 5 ms to its first token
	} {
		t.Run(name, func(t *testing.T) {
			// A busy machine can only add to the difference, so the best of some
			// rounds tells how exact the prober is; none may be below the server's.
			best := math.Inf(1)
			for round := 0; round < rounds && best >= limit; round++ {
				s := server.load(t, tt.n, func(p *config.Probe) { p.Ladder.Rates = []float64{tt.rate} })
				s.allOK(t)
				if s.delta[firstTokens] != float64(len(s.seen)) {
					t.Fatalf("vLLM saw %g first tokens, the prober %d", s.delta[firstTokens], len(s.seen))
				}
				own := s.delta[firstTokenTime] / s.delta[firstTokens]
				// The prober's own lateness is a figure of its own.
				ttft := s.meanSeconds((*prober.Observation).TTFT)
				lag := s.meanSeconds((*prober.Observation).SendLag)
				t.Logf("mean TTFT %.1f ms, of which send lag %.2f ms; vLLM's own %.1f ms", ttft*1e3, lag*1e3, own*1e3)
				if ttft < own-fuzz {
					t.Errorf("the mean TTFT is %.1f ms, less than vLLM's own, %.1f ms", ttft*1e3, own*1e3)
				}
				if own < tt.atLeast {
					t.Errorf("vLLM's mean is %.1f ms: nothing had to wait", own*1e3)
				}
				best = min(best, ttft-lag-own)
			}
			if best >= limit {
				t.Errorf("the mean TTFT exceeds vLLM's own by %.1f ms at best, more than %.0f ms", best*1e3, limit*1e3)
			}
		})
	}
}

// TestPrefixCache: the prefix cache gives nothing away, not even to the same
// prompts again, but where the workload shares a prefix; and the prober sees
// each token that it gave.
func TestPrefixCache(t *testing.T) {
	cached := func(o *prober.Observation) int { return o.CachedTokens }
	same := func(p *config.Probe) { p.Seed = 7 }

	first, second := server.load(t, 10, same), server.load(t, 10, same)
	w := config.Workload{
		Endpoint: config.Completions, PromptTokens: config.Length{Fixed: 64}, OutputTokens: config.Length{Fixed: 64},
	}
	if a, b := firstPrompt(t, first, w), firstPrompt(t, second, w); a != b {
		t.Fatalf("the two runs did not ask the same:\n%s\n%s", a, b)
	}
	for _, s := range []session{first, second} {
		s.allOK(t)
		if s.delta[prefixCacheHits] != 0 || s.sum(cached) != 0 {
			t.Errorf("%g tokens came from the prefix cache, the prober saw %g; none should", s.delta[prefixCacheHits], s.sum(cached))
		}
	}

	// The shared prefix is one block of vLLM's cache. Only those requests miss it
	// that come before the first one has been read.
	shared := server.load(t, 20, func(p *config.Probe) { p.Workload.SharedPrefixTokens = 32 })
	shared.allOK(t)
	if hits := shared.delta[prefixCacheHits]; hits < 32 || hits != shared.sum(cached) {
		t.Errorf("%g tokens came from the prefix cache, the prober saw %g", hits, shared.sum(cached))
	}
	for _, o := range shared.seen {
		if o.CachedTokens != 0 && o.CachedTokens != 32 {
			t.Errorf("request %s had %d tokens from the prefix cache, the prefix has 32", o.ID, o.CachedTokens)
		}
	}
}

func firstPrompt(t *testing.T, s session, w config.Workload) string {
	t.Helper()
	var body struct {
		Prompt json.RawMessage `json:"prompt"`
	}
	if err := json.Unmarshal(s.asked(t, w)[s.step.RunID+"-1-1"].Body, &body); err != nil {
		t.Fatal(err)
	}
	return string(body.Prompt)
}
