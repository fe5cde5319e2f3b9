package simulator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// drive offers Poisson load to n engines in turn and returns mean TTFT and TPOT.
func drive(t *testing.T, p Parameters, n int, rate float64, requests int) (ttft, tpot time.Duration, throughput float64) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var engines []*Engine
		for range n {
			engines = append(engines, NewEngine(ctx, p))
		}
		rng := rand.New(rand.NewPCG(1, 2))
		type took struct{ first, last time.Duration }
		results := make(chan took, requests)
		begin := time.Now()
		for i := range requests {
			time.Sleep(time.Duration(rng.ExpFloat64() / rate * 1e9))
			at := time.Now().Add(-p.Frontend)
			s := engines[i%n].Submit(FieldReportPrompt, 0, FieldReportOutput)
			go func() {
				first := (<-s.Tokens).Sub(at)
				last := first
				for token := range s.Tokens {
					last = token.Sub(at)
				}
				results <- took{first, last}
			}()
		}
		for range requests {
			r := <-results
			ttft += r.first
			tpot += (r.last - r.first) / (FieldReportOutput - 1)
		}
		throughput = float64(requests) / time.Since(begin).Seconds()
		ttft /= time.Duration(requests)
		tpot /= time.Duration(requests)
		cancel()
	})
	return
}

func TestCalibrate(t *testing.T) {
	p := FieldReport()
	fmt.Println("capacity", p.Capacity(FieldReportPrompt, FieldReportOutput))
	for _, c := range []struct {
		n    int
		rate float64
	}{{1, 10}, {4, 10}, {4, 20}, {4, 30}, {4, 40}, {4, 50}, {4, 60}} {
		a, b, _ := drive(t, p, c.n, c.rate, 20000)
		e, f, _ := p.Expected(c.rate/float64(c.n), FieldReportPrompt, FieldReportOutput)
		fmt.Println(c.n, c.rate, a, b, "expected", e, f)
	}
	a, b, x := drive(t, p, 1, 20, 200)
	fmt.Println("short 1x20", a, b, x)
	a, b, x = drive(t, p, 1, 20, 1000)
	fmt.Println("long 1x20", a, b, x)
}
