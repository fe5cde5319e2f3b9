package simulator

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// with is the field report's engine with a change.
func with(change func(*Parameters)) Parameters {
	p := FieldReport()
	change(&p)
	return p
}

// saturated are engines with what bounds them, and their capacity by hand: the
// requests that enter an iteration over its length in milliseconds.
var saturated = map[string]struct {
	p        Parameters
	s        shape
	capacity float64
}{
	"slots, with prefill": {
		FieldReport(), fieldReportShape,
		50. / 43 / (27.3 + 50*.24 + 50*50*.01 + 128*50./43*.04) * 1000,
	},
	"slots, without prefill": {
		with(func(p *Parameters) { p.PerPrefillToken = 0 }), fieldReportShape,
		50. / 43 / (27.3 + 50*.24 + 50*50*.01) * 1000,
	},
	"KV cache: 600 blocks hold eight of 75": {
		with(func(p *Parameters) { p.KVBlocks, p.MaxModelLen = 600, 2000 }),
		shape{1000, 200},
		8. / 200 / (27.3 + 8*.24 + 8*8*.01 + 1000*8./200*.04) * 1000,
	},
	"batched tokens: one prompt in each iteration": {
		with(func(p *Parameters) { p.MaxNumSeqs = 256 }),
		shape{2000, 10},
		1 / (27.3 + 10*.24 + 10*10*.01 + 2000*.04) * 1000,
	},
	"a prompt longer than an iteration may compute": {
		with(func(p *Parameters) { p.MaxBatchedTokens = 100 }), fieldReportShape,
		1 / (27.3 + 43*.24 + 43*43*.01 + 128*.04) * 1000,
	},
	"small: one slot": {
		with(func(p *Parameters) { p.MaxNumSeqs = 1 }),
		shape{16, 5},
		1. / 5 / (27.3 + .24 + .01 + 16/5.*.04) * 1000,
	},
	"large: 512 slots": {
		with(func(p *Parameters) { p.MaxNumSeqs, p.PerSequence, p.PerSequenceSquared = 512, 20*time.Microsecond, 0 }),
		shape{64, 60},
		512. / 60 / (27.3 + 512*.02 + 64*512./60*.04) * 1000,
	},
	"answers of one token": {
		with(func(p *Parameters) { p.MaxNumSeqs = 8 }),
		shape{32, 1},
		8 / (27.3 + 8*.24 + 8*8*.01 + 32*8*.04) * 1000,
	},
}

func TestASaturatedEngineCompletesItsCapacity(t *testing.T) {
	for name, tt := range saturated {
		t.Run(name, func(t *testing.T) {
			near(t, "Capacity", tt.p.Capacity(tt.s.prompt, tt.s.output), tt.capacity, 1e-9)
			// All requests are there at once. The window begins when the engine has
			// been full for two generations of requests and ends while it still is.
			running, _ := tt.p.full(tt.s.prompt, tt.s.output)
			generation := int(running)
			results := offer(t, tt.p, 1, tt.s, make([]time.Duration, 12*generation))
			ends := make([]time.Duration, 0, len(results))
			for _, r := range results {
				ends = append(ends, r.end)
			}
			slices.Sort(ends)
			from, to := 2*generation, 10*generation
			completed := float64(to - from)
			near(t, "throughput", completed/(ends[to]-ends[from]).Seconds(), tt.capacity, 0.02)
		})
	}
}

// Up to three quarters of the capacity the closed forms hold within 3%.
func TestBelowCapacityRequestsGetWhatIsExpected(t *testing.T) {
	for name, tt := range saturated {
		if !slices.Contains([]string{"slots, with prefill", "slots, without prefill", "large: 512 slots"}, name) {
			continue // chance fills what bounds them far below the capacity
		}
		for _, load := range []float64{0.05, 0.25, 0.5, 0.75} {
			t.Run(fmt.Sprintf("%s at %g of the capacity", name, load), func(t *testing.T) {
				rate := load * tt.capacity
				ttft, tpot, ok := tt.p.Expected(rate, tt.s.prompt, tt.s.output)
				if !ok {
					t.Fatal("Expected says that the capacity is reached")
				}
				gotTTFT, gotTPOT := means(steady(offer(t, tt.p, 1, tt.s, poisson(1, rate, 2500))))
				near(t, "mean TTFT in ms", milliseconds(gotTTFT), milliseconds(ttft), 0.03)
				near(t, "mean TPOT in ms", milliseconds(gotTPOT), milliseconds(tpot), 0.03)
			})
		}
	}
}

func TestNothingIsExpectedAtTheCapacity(t *testing.T) {
	p := FieldReport()
	c := p.Capacity(128, 43)
	for _, rate := range []float64{c, 2 * c} {
		if _, _, ok := p.Expected(rate, 128, 43); ok {
			t.Errorf("at %.2f of %.2f requests per second something is expected", rate, c)
		}
	}
}

// A lone request waits for nothing: its prompt, then its tokens.
func TestALoneRequest(t *testing.T) {
	got := offer(t, FieldReport(), 1, fieldReportShape, []time.Duration{time.Second})[0]
	decode := 27300*time.Microsecond + 240*time.Microsecond + 10*time.Microsecond
	if want := 2*time.Millisecond + decode + 128*40*time.Microsecond; got.ttft != want {
		t.Errorf("TTFT %s, want %s", got.ttft, want)
	}
	if got.tpot != decode {
		t.Errorf("TPOT %s, want %s", got.tpot, decode)
	}
}
