//go:build linux && cgo

package gpu

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// xids are the XID errors of one GPU since this process began to look.
type xids struct {
	count int
	last  map[uint64]time.Time // by the error's number
}

func (x *xids) add(number uint64, at time.Time) {
	if x.last == nil {
		x.last = map[uint64]time.Time{}
	}
	x.count++
	x.last[number] = at
}

func (x *xids) values() []Value {
	values := []Value{{Metric: XIDErrors, Value: float64(x.count)}}
	for _, number := range slices.Sorted(maps.Keys(x.last)) {
		values = append(values, Value{
			Metric: XIDLastSeconds, Label: strconv.FormatUint(number, 10), Value: float64(x.last[number].UnixMilli()) / 1e3,
		})
	}
	return values
}

// listen makes the driver keep a GPU's XID errors for us; each GPU has a set of
// its own, because the handle in an event is of no use once the GPU is lost.
func (r *Reader) listen(d nvml.Device) nvml.EventSet {
	if !r.has("nvmlEventSetCreate") || !r.has("nvmlDeviceRegisterEvents") || !r.has("nvmlEventSetWait_v2", "nvmlEventSetWait") {
		return nil
	}
	set, ret := r.lib.EventSetCreate()
	if ret != nvml.SUCCESS {
		return nil
	}
	if d.RegisterEvents(nvml.EventTypeXidCriticalError, set) != nvml.SUCCESS {
		if r.has("nvmlEventSetFree") {
			_ = set.Free() // there is nothing in it
		}
		return nil
	}
	return set
}

// The wait for an event is the shortest that NVML knows, and a GPU that reports
// without end does not keep a round from ending.
const (
	eventWait = 1 // in milliseconds
	maxEvents = 100
)

// readEvents takes the XID errors that the driver kept since the last round.
func (r *Reader) readEvents(d *device) nvml.Return {
	if d.events == nil {
		return nvml.SUCCESS
	}
	for range maxEvents {
		event, ret := d.events.Wait(eventWait)
		switch {
		case isLoss(ret):
			return ret
		case ret != nvml.SUCCESS: // a timeout, as a rule: there are no more
			return nvml.SUCCESS
		case event.EventType == nvml.EventTypeXidCriticalError:
			r.xids[d.identity.UUID].add(event.EventData, time.Now())
		}
	}
	return nvml.SUCCESS
}
