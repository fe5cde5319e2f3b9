package gpu

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// procFS is /proc, which tells who a process is.
type procFS struct {
	fs.FS
	own       string                    // the network that this process is in
	listeners map[string]netip.AddrPort // by the socket's number, in that network
	listens   map[int][]netip.AddrPort  // what is known of processes
}

// maxAncestors is how far up it is looked for who listens for a process.
const maxAncestors = 16

// identify tells of every process on the GPUs where it, or one that it descends
// from, listens, and which pod it is in. A server of vLLM listens in one process
// and computes in children of it. What may not be seen stays empty.
func identify(gpus []GPU, proc fs.FS) {
	p := procFS{FS: proc, listens: map[int][]netip.AddrPort{}, listeners: map[string]netip.AddrPort{}}
	for _, table := range []string{"self/net/tcp", "self/net/tcp6"} {
		if f, err := p.Open(table); err == nil {
			p.addListeners(bufio.NewScanner(f))
			_ = f.Close() // it was only read
		}
	}
	p.own, _ = fs.ReadLink(p.FS, "self/ns/net") // empty where it may not be seen
	for i := range gpus {
		for j := range gpus[i].Processes {
			process := &gpus[i].Processes[j]
			process.Listens = p.listensFor(process.PID)
			if cgroup, err := fs.ReadFile(p, strconv.Itoa(process.PID)+"/cgroup"); err == nil {
				process.Pod = podOf(string(cgroup))
			}
		}
	}
}

// ownProc is the file system of this machine's /proc.
func ownProc() fs.FS { return os.DirFS("/proc") }

// addListeners reads the kernel's table of TCP sockets.
func (p *procFS) addListeners(table *bufio.Scanner) {
	for table.Scan() {
		if inode, address, ok := listener(table.Text()); ok {
			p.listeners[inode] = address
		}
	}
}

// listener reads a line of the table; it says false for what does not listen.
// Its columns are a number, the local address, the other one, the state, and
// later the socket's number.
func listener(line string) (inode string, address netip.AddrPort, ok bool) {
	columns := strings.Fields(line)
	const listening = "0A"
	if len(columns) < 10 || columns[3] != listening {
		return "", netip.AddrPort{}, false
	}
	host, port, _ := strings.Cut(columns[1], ":")
	bytes, err := hex.DecodeString(host)
	if err != nil || len(bytes) != 4 && len(bytes) != 16 {
		return "", netip.AddrPort{}, false
	}
	for word := range slices.Chunk(bytes, 4) { // each in the machine's own order
		binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(word))
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return "", netip.AddrPort{}, false
	}
	ip, _ := netip.AddrFromSlice(bytes) // it has the length of one
	return columns[9], netip.AddrPortFrom(ip.Unmap(), uint16(number)), true
}

// listensFor is where a process or its ancestors listen, in this process's
// network: in another one the same address is another place.
func (p *procFS) listensFor(pid int) (all []netip.AddrPort) {
	for range maxAncestors {
		if pid <= 1 {
			break
		}
		known, seen := p.listens[pid]
		if !seen {
			known = p.listensItself(strconv.Itoa(pid))
			p.listens[pid] = known
		}
		all = append(all, known...)
		pid = p.parent(pid)
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	return slices.Compact(all)
}

func (p *procFS) listensItself(pid string) (all []netip.AddrPort) {
	if network, err := fs.ReadLink(p.FS, pid+"/ns/net"); err != nil || network != p.own {
		return nil
	}
	files, _ := fs.ReadDir(p, pid+"/fd") // empty where it may not be seen
	for _, f := range files {
		target, err := fs.ReadLink(p.FS, pid+"/fd/"+f.Name())
		if err != nil {
			continue // closed meanwhile
		}
		inode, isSocket := strings.CutPrefix(target, "socket:[")
		if address, listens := p.listeners[strings.TrimSuffix(inode, "]")]; isSocket && listens {
			all = append(all, address)
		}
	}
	return all
}

// parent is a process's parent, 0 where it is not known. Its number stands second
// after the process's name, which is in brackets and may hold anything.
func (p *procFS) parent(pid int) int {
	stat, err := fs.ReadFile(p, strconv.Itoa(pid)+"/stat")
	if err != nil {
		return 0
	}
	text := string(stat)
	columns := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(columns) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(columns[1]) // 0 where it is no number
	return parent
}

// pod is how Kubernetes names a pod's control group, with either driver.
var pod = regexp.MustCompile(`pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})`)

// podOf is the UID of the pod that a process is in, by its control groups; it is
// empty outside of one.
func podOf(cgroup string) string {
	m := pod.FindStringSubmatch(cgroup)
	if m == nil {
		return ""
	}
	return strings.ReplaceAll(m[1], "_", "-")
}
