//go:build linux && cgo

package gpu

import (
	"slices"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// links are the bytes of each NVLink of a GPU, by metric, as they were last told.
type links map[Metric][]float64

// linkFields are the bytes of NVLinks of the fifth generation on, whose GPUs need not
// have the fields that are over all links.
var linkFields = []struct {
	id     uint32
	metric Metric
}{
	{nvml.FI_DEV_NVLINK_COUNT_XMIT_BYTES, NVLinkTransmittedBytes},
	{nvml.FI_DEV_NVLINK_COUNT_RCV_BYTES, NVLinkReceivedBytes},
}

// readLinks reads the bytes of NVLinks where no field told of them yet: the newer
// fields over all links, or else link by link.
func (q *query) readLinks() {
	for _, f := range linkFields {
		if slices.ContainsFunc(q.values, func(v Value) bool { return v.Metric == f.metric }) {
			continue
		}
		all := []nvml.FieldValue{{FieldId: f.id, ScopeId: allLinks}, {FieldId: nvml.FI_DEV_NVLINK_LINK_COUNT}}
		if !q.ask(all) {
			return
		}
		if x, ok := fieldValue(all[0]); ok {
			q.add(f.metric, x)
		} else if n, ok := fieldValue(all[1]); ok && n > 0 {
			q.sumLinks(f.id, f.metric, min(int(n), nvml.NVLINK_MAX_LINKS))
		}
	}
}

// sumLinks adds up the bytes of n links. A link that is not answered counts as it
// did before: if it were left out, the sum would fall, and a counter that falls
// looks like one that began anew.
func (q *query) sumLinks(field uint32, m Metric, n int) {
	asked := make([]nvml.FieldValue, n)
	for i := range asked {
		asked[i] = nvml.FieldValue{FieldId: field, ScopeId: uint32(i)}
	}
	if !q.ask(asked) {
		return
	}
	d := q.device
	if d.links == nil {
		d.links = links{}
	}
	known := d.links[m] != nil
	if len(d.links[m]) != n {
		d.links[m] = make([]float64, n)
	}
	sum := 0.0
	for i := range asked {
		if x, ok := fieldValue(asked[i]); ok {
			d.links[m][i], known = x, true
		}
		sum += d.links[m][i]
	}
	if known {
		q.add(m, sum)
	} else {
		delete(d.links, m)
	}
}
