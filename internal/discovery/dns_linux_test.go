package discovery

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// inNamespace says that the test has a network and a view of the files for itself.
const inNamespace = "VLLM_PROBER_TEST_NAMESPACE"

// DNS is asked again and again. Prometheus's package asks the servers of
// /etc/resolv.conf on port 53, so the test runs itself where both are its own.
func TestDNSDiscovery(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		again(t)
		return
	}
	ownNetwork(t)
	zone := serveDNS(t)
	zone.set("10.0.0.2", "10.0.0.1")
	s := newSet(t, "targets: [{name: t, dns_sd_configs: [{names: [vllm.test], type: A, port: 8000, refresh_interval: 50ms}]}]")
	s.has(t, "http://10.0.0.1:8000", "http://10.0.0.2:8000")
	zone.set("10.0.0.2", "10.0.0.3")
	s.has(t, "http://10.0.0.2:8000", "http://10.0.0.3:8000")
	zone.set()
	s.has(t)
}

// again runs the test in namespaces of its own.
func again(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDNSDiscovery$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case errors.As(err, &exit):
		t.Fatalf("%v\n%s", err, &output)
	case err != nil:
		t.Skipf("this machine gives no namespaces: %v", err)
	case bytes.Contains(output.Bytes(), []byte("--- SKIP")):
		t.Skipf("%s", &output)
	}
}

// ownNetwork brings up the loopback device, and names a server on it in
// /etc/resolv.conf.
func ownNetwork(t *testing.T) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	loopback.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, loopback); err != nil {
		t.Skipf("no loopback device: %v", err)
	}
	servers := filepath.Join(t.TempDir(), "resolv.conf")
	write(t, servers, "nameserver 127.0.0.1\n")
	if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount(servers, "/etc/resolv.conf", "", unix.MS_BIND, "")); err != nil {
		t.Skipf("no /etc/resolv.conf of its own: %v", err)
	}
}

// zone is the addresses of vllm.test.
type zone struct {
	mu        sync.Mutex
	addresses []string
}

func (z *zone) set(addresses ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.addresses = addresses
}

func serveDNS(t *testing.T) *zone {
	t.Helper()
	z := &zone{}
	socket, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		t.Skipf("no port 53: %v", err)
	}
	server := &dns.Server{PacketConn: socket, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		z.mu.Lock()
		defer z.mu.Unlock()
		answer := new(dns.Msg)
		answer.SetReply(question)
		for _, address := range z.addresses {
			answer.Answer = append(answer.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: question.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 3600}, A: net.ParseIP(address),
			})
		}
		_ = w.WriteMsg(answer)
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return z
}
