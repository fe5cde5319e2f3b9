package collector

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"vllm_prober/internal/config"
	"vllm_prober/internal/gpu"
)

var replicaGPU = prometheus.NewDesc(namespace+"_replica_gpu_info",
	"A GPU that serves a replica, as configured or as found on this machine.", []string{"target", "replica", "uuid"}, nil)

// NewReplicaGPUs returns a collector of which GPU serves which replica of a
// configuration. That is what the configuration says; of replicas of which it
// says nothing, and that listen on this machine, it is what a snapshot of the
// machine's GPUs shows.
func NewReplicaGPUs(cfg func() *config.Config, snapshot func() (*gpu.Snapshot, bool)) prometheus.Collector {
	return undescribed(func(metrics chan<- prometheus.Metric) {
		s, fresh := snapshot()
		if !fresh {
			s = &gpu.Snapshot{}
		}
		local := localAddresses()
		for _, t := range cfg().Targets {
			for i, replica := range t.Replicas {
				for _, uuid := range gpusOf(t, i, s, local) {
					metrics <- gauge(replicaGPU, 1, t.Name, replica, uuid)
				}
			}
		}
	})
}

// gpusOf are the GPUs that serve a target's i-th replica.
func gpusOf(t config.Target, i int, s *gpu.Snapshot, local []netip.Addr) (uuids []string) {
	if i < len(t.GPUUUIDs) && len(t.GPUUUIDs[i]) > 0 {
		return t.GPUUUIDs[i]
	}
	at := addressesOf(t.Replicas[i], local)
	for _, g := range s.GPUs {
		if slices.ContainsFunc(g.Processes, func(p gpu.Process) bool { return listensAt(p.Listens, at) }) {
			uuids = append(uuids, g.UUID)
		}
	}
	return uuids
}

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
