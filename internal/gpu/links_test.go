//go:build linux && cgo

package gpu

import (
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// ofLinks is a card whose NVLinks are told by newer fields alone.
func ofLinks(links int, transmitted, received map[uint32]uint64) *card {
	c := full("GPU-a")
	delete(c.fields, nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_TX)
	delete(c.fields, nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_RX)
	c.fields[nvml.FI_DEV_NVLINK_LINK_COUNT] = field(uint64(links), 0)
	c.links = map[uint32]map[uint32]uint64{nvml.FI_DEV_NVLINK_COUNT_XMIT_BYTES: transmitted, nvml.FI_DEV_NVLINK_COUNT_RCV_BYTES: received}
	return c
}

func bytesOfLinks(t *testing.T, r *Reader) (transmitted, received float64, both bool) {
	t.Helper()
	g := read(t, r).GPUs[0]
	transmitted, has := value(g.Values, NVLinkTransmittedBytes, "")
	received, also := value(g.Values, NVLinkReceivedBytes, "")
	return transmitted, received, has && also
}

// Newer NVLinks are told in bytes: over all links where that is answered, else as the
// sum of the links, of which one that is down is not answered.
func TestNewerNVLinks(t *testing.T) {
	for name, tt := range map[string]struct {
		card                  *card
		transmitted, received float64
	}{
		"all at once":  {ofLinks(3, map[uint32]uint64{allLinks: 700, 0: 1}, map[uint32]uint64{allLinks: 800}), 700, 800},
		"link by link": {ofLinks(3, map[uint32]uint64{0: 100, 1: 20, 2: 3}, map[uint32]uint64{0: 1, 2: 5, 3: 1000}), 123, 6},
	} {
		if tx, rx, both := bytesOfLinks(t, NewReader((&driver{gpus: []*card{tt.card}}).nvml())); !both || tx != tt.transmitted || rx != tt.received {
			t.Errorf("%s: %g and %g bytes, %t, want %g and %g", name, tx, rx, both, tt.transmitted, tt.received)
		}
	}
	for name, c := range map[string]*card{"no links": ofLinks(0, nil, nil), "links that are all down": ofLinks(2, nil, nil)} {
		if tx, rx, both := bytesOfLinks(t, NewReader((&driver{gpus: []*card{c}}).nvml())); both || tx != 0 || rx != 0 {
			t.Errorf("%s: %g and %g bytes", name, tx, rx)
		}
	}
}

// A link that goes down does not make the counters fall.
func TestANVLinkThatGoesDown(t *testing.T) {
	transmitted, received := map[uint32]uint64{0: 100, 1: 20}, map[uint32]uint64{0: 7, 1: 8}
	r := NewReader((&driver{gpus: []*card{ofLinks(2, transmitted, received)}}).nvml())
	bytesOfLinks(t, r)
	delete(transmitted, 0)
	transmitted[1] = 25
	if tx, rx, both := bytesOfLinks(t, r); !both || tx != 125 || rx != 15 {
		t.Errorf("%g and %g bytes, want 125 and 15", tx, rx)
	}
}
