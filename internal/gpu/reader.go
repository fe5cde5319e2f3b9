//go:build linux && cgo

package gpu

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// NVML returns what reads the GPUs with the driver's own library, which need not
// be there yet: it is loaded when it is.
func NVML() (Source, error) { return NewReader(nvml.New()), nil }

// Reader is the Source over an NVML.
//
// Two things end a process that uses NVML: a call of a function that the driver's
// library lacks, and any call before the library is loaded. So nothing here calls
// a function without asking has for it, and nothing is called before Init has
// succeeded.
type Reader struct {
	lib     nvml.Interface
	symbols map[string]bool // what has has found
	devices []*device
	began   time.Time // when NVML was last begun; zero while it is not
	driver  string
	cuda    string

	// What outlives a reload of the driver: who was there, and what befell them.
	known map[string]GPU
	xids  map[string]*xids
}

// device is a GPU that NVML has found.
type device struct {
	nvml.Device
	identity GPU
	events   nvml.EventSet // nil where the driver offers none
	gpm      *gpm          // nil where the GPU offers none
	// instances are how its MIG instances are watched, by their GPU instance's number.
	instances map[int]*gpm
	links     links
}

// retryLost is how often NVML is begun anew while a GPU is lost, which is what
// finds one that was reset.
const retryLost = time.Minute

// NewReader returns a reader over an NVML that has not been begun.
func NewReader(lib nvml.Interface) *Reader {
	return &Reader{lib: lib, known: map[string]GPU{}, xids: map[string]*xids{}}
}

// errDriverGone says that NVML has to be begun anew.
var errDriverGone = errors.New("the driver is gone")

// Read implements Source.
func (r *Reader) Read() (*Snapshot, error) {
	now := time.Now()
	if r.began.IsZero() {
		if err := r.begin(); err != nil {
			return nil, err
		}
		r.began = now
	}
	s := &Snapshot{At: now, Driver: r.driver, CUDA: r.cuda}
	var problems []error
	for _, d := range r.devices {
		g, err := r.readDevice(d)
		if errors.Is(err, errDriverGone) {
			r.end()
			return nil, fmt.Errorf("reading GPU %d (%s): %w", g.Index, g.UUID, err)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("GPU %d (%s): %w", g.Index, g.UUID, err))
		}
		s.GPUs = append(s.GPUs, g)
	}
	for _, g := range r.known { // those that a new beginning did not find
		if !slices.ContainsFunc(s.GPUs, func(other GPU) bool { return other.UUID == g.UUID }) {
			g.Values = r.xids[g.UUID].values()
			s.GPUs = append(s.GPUs, g)
			problems = append(problems, fmt.Errorf("GPU %d (%s) is no longer there", g.Index, g.UUID))
		}
	}
	identify(s.GPUs, ownProc())
	slices.SortFunc(s.GPUs, func(a, b GPU) int { return a.Index - b.Index })
	if len(problems) > 0 && now.Sub(r.began) >= retryLost {
		r.end()
	}
	return s, errors.Join(problems...)
}

// has says whether the driver's library has one of the functions.
func (r *Reader) has(symbols ...string) bool {
	return slices.ContainsFunc(symbols, func(s string) bool {
		there, asked := r.symbols[s]
		if !asked {
			there = r.lib.Extensions().LookupSymbol(s) == nil
			r.symbols[s] = there
		}
		return there
	})
}

// begin loads NVML and finds the GPUs.
func (r *Reader) begin() error {
	if ret := r.lib.Init(); ret != nvml.SUCCESS {
		return fmt.Errorf("beginning NVML: %s; the driver's libnvidia-ml.so.1 has to be where the dynamic linker looks for it, "+
			"and of the loaded driver's version; --no-collector.gpu turns this off", problem(ret))
	}
	r.symbols = map[string]bool{}
	if !r.has("nvmlDeviceGetCount_v2", "nvmlDeviceGetCount") || !r.has("nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex") ||
		!r.has("nvmlDeviceGetUUID") {
		r.end()
		return errors.New("the driver's libnvidia-ml.so.1 cannot list GPUs: it is too old")
	}
	r.driver, r.cuda = "", ""
	if r.has("nvmlSystemGetDriverVersion") {
		driver, _ := r.lib.SystemGetDriverVersion() // empty where it fails
		r.driver = printable(driver)
	}
	if r.has("nvmlSystemGetCudaDriverVersion") {
		if v, ret := r.lib.SystemGetCudaDriverVersion(); ret == nvml.SUCCESS {
			r.cuda = fmt.Sprintf("%d.%d", v/1000, v%1000/10)
		}
	}
	count, ret := r.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		r.end()
		return fmt.Errorf("counting the GPUs: %s", problem(ret))
	}
	r.devices = nil
	for i := range count {
		if d := r.find(i); d != nil {
			r.devices = append(r.devices, d)
		}
	}
	return nil
}

