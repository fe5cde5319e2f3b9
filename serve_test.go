package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/simulator"
)

// served is a process that serves.
type served struct {
	*process
	file, url string
}

// serveConfig starts the daemon with a configuration, and waits until it answers.
func serveConfig(t *testing.T, config string, flags ...string) *served {
	t.Helper()
	address := freeAddress(t)
	d := &served{file: write(t, "config.yml", config), url: "http://" + address}
	if !strings.Contains(strings.Join(flags, " "), "--storage.path=") {
		flags = append(flags, "--storage.path="+t.TempDir())
	}
	d.process = start(t, append([]string{"serve", "--config.file=" + d.file, "--web.listen-address=" + address}, flags...)...)
	t.Cleanup(func() { // ends at once what a failed test left running
		d.signal(syscall.SIGTERM)
		d.signal(syscall.SIGTERM)
		<-d.ended // so that its records can be removed
	})
	d.eventually("the daemon answers", d.answers)
	return d
}

// answers says whether the process serves.
func (d *served) answers() bool {
	resp, err := http.Get(d.url + "/-/healthy")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return true
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (d *served) do(method, path string) (status int, body string) {
	d.t.Helper()
	q, err := http.NewRequest(method, d.url+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// value is a series' value at the moment; it says false where there is none.
func (d *served) value(series string) (float64, bool) {
	d.t.Helper()
	_, body := d.do(http.MethodGet, "/metrics")
	for line := range strings.Lines(body) {
		if text, found := strings.CutPrefix(line, series+" "); found {
			x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				d.t.Fatal(err)
			}
			return x, true
		}
	}
	return 0, false
}

// is waits until a series has a value.
func (d *served) is(series string, want float64) {
	d.t.Helper()
	d.eventually(fmt.Sprintf("%s is %g", series, want), func() bool {
		x, found := d.value(series)
		return found && x == want
	})
}

// probing is a configuration with one probe over one replica.
func probing(replica string) string {
	return fmt.Sprintf(`
targets: [{name: t, replicas: [%q]}]
probes:
- name: p
  schedule: {interval: 1h}
  arms: [{target: t}]
  workload: {output_tokens: 4}
  ladder: {rates: [20], warmup: 200ms, window: 1s, drain: 20s}
  max_send_lag: 10s
`, replica)
}

func TestServe(t *testing.T) {
	f := fleet(t, 1, simulator.Options{})
	d := serveConfig(t, probing(f.URLs[0]))
	d.is(`vllm_prober_runs_total{probe="p",result="success"}`, 1)
	step := `{batch_size="",gpus="1",probe="p",request_rate="20",target="t"}`
	d.is(`vllm_prober_measured_seconds_total`+step, 1)
	offered, _ := d.value(`vllm_prober_offered_requests_total` + step)
	count, _ := d.value(`vllm_prober_time_to_first_token_seconds_count` + step)
	if offered == 0 || count != offered {
		t.Errorf("%g requests offered, %g measured", offered, count)
	}
	for path, want := range map[string]string{
		"/":           "<title>Overview · vllm_prober</title>",
		"/-/healthy":  "healthy",
		"/-/ready":    "ready",
		"/config":     "interval: 1h0m0s",
		"/metrics":    `vllm_prober_step_valid{batch_size="",gpus="1",probe="p",reason="send_lag",request_rate="20",target="t"} 1`,
		"/not/a/page": "404 page not found",
		"/probe?x=y":  "scrape /metrics",
	} {
		if _, body := d.do(http.MethodGet, path); !strings.Contains(body, want) {
			t.Errorf("GET %s shows no %q:\n%.2000s", path, want, body)
		}
	}
	if status, _ := d.do(http.MethodGet, "/-/reload"); status != http.StatusMethodNotAllowed {
		t.Errorf("GET /-/reload: status %d", status)
	}
	for _, path := range []string{"/-/run?probe=p", "/-/pause", "/-/resume", "/-/abort?probe=p"} {
		if status, body := d.do(http.MethodPost, path); status != http.StatusForbidden || !strings.Contains(body, "--web.enable-lifecycle") {
			t.Errorf("POST %s: status %d: %s", path, status, body)
		}
	}
	d.signal(syscall.SIGTERM)
	if status := d.wait(); status != 0 {
		t.Errorf("status %d after SIGTERM", status)
	}
}

// A reload takes the whole configuration or none of it, and the series of what
// did not change keep their values.
func TestReload(t *testing.T) {
	f := fleet(t, 1, simulator.Options{})
	first := probing(f.URLs[0])
	d := serveConfig(t, first, "--web.enable-lifecycle")
	succeeded := `vllm_prober_runs_total{probe="p",result="success"}`
	d.is(succeeded, 1)

	second := first + "- {name: q, schedule: {interval: 1h}, arms: [{target: t}], ladder: {rates: [5], warmup: 0s, window: 1s}}\n"
	d.rewrite(second)
	if status, body := d.do(http.MethodPost, "/-/reload"); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	if x, _ := d.value(succeeded); x != 1 {
		t.Errorf("the unchanged probe's counter is %g after a reload, want 1", x)
	}
	d.is(`vllm_prober_runs_total{probe="q",result="success"}`, 1)

	// A mistake leaves all as it was.
	d.rewrite(strings.Replace(first, "rates: [20]", "rates: [20, 10]", 1))
	status, body := d.do(http.MethodPost, "/-/reload")
	if status != http.StatusInternalServerError || !strings.Contains(body, d.file+":8: probes[0].ladder.rates[1]: 10 after 20; allowed: rates that rise") {
		t.Errorf("status %d: %s", status, body)
	}
	d.is(`vllm_prober_config_last_reload_successful`, 0)
	if x, found := d.value(`vllm_prober_runs_total{probe="q",result="success"}`); !found || x != 1 {
		t.Errorf("probe q went with a configuration that was refused")
	}

	// SIGHUP reloads too; what is gone from the file is gone from /metrics.
	d.rewrite(first)
	d.signal(syscall.SIGHUP)
	d.is(`vllm_prober_config_last_reload_successful`, 1)
	if _, found := d.value(`vllm_prober_runs_total{probe="q",result="success"}`); found {
		t.Error("probe q is still there")
	}
	if x, _ := d.value(succeeded); x != 1 {
		t.Errorf("the unchanged probe's counter is %g after three reloads, want 1", x)
	}
}

func (d *served) rewrite(config string) {
	d.t.Helper()
	if err := os.WriteFile(d.file, []byte(config), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// No page, metric or log shows a secret.
func TestSecretsStayHidden(t *testing.T) {
	f := fleet(t, 1, simulator.Options{APIKey: "sk-secret"})
	config := probing(f.URLs[0])
	config = strings.Replace(config, "]}]", "], http_client: {authorization: {credentials: sk-secret}}}]", 1)
	d := serveConfig(t, config, "--log.level=debug")
	d.is(`vllm_prober_runs_total{probe="p",result="success"}`, 1)
	f.Replicas[0].SetFaults(simulator.FaultShare{Fault: simulator.InternalError, Share: 1})
	for _, path := range []string{"/", "/config", "/metrics"} {
		if _, body := d.do(http.MethodGet, path); strings.Contains(body, "sk-secret") {
			t.Errorf("GET %s shows the API key", path)
		}
	}
	if _, body := d.do(http.MethodGet, "/config"); !strings.Contains(body, "credentials: <secret>") {
		t.Errorf("/config does not say that there is a key:\n%s", body)
	}
	if log := d.stderr.String() + d.stdout.String(); strings.Contains(log, "sk-secret") {
		t.Errorf("the log shows the API key:\n%s", log)
	}
}

// A target that is down, one that refuses the prober and one that hangs are told
// clearly, and the daemon goes on with those that work.
func TestBadReplicasDoNotStopTheDaemon(t *testing.T) {
	good := fleet(t, 1, simulator.Options{})
	locked := fleet(t, 1, simulator.Options{APIKey: "k"})
	hung, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	down := freeAddress(t)
	var config strings.Builder
	fmt.Fprintf(&config, `
targets:
- {name: down, replicas: ["http://%s"]}
- {name: locked, replicas: [%q]}
- {name: hung, replicas: ["http://%s"]}
- {name: good, replicas: [%q]}
probes:
`, down, locked.URLs[0], hung.Addr(), good.URLs[0])
	for _, name := range []string{"down", "locked", "hung", "good"} {
		fmt.Fprintf(&config, "- {name: %s, schedule: {interval: 1h}, arms: [{target: %s}], ladder: {rates: [20], warmup: 0s, window: 1s}, max_send_lag: 10s}\n", name, name)
	}
	d := serveConfig(t, config.String())
	d.is(`vllm_prober_runs_total{probe="good",result="success"}`, 1)
	for name, want := range map[string]string{
		"down":   "connect: connection refused",
		"locked": "vLLM's --api-key belongs into the target's http_client.authorization",
		"hung":   "no answer within 10s: is the server hung, or the wrong address?",
	} {
		d.is(`vllm_prober_runs_total{probe="`+name+`",result="failed"}`, 1)
		d.eventually(fmt.Sprintf("the log says %q of the target that is %s", want, name), func() bool { return strings.Contains(d.stderr.String(), want) })
	}
}

// SIGTERM lets the requests in flight end within the grace period, and a second
// one cuts them.
func TestSecondSIGTERMCuts(t *testing.T) {
	f := fleet(t, 1, simulator.Options{Faults: []simulator.FaultShare{{Fault: simulator.HangFirstToken, Share: 1}}})
	d := serveConfig(t, probing(f.URLs[0]), "--shutdown.grace-period=1h")
	d.eventually("requests run", func() bool { return f.Replicas[0].Engine().State().Running > 0 })
	d.signal(syscall.SIGTERM)
	d.eventually("the shutdown begins", func() bool { return strings.Contains(d.stderr.String(), "shutting down") })
	select {
	case status := <-d.status:
		t.Fatalf("ended with status %d before the requests in flight did", status)
	case <-time.After(100 * time.Millisecond):
	}
	d.signal(syscall.SIGTERM)
	if status := d.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestGracePeriodCuts(t *testing.T) {
	f := fleet(t, 1, simulator.Options{Faults: []simulator.FaultShare{{Fault: simulator.HangFirstToken, Share: 1}}})
	d := serveConfig(t, probing(f.URLs[0]), "--shutdown.grace-period=200ms")
	d.eventually("requests run", func() bool { return f.Replicas[0].Engine().State().Running > 0 })
	d.signal(syscall.SIGTERM)
	if status := d.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// Nobody is asked anything by a daemon that cannot listen.
func TestAddressInUse(t *testing.T) {
	var asked atomic.Int64
	replica := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer replica.Close()
	taken := strings.TrimPrefix(replica.URL, "http://")
	for _, args := range [][]string{
		{"serve", "--config.file=" + write(t, "config.yml", probing(replica.URL)), "--storage.path="},
		{"demo"},
	} {
		p := start(t, append(args, "--web.listen-address="+taken)...)
		want := "vllm_prober: serving HTTP: listen tcp " + taken + ": bind: address already in use: give another --web.listen-address\n"
		if status := p.wait(); status != 1 || !strings.HasSuffix(p.stderr.String(), want) || p.stdout.String() != "" {
			t.Errorf("%s: status %d: %s%s", args[0], status, p.stdout.String(), p.stderr.String())
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests were sent by what could not listen", n)
	}
}

// What the web server logs has the form of all other lines.
func TestTheWebServersLog(t *testing.T) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	pair := certificate.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert := write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	file := write(t, "web.yml", fmt.Sprintf("tls_server_config: {cert_file: %s, key_file: %s}\n",
		cert, write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))))
	// It answers plain HTTP, too, with what is wrong: that is what tells that it serves.
	d := serveConfig(t, probing("http://127.0.0.1:1"), "--log.format=json", "--web.config.file="+file)
	d.eventually("the handshake is logged", func() bool {
		return strings.Contains(d.stderr.String(), "client sent an HTTP request to an HTTPS server")
	})
	for line := range strings.Lines(d.stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line that is no JSON: %s", line)
		}
	}
}

// A mistake in the file of TLS and passwords is told of the file, and before anything
// begins; --config.check finds it, too.
func TestMistakenWebConfig(t *testing.T) {
	file := "--config.file=" + write(t, "config.yml", probing("http://127.0.0.1:1"))
	mistaken := write(t, "web.yml", "tls_server_confg: {}\n")
	for _, args := range [][]string{
		{"serve", file, "--storage.path="}, {"serve", file, "--config.check"}, {"demo", "--web.listen-address=" + freeAddress(t)},
	} {
		p := start(t, append(args, "--web.config.file="+mistaken)...)
		want := "vllm_prober: --web.config.file " + mistaken + ": yaml: unmarshal errors:\n  line 1: field tls_server_confg not found"
		if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), want) || p.stdout.String() != "" {
			t.Errorf("%s: status %d: %s%s", args, status, p.stdout.String(), p.stderr.String())
		}
	}
}

func TestDemoConfiguration(t *testing.T) {
	probe := demoProbe(config.DefaultProbe().MaxSendLag)
	if planned := probe.Planned(); planned > 110*time.Second {
		t.Errorf("the demo's ladder is planned to take %s, promised are two minutes", planned)
	}
	steps := 0
	for _, a := range probe.Arms {
		steps += len(probe.Rates(a))
	}
	if want := 2 * (4 + 2); steps != want { // two batch sizes, four rates on 4 GPUs and two on one
		t.Errorf("%d steps, want %d", steps, want)
	}
}
