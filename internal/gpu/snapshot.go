// Package gpu reads what NVIDIA's GPUs of this machine tell of themselves, with
// NVML. It needs Linux and cgo; anywhere else it says so.
package gpu

import (
	"errors"
	"net/netip"
	"time"
)

// Snapshot is what all GPUs told in one round.
type Snapshot struct {
	// At is when the round began.
	At time.Time
	// Driver is the driver's version, such as 550.54.15, and CUDA the newest
	// version of CUDA that it can do, such as 12.4. What is not known is empty.
	Driver, CUDA string
	GPUs         []GPU
}

// GPU is what one GPU told.
type GPU struct {
	// UUID names the GPU for ever, Index until the machine starts anew.
	UUID     string
	Index    int
	Name     string
	PCIBusID string
	// Up says that the GPU answers. One that was there and is lost is not up, and
	// has no values but the counts of its XID errors.
	Up bool
	// Values are what the GPU and its driver offer. What they do not is absent.
	Values    []Value
	Instances []Instance
	Processes []Process
}

// Value is one figure.
type Value struct {
	Metric Metric
	// Label is the value of the metric's label, where it has one.
	Label string
	Value float64
}

// Instance is a MIG instance of a GPU.
type Instance struct {
	UUID, Name                   string
	GPUInstance, ComputeInstance int
	Values                       []Value
}

// Process is a process that computes on a GPU.
type Process struct {
	// PID is the process's number as the driver tells it: in the namespace of
	// this process, or else in that of the host.
	PID int
	// MemoryBytes is negative where the driver does not tell.
	MemoryBytes int64
	// Listens is where the process, or one that it descends from, listens, in the
	// network of this process.
	Listens []netip.AddrPort
	// Pod is the UID of the Kubernetes pod that the process is in; empty outside
	// of one.
	Pod string
}

// Reading is what one GPU had done by one moment.
type Reading struct {
	UUID string
	// At is when the energy was read.
	At time.Time
	// Values are its energy, its utilisation and for how long its clocks were held
	// down, as far as the GPU offers them.
	Values []Value
}

// Source reads GPUs. Its calls may hang, as NVML's do when a driver is in trouble,
// and there is never more than one at a time.
type Source interface {
	// Read reads all GPUs. A snapshot beside an error is of those that could be
	// read.
	Read() (*Snapshot, error)
	// Measure reads in short what some GPUs did, once Read has found them.
	Measure(uuids []string) ([]Reading, error)
}

// ErrUnavailable says that this binary cannot read GPUs.
var ErrUnavailable = errors.New("this binary was built without NVML, which needs Linux and CGO_ENABLED=1")
