// Package serving knows which GPU serves which replica, and reads these GPUs for
// the prober.
package serving

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
)

// Machine is this machine at a moment: its GPUs, who computes on them, and its
// addresses, which the system is asked for once they are needed: the prober comes
// here twice a second, and mostly needs none.
type Machine struct {
	gpus  []gpu.GPU
	local func() []netip.Addr
}

// On is this machine at a snapshot; without one, nothing is known of its GPUs.
func On(s *gpu.Snapshot) Machine {
	m := Machine{local: sync.OnceValue(localAddresses)}
	if s != nil {
		m.gpus = s.GPUs
	}
	return m
}

// GPUs are the UUIDs of the GPUs that serve one of a target's replicas. That is
// what the configuration says; of a replica of which it says nothing, and that
// listens on this machine, those on which the processes behind it compute.
func (m Machine) GPUs(t config.Target, replica string) (uuids []string) {
	i := slices.IndexFunc(t.Replicas, func(r string) bool { return Name(r) == Name(replica) })
	if i >= 0 && i < len(t.GPUUUIDs) && len(t.GPUUUIDs[i]) > 0 {
		return t.GPUUUIDs[i]
	}
	if !slices.ContainsFunc(m.gpus, func(g gpu.GPU) bool { return len(g.Processes) > 0 }) {
		return nil
	}
	at := addressesOf(replica, m.local())
	for _, g := range m.gpus {
		if slices.ContainsFunc(g.Processes, func(p gpu.Process) bool { return listensAt(p.Listens, at) }) {
			uuids = append(uuids, g.UUID)
		}
	}
	return uuids
}

// Name is what a replica of the configuration's or of discovery's is called, as by
// prober.ReplicaName.
func Name(replica string) string { return strings.TrimRight(replica, "/") }

// listensAt says whether one of the addresses is reached at one of those at which
// a process listens. A process that listens at no address in particular is
// reached at all of them.
func listensAt(listens, addresses []netip.AddrPort) bool {
	return slices.ContainsFunc(addresses, func(a netip.AddrPort) bool {
		return slices.ContainsFunc(listens, func(l netip.AddrPort) bool {
			return l.Port() == a.Port() && (l.Addr() == a.Addr() || l.Addr().IsUnspecified())
		})
	})
}

// addressesOf are this machine's addresses that a replica's URL may mean; there
// are none where it means another machine. A name is not looked up: that could
// take long, and names of this machine are those it knows itself by.
func addressesOf(replica string, local []netip.Addr) (all []netip.AddrPort) {
	u, err := url.Parse(replica)
	if err != nil {
		return nil
	}
	text := u.Port()
	if text == "" {
		text = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil
	}
	host := u.Hostname()
	own, _ := os.Hostname() // empty where it has none
	ip, err := netip.ParseAddr(host)
	for _, a := range local {
		if err == nil && ip.Unmap() == a || host == "localhost" && a.IsLoopback() || own != "" && strings.EqualFold(host, own) {
			all = append(all, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	return all
}

// localAddresses are those of this machine; none where they cannot be read.
func localAddresses() (all []netip.Addr) {
	found, _ := net.InterfaceAddrs() // an error leaves none
	for _, a := range found {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, prefix.Addr().Unmap())
		}
	}
	return all
}
