//go:build linux && cgo

package gpu

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Measure implements Source. It begins nothing and ends nothing: a driver that is
// gone is left to Read.
func (r *Reader) Measure(uuids []string) ([]Reading, error) {
	if r.began.IsZero() {
		return nil, errors.New("the GPUs have not been found yet, or are lost")
	}
	measured := make([]Reading, len(uuids))
	for i, uuid := range uuids {
		at := slices.IndexFunc(r.devices, func(d *device) bool { return d.identity.UUID == uuid })
		if at < 0 {
			return nil, fmt.Errorf("there is no GPU %s on this machine", uuid)
		}
		q := &query{reader: r, device: r.devices[at]}
		before := time.Now()
		q.readEnergy()
		measured[i].At = before.Add(time.Since(before) / 2)
		q.readUtilization()
		q.readClockEvents()
		if q.lost != nvml.SUCCESS {
			return nil, fmt.Errorf("GPU %s: %s", uuid, problem(q.lost))
		}
		measured[i].UUID, measured[i].Values = uuid, q.values
	}
	return measured, nil
}
