package serving

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
	"vllm_prober/prober"
)

// Reader returns what reads the GPUs of the replicas of some targets, beside the
// rounds of a poller, which knows what computes on them.
func Reader(poller *gpu.Poller, targets []config.Target) prober.ReadGPUs {
	return func(ctx context.Context, place prober.Place) ([]prober.GPUReading, error) {
		uuids, err := gpusAt(place, targets, poller)
		if err != nil {
			return nil, err
		}
		measured, err := poller.Measure(ctx, uuids)
		if err != nil {
			return nil, err
		}
		readings := make([]prober.GPUReading, len(measured))
		for i, m := range measured {
			readings[i] = readingOf(m)
		}
		return readings, nil
	}
}

// gpusAt are the GPUs of all replicas of a place. With an error those of one are
// not known, and the figures of the others would not be those of the place.
func gpusAt(place prober.Place, targets []config.Target, poller *gpu.Poller) (uuids []string, err error) {
	t := slices.IndexFunc(targets, func(t config.Target) bool { return t.Name == place.Target })
	if t < 0 {
		return nil, fmt.Errorf("there is no target %q", place.Target)
	}
	snapshot, fresh := poller.Fresh()
	machine := On(snapshot)
	for _, replica := range place.Replicas {
		of := machine.GPUs(targets[t], replica.String())
		switch {
		case len(of) == 0 && !fresh:
			return nil, errors.New("this machine's GPUs cannot be read")
		case len(of) == 0:
			return nil, fmt.Errorf("it is not known which GPUs serve %s: name them in gpu_uuids of target %q, if they are this machine's",
				replica, place.Target)
		}
		uuids = append(uuids, of...)
	}
	slices.Sort(uuids)
	return slices.Compact(uuids), nil
}

// readingOf is a reading as the prober has it.
func readingOf(m gpu.Reading) prober.GPUReading {
	r := prober.GPUReading{UUID: m.UUID, At: m.At, EnergyJoules: math.NaN(), UtilizationRatio: math.NaN(), ThrottledSeconds: map[string]float64{}}
	for _, v := range m.Values {
		switch v.Metric {
		case gpu.EnergyJoules:
			r.EnergyJoules = v.Value
		case gpu.UtilizationRatio:
			r.UtilizationRatio = v.Value
		case gpu.ClockEventSeconds:
			r.ThrottledSeconds[v.Label] = v.Value
		default:
		}
	}
	return r
}
