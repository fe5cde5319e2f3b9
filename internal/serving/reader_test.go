package serving

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
	"vllm_prober/prober"
)

// driver is a source with one snapshot, which notes what is measured.
type driver struct {
	snapshot gpu.Snapshot
	values   []gpu.Value
	err      error
	asked    []string
}

func (d *driver) Read() (*gpu.Snapshot, error) {
	s := d.snapshot
	s.At = time.Now()
	return &s, nil
}

func (d *driver) Measure(uuids []string) (readings []gpu.Reading, err error) {
	d.asked = uuids
	for _, uuid := range uuids {
		readings = append(readings, gpu.Reading{UUID: uuid, At: time.Now(), Values: d.values})
	}
	return readings, d.err
}

// reading reads a place's GPUs beside a poller that has made its first round.
func reading(t *testing.T, d *driver, targets []config.Target, place prober.Place, look func(readings []prober.GPUReading, err error)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		ctx, end := context.WithCancel(context.Background())
		poller := gpu.NewPoller(d, time.Minute, slog.New(slog.DiscardHandler))
		go poller.Run(ctx)
		synctest.Wait()
		look(Reader(poller, targets)(ctx, place))
		end()
	})
}

func placeOf(t *testing.T, target string, replicas ...string) prober.Place {
	t.Helper()
	place := prober.Place{Target: target}
	for _, r := range replicas {
		u, err := url.Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		place.Replicas = append(place.Replicas, u)
	}
	return place
}

// The GPUs of all the replicas are read, each once, whether configured or found.
func TestReader(t *testing.T) {
	d := &driver{
		snapshot: gpu.Snapshot{GPUs: []gpu.GPU{{UUID: "GPU-0", Processes: process("127.0.0.1:8001")}}},
		values: []gpu.Value{
			{Metric: gpu.EnergyJoules, Value: 12.5},
			{Metric: gpu.MemoryActivityRatio, Value: 0.3},
			{Metric: gpu.ClockEventSeconds, Label: "sw_power_cap", Value: 2},
		},
	}
	targets := []config.Target{{Name: "t", Replicas: []string{"http://a", "http://b", "http://127.0.0.1:8001"}, GPUUUIDs: [][]string{{"GPU-2", "GPU-1"}, {"GPU-2"}}}}
	place := placeOf(t, "t", "http://a/", "http://b/", "http://127.0.0.1:8001/")
	reading(t, d, targets, place, func(got []prober.GPUReading, err error) {
		if want := []string{"GPU-0", "GPU-1", "GPU-2"}; err != nil || !slices.Equal(d.asked, want) || len(got) != 3 {
			t.Fatalf("asked for %v, want %v: %+v, %v", d.asked, want, got, err)
		}
		r := got[1]
		if r.UUID != "GPU-1" || r.EnergyJoules != 12.5 || !math.IsNaN(r.UtilizationRatio) || len(r.ThrottledSeconds) != 1 || r.ThrottledSeconds["sw_power_cap"] != 2 {
			t.Errorf("%+v", r)
		}
	})
}

// The figures of a part would not be those of the place, so it is all or nothing.
func TestReaderOfUnknownGPUs(t *testing.T) {
	targets := []config.Target{{Name: "t", Replicas: []string{"http://a", "http://b"}, GPUUUIDs: [][]string{{"GPU-1"}}}}
	for want, place := range map[string]prober.Place{
		"which GPUs serve http://b/": placeOf(t, "t", "http://a/", "http://b/"),
		`no target "u"`:              placeOf(t, "u", "http://a/"),
	} {
		reading(t, &driver{}, targets, place, func(got []prober.GPUReading, err error) {
			if got != nil || err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v, %v, want %s", got, err, want)
			}
		})
	}
	unread := gpu.NewPoller(&driver{}, time.Minute, slog.New(slog.DiscardHandler))
	if _, err := Reader(unread, targets)(t.Context(), placeOf(t, "t", "http://b/")); err == nil || err.Error() != "this machine's GPUs cannot be read" {
		t.Errorf("on a machine without GPUs: %v", err)
	}
	reading(t, &driver{err: errors.New("lost")}, targets, placeOf(t, "t", "http://a/"), func(got []prober.GPUReading, err error) {
		if got != nil || err == nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
