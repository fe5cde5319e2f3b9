package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"vllm_prober/collector"
	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// The steps whose series are scraped, and the requests measured in each.
const (
	targets         = 5
	ratesOfEach     = 100
	steps           = targets * ratesOfEach
	requestsOfAStep = 200
)

// expositionPart serves the metrics of a daemon that has made many steps, and
// makes one more when it is asked for /step: the
// real page and the real collector, told of steps that no one made.
func expositionPart(string) error {
	cfg := &config.Config{}
	probe := config.DefaultProbe()
	probe.Name = "many"
	for i := range ratesOfEach {
		probe.Ladder.Rates = append(probe.Ladder.Rates, float64(10*(i+1)))
	}
	for i := range targets {
		target := config.DefaultTarget()
		target.Name, target.Replicas, target.BatchSize = fmt.Sprintf("target-%d", i), []string{"http://127.0.0.1:1"}, 16
		cfg.Targets = append(cfg.Targets, target)
		probe.Arms = append(probe.Arms, config.Arm{Target: target.Name})
	}
	metrics := collector.NewProbe(cfg, probe)
	for i, a := range probe.Arms {
		for _, rate := range probe.Ladder.Rates {
			metrics.StepEnded(inventedStep(prober.ArmOf(a, cfg.Targets[i]), rate))
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	page := collector.NewPage(registry)
	page.Add(metrics)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", page)
	mux.HandleFunc("GET /step", func(http.ResponseWriter, *http.Request) {
		metrics.StepEnded(inventedStep(prober.ArmOf(probe.Arms[0], cfg.Targets[0]), probe.Ladder.Rates[0]))
	})
	listener, err := listen()
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	return http.Serve(listener, mux) //nolint:gosec // ends with the measurement
}

// inventedStep has latencies that spread as a server's do: lognormal, by half.
func inventedStep(a prober.Arm, rate float64) *prober.StepResult {
	spread := func(median time.Duration) time.Duration {
		return time.Duration(float64(median) * math.Exp(rand.NormFloat64()/2))
	}
	r := &prober.StepResult{
		Step:    prober.Step{Arm: a, RequestRate: rate, Window: 30 * time.Second},
		Offered: requestsOfAStep, Completed: requestsOfAStep, Good: requestsOfAStep, ITL: &prober.Histogram{},
	}
	for i := range requestsOfAStep {
		first := spread(firstToken)
		r.Measured = append(r.Measured, prober.Observation{
			ID: fmt.Sprintf("20261124T190558Z-f8e8-1-%d", i), Phase: prober.Window, Outcome: prober.OK,
			FirstToken: first, LastToken: first + (outputTokens-1)*spread(nextToken), OutputTokens: outputTokens,
		})
		for range outputTokens - 1 {
			r.ITL.Observe(spread(nextToken), 1)
		}
	}
	return r
}