// find returns the GPU of that index, or nil where it cannot be named: if it was
// there before, it is missed by its name.
func (r *Reader) find(index int) *device {
	handle, ret := r.lib.DeviceGetHandleByIndex(index)
	if ret != nvml.SUCCESS {
		return nil
	}
	uuid, ret := handle.GetUUID()
	if ret != nvml.SUCCESS {
		return nil
	}
	uuid = printable(uuid)
	d := &device{Device: handle, identity: GPU{UUID: uuid, Index: index, Name: r.nameOf(handle)}}
	if r.has("nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo") {
		if pci, ret := handle.GetPciInfo(); ret == nvml.SUCCESS {
			d.identity.PCIBusID = pciBusID(pci)
		}
	}
	if r.xids[uuid] == nil {
		r.xids[uuid] = &xids{}
	}
	d.events = r.listen(handle)
	d.gpm = r.beginGPM(handle)
	r.known[uuid] = d.identity
	return d
}

// nameOf is a GPU's name, empty where it is not known.
func (r *Reader) nameOf(d nvml.Device) string {
	if !r.has("nvmlDeviceGetName") {
		return ""
	}
	name, _ := d.GetName() // empty where it fails
	return printable(name)
}

// printable keeps what a driver in trouble may answer from being refused as the
// value of a label.
func printable(s string) string { return strings.ToValidUTF8(s, "?") }

// pciBusID is a GPU's place on the bus as Linux writes it, such as 0000:3b:00.0.
func pciBusID(pci nvml.PciInfo) string {
	return fmt.Sprintf("%04x:%02x:%02x.0", pci.Domain, pci.Bus, pci.Device)
}

// end ends NVML, for it to be begun anew. That it fails is what a driver in
// trouble does.
func (r *Reader) end() {
	for _, d := range r.devices {
		d.gpm.end()
		for _, g := range d.instances {
			g.end()
		}
		if d.events != nil && r.has("nvmlEventSetFree") {
			_ = d.events.Free()
		}
	}
	_ = r.lib.Shutdown()
	r.devices, r.began = nil, time.Time{}
}

// readDevice reads one GPU. What fails but for the loss of the GPU or of its
// driver is absent.
func (r *Reader) readDevice(d *device) (GPU, error) {
	g := d.identity
	events := r.readEvents(d)
	g.Values = r.xids[g.UUID].values()
	q := &query{reader: r, device: d, lost: events}
	q.readUtilization()
	q.readEnergy()
	for _, read := range readings {
		q.do(read.symbol, read.read)
	}
	q.readFields()
	q.readLinks()
	q.readClockEvents()
	q.readGPM()
	instances, processes := q.readInstances(), q.readProcesses()
	q.readInstancesGPM(instances)
	switch q.lost {
	case nvml.SUCCESS:
		g.Up, g.Values, g.Instances, g.Processes = true, append(g.Values, q.values...), instances, processes
		return g, nil
	case nvml.ERROR_UNINITIALIZED, nvml.ERROR_DRIVER_NOT_LOADED, nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return g, fmt.Errorf("%w: %s", errDriverGone, problem(q.lost))
	default:
		return g, errors.New(problem(q.lost))
	}
}

// isLoss says whether a failure is one of the whole GPU or its driver, and not of
// the one figure that was asked for.
func isLoss(ret nvml.Return) bool {
	switch ret {
	case nvml.ERROR_GPU_IS_LOST, nvml.ERROR_RESET_REQUIRED, nvml.ERROR_GPU_NOT_FOUND,
		nvml.ERROR_UNINITIALIZED, nvml.ERROR_DRIVER_NOT_LOADED, nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return true
	default:
		return false
	}
}

// problem words a failure. NVML's own texts need a function of the library, which
// may not be there.
func problem(ret nvml.Return) string {
	switch ret {
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return "libnvidia-ml.so.1 was not found"
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return "the driver is not loaded"
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return "libnvidia-ml.so.1 is of another version than the loaded driver: restart this process where the driver was updated"
	case nvml.ERROR_NO_PERMISSION:
		return "no permission: is /dev/nvidiactl there for this process?"
	case nvml.ERROR_GPU_IS_LOST:
		return "the GPU is lost: it fell off the bus"
	case nvml.ERROR_RESET_REQUIRED:
		return "the GPU needs a reset"
	case nvml.ERROR_UNINITIALIZED:
		return "NVML was ended"
	default:
		return fmt.Sprintf("NVML's error %d", ret)
	}
}
