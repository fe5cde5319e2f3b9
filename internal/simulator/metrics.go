package simulator

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
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
	vllmLengthBuckets = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000}
)

// replicaMetrics are a replica's /metrics, under vLLM's names.
type replicaMetrics struct {
	registry *prometheus.Registry

	// Of every request that had a token.
	ttft, itl prometheus.Histogram
	// Of every complete request.
	tpot, e2e, queue, inference, prefill, decode prometheus.Histogram
	prompt, output, asked, computed              prometheus.Histogram
	success                                      *prometheus.CounterVec
}

func newReplicaMetrics(r *Replica) *replicaMetrics {
	m := &replicaMetrics{registry: prometheus.NewRegistry()}
	engine := prometheus.WrapRegistererWith(prometheus.Labels{"engine": "0"}, m.registry)
	with := prometheus.WrapRegistererWith(prometheus.Labels{"model_name": r.o.Model}, engine)
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		with.MustRegister(h)
		return h
	}
	m.ttft = histogram("vllm:time_to_first_token_seconds", "From a request's arrival to its first token.", vllmTTFTBuckets)
	m.itl = histogram("vllm:inter_token_latency_seconds", "Between two tokens of a request.", vllmTokenBuckets)
	m.tpot = histogram("vllm:request_time_per_output_token_seconds", "Mean time between a request's tokens.", vllmTokenBuckets)
	m.e2e = histogram("vllm:e2e_request_latency_seconds", "From a request's arrival to its last token.", vllmRequestBuckets)
	m.queue = histogram("vllm:request_queue_time_seconds", "Time in the queue.", vllmRequestBuckets)
	m.inference = histogram("vllm:request_inference_time_seconds", "Time in a slot.", vllmRequestBuckets)
	m.prefill = histogram("vllm:request_prefill_time_seconds", "Time in a slot up to the first token.", vllmRequestBuckets)
	m.decode = histogram("vllm:request_decode_time_seconds", "Time from the first token to the last.", vllmRequestBuckets)
	m.prompt = histogram("vllm:request_prompt_tokens", "Tokens of a prompt.", vllmLengthBuckets)
	m.output = histogram("vllm:request_generation_tokens", "Tokens of an answer.", vllmLengthBuckets)
	m.asked = histogram("vllm:request_params_max_tokens", "Tokens that a request asked for.", vllmLengthBuckets)
	m.computed = histogram("vllm:request_prefill_kv_computed_tokens", "Tokens of a prompt that the prefix cache did not hold.", vllmLengthBuckets)
	m.success = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vllm:request_success_total", Help: "Complete requests.",
	}, []string{"finished_reason"})
	with.MustRegister(m.success)
	for _, reason := range []string{"stop", "length", "abort", "error", "repetition"} {
		m.success.WithLabelValues(reason)
	}
	m.ofEngine(with, r.engine)

	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "vllm:cache_config_info", Help: "The KV cache's size.",
		ConstLabels: prometheus.Labels{
			"block_size": strconv.Itoa(BlockSize), "num_gpu_blocks": strconv.Itoa(r.o.Parameters.KVBlocks), "enable_prefix_caching": "True",
		},
	})
	info.Set(1)
	engine.MustRegister(info)

	// Of this replica and not of the process, which all replicas share.
	start := prometheus.NewGauge(prometheus.GaugeOpts{Name: "process_start_time_seconds", Help: "When the replica started, in Unix seconds."})
	start.SetToCurrentTime()
	m.registry.MustRegister(start)
	return m
}

// ofEngine registers what the engine itself counts.
func (m *replicaMetrics) ofEngine(with prometheus.Registerer, e *Engine) {
	gauge := func(name, help string, labels prometheus.Labels, value func(State) float64) {
		with.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return value(e.State()) }))
	}
	waiting := func(s State) float64 { return float64(s.Waiting) }
	gauge("vllm:num_requests_running", "Requests in slots.", nil, func(s State) float64 { return float64(s.Running) })
	gauge("vllm:num_requests_waiting", "Requests in the queue.", nil, waiting)
	const byReason = "vllm:num_requests_waiting_by_reason"
	gauge(byReason, "Requests in the queue, by what they wait for.", prometheus.Labels{"reason": "capacity"}, waiting)
	gauge(byReason, "Requests in the queue, by what they wait for.", prometheus.Labels{"reason": "deferred"}, func(State) float64 { return 0 })
	gauge("vllm:kv_cache_usage_perc", "Share of the KV cache in use, from 0 to 1.", nil, func(s State) float64 { return s.KVCacheUsage })

	counter := func(name, help string, value func(totals) int) {
		with.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(value(e.counted())) }))
	}
	counter("vllm:prompt_tokens_total", "Tokens of prompts.", func(t totals) int { return t.prompt })
	counter("vllm:prompt_tokens_cached_total", "Tokens of prompts that the prefix cache held.", func(t totals) int { return t.cached })
	counter("vllm:generation_tokens_total", "Tokens of answers.", func(t totals) int { return t.output })
	counter("vllm:prefix_cache_queries_total", "Tokens that the prefix cache was asked for.", func(t totals) int { return t.queried })
	counter("vllm:prefix_cache_hits_total", "Tokens that the prefix cache held.", func(t totals) int { return t.cached })
	counter("vllm:num_preemptions_total", "Requests that lost their slot.", func(totals) int { return 0 })
}

// serve writes the text format whatever the client accepts, as vLLM does.
func (m *replicaMetrics) serve(w http.ResponseWriter, _ *http.Request) {
	families, err := m.registry.Gather()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=1.0.0; charset=utf-8")
	encoder := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return // the client is gone
		}
	}
}

// observe takes a request whose answer has ended.
func (m *replicaMetrics) observe(s *Sequence, a *answer) {
	if a.reason == "" {
		return
	}
	m.success.WithLabelValues(a.reason).Inc()
	decode := a.last.Sub(a.first).Seconds()
	m.tpot.Observe(decode / float64(max(a.sent-1, 1))) // 0 for an answer of one token, as in vLLM
	m.e2e.Observe(a.last.Sub(a.began).Seconds())
	m.queue.Observe(s.admitted.Sub(s.arrived).Seconds())
	m.inference.Observe(a.last.Sub(s.admitted).Seconds())
	m.prefill.Observe(a.first.Sub(s.admitted).Seconds())
	m.decode.Observe(decode)
	m.prompt.Observe(float64(s.Prompt))
	m.output.Observe(float64(a.sent))
	m.asked.Observe(float64(s.Output))
	m.computed.Observe(float64(s.Prompt - s.Cached))
}
