package collector

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
	"vllm_prober/internal/replica"
	"vllm_prober/prober"
)

// DefaultReplicaInterval is how often each replica is asked, unless told otherwise.
const DefaultReplicaInterval = 15 * time.Second

const (
	// answerLimit is how long a replica has for its answers, and never longer than
	// until it is asked again.
	answerLimit = 5 * time.Second
	// staleAfter is for how many intervals an answer counts.
	staleAfter = 3
	// startSpread is the part of the interval over which replicas are asked first,
	// so that not all are asked at the same time.
	startSpread = 0.1
)

// Replicas asks the replicas of all targets how they are, whether they are probed
// at the moment or not: each on its own and at its own times, so that one that
// hangs holds up neither another nor a scrape, which only sees what is known. As
// the prober's Observer it learns whether they stream.
type Replicas struct {
	prober.Silent

	interval time.Duration
	dial     prober.Dialer
	log      *slog.Logger
	asking   sync.WaitGroup

	mu       sync.Mutex
	replicas map[place]*asked
}

// place is where a replica stands in the configuration.
type place struct{ target, replica string }

// asked is one replica that is asked again and again.
type asked struct {
	place
	url    *url.URL
	of     config.Target
	reader *replica.Reader
	stop   context.CancelFunc

	// Of the Replicas' lock.
	reading *replica.Reading // the latest; nil before the first
	stream  stream
}

// NewReplicas makes the collector of no replicas yet. Each is asked once in an
// interval; dial makes connections, nil is TCP.
func NewReplicas(interval time.Duration, dial prober.Dialer, log *slog.Logger) *Replicas {
	return &Replicas{interval: interval, dial: dial, log: log, replicas: map[place]*asked{}}
}

// Set tells which replicas there are. Those that did not change are left alone,
// and the series of those that are gone go. With an error nothing has changed.
func (r *Replicas) Set(targets []config.Target) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := map[place]*asked{}
	for _, t := range targets {
		reader, err := replica.NewReader(t, r.dial, min(answerLimit, r.interval))
		if err != nil {
			return fmt.Errorf("collecting from replicas: %w", err)
		}
		for _, text := range t.Replicas {
			u, err := url.Parse(text)
			if err != nil {
				return fmt.Errorf("replica of target %q: %w", t.Name, err)
			}
			u = u.JoinPath("/")
			at := place{t.Name, prober.ReplicaName(u)}
			old := r.replicas[at]
			if old != nil && old.isOf(t) {
				next[at] = old
				continue
			}
			made := &asked{place: at, url: u, of: t, reader: reader}
			if old != nil {
				made.stream = old.stream
			}
			next[at] = made
		}
	}
	for at, old := range r.replicas {
		if next[at] != old {
			old.stop()
		}
	}
	for at, a := range next {
		if r.replicas[at] != a {
			ctx, stop := context.WithCancel(context.Background())
			a.stop = stop
			r.asking.Go(func() { r.ask(ctx, a) })
		}
	}
	r.replicas = next
	return nil
}

// isOf says whether a replica is still asked in the way that its target says.
func (a *asked) isOf(t config.Target) bool {
	return a.of.Model == t.Model && reflect.DeepEqual(a.of.HTTPClient, t.HTTPClient)
}

// Close stops asking, and returns once nothing is under way.
func (r *Replicas) Close() {
	r.mu.Lock()
	for _, a := range r.replicas {
		a.stop()
	}
	r.mu.Unlock()
	r.asking.Wait()
}

