package gpu

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000000000000000 100 0 0 10 0
   1: 00000000:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1F42 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0000000000000000 20 4 30 10 -1
`
	tcp6Table = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F43 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1 0 100 0 0 10 0
   1: 00000000000000000000000001000000:1F44 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 555 1 0 100 0 0 10 0
`
)

// link is a symbolic link.
func link(to string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(to), Mode: os.ModeSymlink} }

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// A server of vLLM (20) listens and computes in its grandchild (22); beside it
// are a process that listens itself (30), and one of another network (40).
func TestWhoListens(t *testing.T) {
	proc := fstest.MapFS{
		"self/net/tcp": file(tcpTable), "self/net/tcp6": file(tcp6Table), "self/ns/net": link("net:[1]"),
		"1/stat": file("1 (init) S 0 1"), "1/ns/net": link("net:[1]"), "1/fd/3": link("socket:[444]"),
		"20/stat": file("20 (vllm) S 1 20"), "20/ns/net": link("net:[1]"), "20/fd/3": link("socket:[111]"), "20/fd/4": link("/dev/null"), "20/fd/5": link("socket:[333]"),
		"21/stat": file("21 (VLLM::EngineCore) S 20 20"), "21/ns/net": link("net:[1]"), "21/fd/3": link("socket:[9]"),
		"22/stat": file("22 (a ) S 7) S 21 20"), "22/ns/net": link("net:[1]"),
		"22/cgroup": file("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b2c3d_0000_1111_2222_333344445555.slice/cri-containerd-ff.scope\n"),
		"30/stat":   file("30 (python) S 1 30"), "30/ns/net": link("net:[1]"), "30/fd/7": link("socket:[222]"), "30/fd/8": link("socket:[555]"),
		"30/cgroup": file("0::/user.slice/session-1.scope\n"),
		"40/stat":   file("40 (python) S 1 40"), "40/ns/net": link("net:[2]"), "40/fd/3": link("socket:[111]"),
	}
	gpus := []GPU{
		{Processes: []Process{{PID: 22}}},
		{Processes: []Process{{PID: 30}, {PID: 40}, {PID: 50}}},
	}
	identify(gpus, proc)
	want := []GPU{
		{Processes: []Process{{PID: 22, Pod: "0a1b2c3d-0000-1111-2222-333344445555", Listens: addresses("127.0.0.1:8000")}}},
		{Processes: []Process{{PID: 30, Listens: addresses("0.0.0.0:8001", "[::1]:8004")}, {PID: 40}, {PID: 50}}},
	}
	for i := range want {
		for j, w := range want[i].Processes {
			if got := gpus[i].Processes[j]; got.PID != w.PID || got.Pod != w.Pod || !slices.Equal(got.Listens, w.Listens) {
				t.Errorf("got %+v, want %+v", got, w)
			}
		}
	}
}

func addresses(texts ...string) (all []netip.AddrPort) {
	for _, text := range texts {
		all = append(all, netip.MustParseAddrPort(text))
	}
	return all
}

func TestPodOf(t *testing.T) {
	const uid = "0a1b2c3d-0000-1111-2222-333344445555"
	for cgroup, want := range map[string]string{
		"12:cpu:/kubepods/besteffort/pod" + uid + "/ff\n":                                         uid,
		"0::/kubelet.slice/kubelet-kubepods-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice/x": uid,
		"0::/docker/0123": "",
		"":                "",
	} {
		if got := podOf(cgroup); got != want {
			t.Errorf("%q: %q, want %q", cgroup, got, want)
		}
	}
}

// Whatever stands in the kernel's table, reading it ends, and what it says to
// listen has an address.
func FuzzListener(f *testing.F) {
	for line := range strings.Lines(tcpTable + tcp6Table) {
		f.Add(line)
	}
	f.Add("0: 0100007F:1F40 0 0A 0 0 0 0 0 1")
	f.Fuzz(func(t *testing.T, line string) {
		if inode, address, ok := listener(line); ok && (inode == "" || !address.IsValid()) {
			t.Errorf("%q, %v", inode, address)
		}
	})
}
