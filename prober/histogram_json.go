package prober

import (
	"encoding/json"
	"errors"
	"fmt"
)

// histogramSchema is the schema of the Prometheus native histogram that has the
// buckets of a Histogram: 2^7 of them an octave.
const histogramSchema = 7

// A time.Duration that is longer than 0 lies within these buckets.
const (
	lowestBucket  = -30 * bucketsPerOctave
	highestBucket = 34 * bucketsPerOctave
)

// histogramJSON is a Histogram as it is written.
type histogramJSON struct {
	Schema  int            `json:"schema"`
	Count   uint64         `json:"count"`
	Sum     float64        `json:"sum"`
	Max     float64        `json:"max"`
	Zero    uint64         `json:"zero,omitempty"`
	Buckets map[int]uint64 `json:"buckets,omitempty"`
}

// MarshalJSON writes the histogram without loss: its buckets that are not empty
// by their index, of which i holds (2^((i-1)/128), 2^(i/128)] seconds.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	return json.Marshal(histogramJSON{histogramSchema, h.count, h.sum, h.max, h.zero, h.counts})
}

// UnmarshalJSON reads what MarshalJSON has written and refuses what no Histogram
// can be.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var read histogramJSON
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	if read.Schema != histogramSchema {
		return fmt.Errorf("histogram of schema %d; allowed: %d", read.Schema, histogramSchema)
	}
	if read.Sum < 0 || read.Max < 0 {
		return errors.New("histogram of times below 0")
	}
	total := read.Zero
	for bucket, n := range read.Buckets {
		if bucket < lowestBucket || bucket > highestBucket {
			return fmt.Errorf("histogram with bucket %d; allowed: %d to %d", bucket, lowestBucket, highestBucket)
		}
		if total+n < total {
			return fmt.Errorf("histogram of more than can be counted, with %d in bucket %d", n, bucket)
		}
		total += n
	}
	if total != read.Count {
		return fmt.Errorf("histogram of %d with %d in its buckets", read.Count, total)
	}
	*h = Histogram{counts: read.Buckets, zero: read.Zero, count: read.Count, sum: read.Sum, max: read.Max}
	return nil
}