// ask asks a replica until ctx ends.
func (r *Replicas) ask(ctx context.Context, a *asked) {
	start := time.NewTimer(time.Duration(rand.Float64() * startSpread * float64(r.interval)))
	defer start.Stop()
	select {
	case <-start.C:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(r.interval)
	defer tick.Stop()
	for {
		reading := a.reader.Read(ctx, a.url)
		if ctx.Err() != nil {
			return
		}
		r.mu.Lock()
		before := a.reading
		a.reading = &reading
		r.mu.Unlock()
		r.tell(a.place, before, &reading)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// check is one thing that a replica is asked for, and why it did not answer; nil
// is that it did.
type check struct {
	name string
	err  error
}

func checksOf(r *replica.Reading) []check {
	return []check{{"health", r.Health}, {"models", r.Models}, {"metrics", r.Metrics}}
}

// tell logs what has changed.
func (r *Replicas) tell(at place, before, now *replica.Reading) {
	var were []check
	if before != nil {
		were = checksOf(before)
	}
	for i, is := range checksOf(now) {
		failed := were != nil && were[i].err != nil
		switch {
		case is.err != nil && !failed:
			r.log.Warn("a replica does not answer as it should", "target", at.target, "replica", at.replica, "check", is.name, "err", is.err)
		case is.err == nil && failed:
			r.log.Info("a replica answers again", "target", at.target, "replica", at.replica, "check", is.name)
		}
	}
}

// RequestEnded implements prober.Observer.
func (r *Replicas) RequestEnded(s prober.Step, o *prober.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.replicas[place{s.Arm.Target, o.Replica}]; a != nil {
		a.stream.take(s.StartedAt, o)
	}
}

// The metrics of replicas.
var (
	replicaLabels = []string{"target", "replica"}
	engineLabels  = with(replicaLabels, "engine")

	replicaUp = replicaDesc("up",
		"Whether a replica answered /health, /v1/models and /metrics when it was last asked, and whether the requests of the probes got tokens.",
		with(replicaLabels, "check"))
	replicaInfo = replicaDesc("info", "What a replica runs.",
		with(replicaLabels, "version", "model", "max_model_len", "block_size", "kv_cache_tokens"))
	replicaRead = replicaDesc("last_reading_timestamp_seconds", "When a replica was last asked, with or without an answer.", replicaLabels)
)

// ofEngines are the metrics of a replica's engines, with where their figures are.
var ofEngines = []struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	figure func(*replica.Rank) replica.Figure
}{
	{
		replicaDesc("requests_running", "Requests in an engine's slots.", engineLabels), prometheus.GaugeValue,
		func(r *replica.Rank) replica.Figure { return r.Running },
	},
	{
		replicaDesc("requests_waiting", "Requests in an engine's queue.", engineLabels), prometheus.GaugeValue,
		func(r *replica.Rank) replica.Figure { return r.Waiting },
	},
	{
		replicaDesc("kv_cache_usage_ratio", "Share of an engine's KV cache in use.", engineLabels), prometheus.GaugeValue,
		func(r *replica.Rank) replica.Figure { return r.KVCacheUsage },
	},
	{
		replicaDesc("preemptions_total", "Requests that lost their slot.", engineLabels), prometheus.CounterValue,
		func(r *replica.Rank) replica.Figure { return r.Preemptions },
	},
	{
		replicaDesc("prefix_cache_queries_total", "Tokens that an engine's prefix cache was asked for.", engineLabels), prometheus.CounterValue,
		func(r *replica.Rank) replica.Figure { return r.PrefixQueries },
	},
	{
		replicaDesc("prefix_cache_hits_total", "Tokens that an engine's prefix cache held.", engineLabels), prometheus.CounterValue,
		func(r *replica.Rank) replica.Figure { return r.PrefixHits },
	},
	{
		replicaDesc("prefix_cache_hit_ratio", "Share of its queries that a prefix cache held, of engines that count neither.", engineLabels),
		prometheus.GaugeValue, func(r *replica.Rank) replica.Figure { return r.PrefixHitRatio },
	},
}

func replicaDesc(name, help string, labels []string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_replica_"+name, help, labels, nil)
}

// Describe describes nothing: collectors that gather by themselves share some
// names.
func (r *Replicas) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (r *Replicas) Collect(metrics chan<- prometheus.Metric) {
	r.mu.Lock()
	known := make([]asked, 0, len(r.replicas))
	for _, a := range r.replicas {
		known = append(known, *a)
	}
	r.mu.Unlock()

	took, success := time.Duration(0), true
	for i := range known {
		a := &known[i]
		r.collect(metrics, a)
		if a.reading != nil {
			took = max(took, a.reading.Took)
			success = success && r.isFresh(a.reading) && a.reading.Health == nil && a.reading.Models == nil && a.reading.Metrics == nil
		}
	}
	tellCollection(metrics, "replica", took, success)
}

func (r *Replicas) isFresh(reading *replica.Reading) bool {
	return time.Since(reading.At) <= staleAfter*r.interval
}

// collect tells what is known of one replica.
func (r *Replicas) collect(metrics chan<- prometheus.Metric, a *asked) {
	tell := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, kind, value, append([]string{a.target, a.replica}, labels...)...)
	}
	var started time.Time
	if a.reading != nil && a.reading.Page != nil {
		started = time.UnixMilli(int64(a.reading.Page.ProcessStart.Value * 1000))
	}
	if up, shown := a.stream.isUp(started); shown {
		tell(replicaUp, prometheus.GaugeValue, oneIf(up), "stream")
	}
	if a.reading == nil {
		return
	}
	tell(replicaRead, prometheus.GaugeValue, unix(a.reading.At))
	if !r.isFresh(a.reading) {
		return
	}
	for _, c := range checksOf(a.reading) {
		tell(replicaUp, prometheus.GaugeValue, oneIf(c.err == nil), c.name)
	}
	page := a.reading.Page
	if page == nil {
		page = &replica.Page{}
	}
	if a.reading.Version != "" || a.reading.Model != "" || a.reading.Page != nil {
		tell(replicaInfo, prometheus.GaugeValue, 1, a.reading.Version, a.reading.Model,
			number(replica.Figure{Value: float64(a.reading.MaxModelLen), Known: a.reading.MaxModelLen > 0}),
			number(page.BlockSize), number(page.CacheTokens))
	}
	for engine, rank := range page.Ranks {
		for _, m := range ofEngines {
			if f := m.figure(rank); f.Known {
				tell(m.desc, m.kind, f.Value, engine)
			}
		}
	}
}

// number is a figure as a label, empty where it is not known.
func number(f replica.Figure) string {
	if !f.Known {
		return ""
	}
	return strconv.FormatFloat(f.Value, 'f', -1, 64)
}
