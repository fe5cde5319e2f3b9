package simulator

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// vLLM's own buckets, as its release 0.32 has them.
var (
	vllmTTFTBuckets = []float64{
		.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
	}
	vllmTokenBuckets = []float64{
		.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
	}
	vllmRequestBuckets = []float64{
		.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
	}
)

// replicaMetrics are a replica's /metrics, under vLLM's names.
type replicaMetrics struct {
	registry *prometheus.Registry

	ttft, itl, tpot, e2e, queue, prefill, decode prometheus.Histogram
	success                                      prometheus.Counter
}

func newReplicaMetrics(r *Replica) *replicaMetrics {
	m := &replicaMetrics{registry: prometheus.NewRegistry()}
	labels := prometheus.Labels{"model_name": r.o.Model, "engine": "0"}
	with := prometheus.WrapRegistererWith(labels, m.registry)
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		with.MustRegister(h)
		return h
	}
	m.ttft = histogram("vllm:time_to_first_token_seconds", "Histogram of time to first token in seconds.", vllmTTFTBuckets)
	m.itl = histogram("vllm:inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", vllmTokenBuckets)
	m.tpot = histogram("vllm:request_time_per_output_token_seconds", "Histogram of time per output token per request.", vllmTokenBuckets)
	m.e2e = histogram("vllm:e2e_request_latency_seconds", "Histogram of end-to-end request latency in seconds.", vllmRequestBuckets)
	m.queue = histogram("vllm:request_queue_time_seconds", "Histogram of time spent waiting.", vllmRequestBuckets)
	m.prefill = histogram("vllm:request_prefill_time_seconds", "Histogram of time spent in prefill.", vllmRequestBuckets)
	m.decode = histogram("vllm:request_decode_time_seconds", "Histogram of time spent in decode.", vllmRequestBuckets)
	m.success = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "vllm:request_success_total", Help: "Count of successfully processed requests.",
		ConstLabels: prometheus.Labels{"finished_reason": "length"},
	})
	with.MustRegister(m.success)

	gauge := func(name, help string, value func(State) float64) {
		with.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return value(r.engine.State()) }))
	}
	gauge("vllm:num_requests_running", "Number of requests in model execution batches.", func(s State) float64 { return float64(s.Running) })
	gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.", func(s State) float64 { return float64(s.Waiting) })
	gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", func(s State) float64 { return s.KVCacheUsage })
	counter := func(name, help string, value func(finishedTotals) int) {
		with.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(value(r.engine.totals())) }))
	}
	counter("vllm:prompt_tokens_total", "Number of prefill tokens processed.", func(t finishedTotals) int { return t.promptTokens })
	counter("vllm:generation_tokens_total", "Number of generation tokens processed.", func(t finishedTotals) int { return t.outputTokens })
	counter("vllm:prefix_cache_queries_total", "Prefix cache queries, in tokens.", func(t finishedTotals) int { return t.promptTokens })
	counter("vllm:prefix_cache_hits_total", "Prefix cache hits, in tokens.", func(t finishedTotals) int { return t.cachedTokens })
	counter("vllm:num_preemptions_total", "Cumulative number of preemptions.", func(finishedTotals) int { return 0 })
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "vllm:cache_config_info", Help: "Information of the LLMEngine CacheConfig",
		ConstLabels: prometheus.Labels{
			"block_size": strconv.Itoa(BlockSize), "num_gpu_blocks": strconv.Itoa(r.o.Parameters.KVBlocks),
		},
	})
	info.Set(1)
	with.MustRegister(info)
	return m
}

func (m *replicaMetrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// observe takes a request that has ended.
func (m *replicaMetrics) observe(began time.Time, s *Sequence, a *answer) {
	if a.first.IsZero() {
		return
	}
	m.ttft.Observe(a.first.Sub(began).Seconds())
	m.queue.Observe(s.admitted.Sub(s.arrived).Seconds())
	m.prefill.Observe(a.first.Sub(s.admitted).Seconds())
	if !a.complete {
		return
	}
	m.success.Inc()
	m.e2e.Observe(a.last.Sub(began).Seconds())
	m.decode.Observe(a.last.Sub(a.first).Seconds())
	if a.sent > 1 {
		tpot := a.last.Sub(a.first).Seconds() / float64(a.sent-1)
		m.tpot.Observe(tpot)
		for range a.sent - 1 {
			m.itl.Observe(tpot)
		}
	}
}
