package prober

import (
	"math"
	"slices"
	"time"
)

// bucketsPerOctave gives Histogram a relative error of at most 2^(1/256)−1, or
// 0.27%: its buckets are those of a Prometheus native histogram of schema 7.
const bucketsPerOctave = 128

// Histogram counts durations in exponential buckets, for latencies of which
// there are too many to keep: one for every token. Two can be merged without
// loss. The zero Histogram is empty and ready.
type Histogram struct {
	counts map[int]uint64 // bucket i holds (2^((i-1)/128), 2^(i/128)] seconds
	zero   uint64         // not longer than 0
	count  uint64
	sum    float64
	max    float64
}

// Observe counts n durations of d.
func (h *Histogram) Observe(d time.Duration, n int) {
	seconds := d.Seconds()
	h.count += uint64(n)
	h.sum += seconds * float64(n)
	h.max = max(h.max, seconds)
	if d <= 0 {
		h.zero += uint64(n)
		return
	}
	if h.counts == nil {
		h.counts = map[int]uint64{}
	}
	h.counts[int(math.Ceil(math.Log2(seconds)*bucketsPerOctave))] += uint64(n)
}

// Merge adds all that other counted.
func (h *Histogram) Merge(other *Histogram) {
	for bucket, n := range other.counts {
		if h.counts == nil {
			h.counts = map[int]uint64{}
		}
		h.counts[bucket] += n
	}
	h.zero += other.zero
	h.count += other.count
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// Buckets calls yield for each bucket that is not empty, in rising order, with
// its geometric middle in seconds and its count.
func (h *Histogram) Buckets(yield func(seconds float64, n uint64) bool) {
	if h.zero > 0 && !yield(0, h.zero) {
		return
	}
	order := make([]int, 0, len(h.counts))
	for bucket := range h.counts {
		order = append(order, bucket)
	}
	slices.Sort(order)
	for _, bucket := range order {
		if !yield(math.Exp2((float64(bucket)-0.5)/bucketsPerOctave), h.counts[bucket]) {
			return
		}
	}
}

// Distribution sums the histogram up: count, mean and maximum exactly, the
// quantiles by nearest rank to within a bucket's error.
func (h *Histogram) Distribution() Distribution {
	if h.count == 0 {
		return Distribution{}
	}
	d := Distribution{Count: int(h.count), Mean: h.sum / float64(h.count), Max: h.max}
	for q, p := range map[float64]*float64{0.50: &d.P50, 0.90: &d.P90, 0.95: &d.P95, 0.99: &d.P99} {
		rank, seen := uint64(math.Ceil(q*float64(h.count))), uint64(0)
		for seconds, n := range h.Buckets {
			if seen += n; seen >= rank {
				*p = min(seconds, h.max)
				break
			}
		}
	}
	return d
}
