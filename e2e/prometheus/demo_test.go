package prometheus

import (
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"vllm_prober/alerts"
	"vllm_prober/internal/simulator"
)

// demo is the demo, a second prober for what the demo has not, and a Prometheus for
// each form of histograms, which scrapes both.
type demo struct {
	*process
	side    *process
	servers []*server
	// runs is how many runs the demo has printed; latest is the last one's table, and
	// at when it was seen.
	runs   int
	latest []step
	at     time.Time
}

// step is a line of the demo's table.
type step struct {
	target, gpus, batchSize, rate, saturated string
	// Requests per second, and seconds.
	throughput, goodput, ttft, tpot float64
}

// matchers select the step.
func (s step) matchers() string {
	return fmt.Sprintf(`probe="ladder",target=%q,gpus=%q,batch_size=%q,request_rate=%q`, s.target, s.gpus, s.batchSize, s.rate)
}

// startDemo starts them all, and waits until both probers have all that they can
// show: two runs of all steps.
func startDemo(t *testing.T) *demo {
	t.Helper()
	binary := tool(t, "vllm_prober")
	side := startSide(t, binary)
	address := freeAddress(t)
	d := &demo{process: start(t, address, "/-/healthy", binary, "demo", "--web.listen-address="+address, "--collector.gpu.interval=1s",
		"--max-send-lag=1m"), side: side} // it is not the machine that is tested
	rules := ruleFiles(t, alerts.Default())
	for _, f := range []form{native, classic, both} {
		d.servers = append(d.servers, startPrometheus(t, f, map[string]string{"demo": address, "side": side.address}, rules, ""))
	}
	last := d.servers[len(d.servers)-1]
	eventually(t, 15*time.Minute, "each step of the demo valid in two runs, and the second prober has searched twice", func() bool {
		if tables := tables(d.output.String()); len(tables) > d.runs {
			d.runs, d.latest, d.at = len(tables), tables[len(tables)-1], time.Now()
			t.Logf("run %d of the demo has %d valid steps of %d", d.runs, len(d.latest), demoSteps)
		}
		// At a run's end, for a while before the next one's first step ends.
		return time.Since(d.at) < 2*often && last.count(`vllm_prober_previous_step_throughput_requests_per_second{job="demo"}`) == demoSteps &&
			last.count(`vllm_prober_previous_saturation_request_rate`) > 0 &&
			last.count(`vllm_prober_saturation_request_rate{bound="estimate"}`) == sideArms
	})
	time.Sleep(4 * often) // a scrape, and three rules of which each takes what the one before it made
	return d
}

// sideArms are how many arms the second prober searches for the capacity of.
const sideArms = 3

// demoSteps are how many steps the demo's ladder has.
const demoSteps = 12

// tables reads the results that the demo has printed. Steps that were not valid
// have no figures, and are left out.
func tables(text string) (all [][]step) {
	for _, table := range strings.Split(text, "  target  GPUs  batch")[1:] {
		if !strings.Contains(table, "of probe \"ladder\", seed") {
			break // it is being printed
		}
		var steps []step
		for line := range strings.Lines(table) {
			f := strings.Fields(line)
			if len(f) < 14 || !strings.HasPrefix(f[0], "bs") {
				continue
			}
			s := step{target: f[0], gpus: f[1], batchSize: f[2], rate: f[3], saturated: f[7]}
			valid := true
			for i, to := range map[int]*float64{4: &s.throughput, 5: &s.goodput, 10: &s.ttft, 13: &s.tpot} {
				var err error
				*to, err = strconv.ParseFloat(f[i], 64)
				valid = valid && err == nil
			}
			s.ttft, s.tpot = s.ttft/1000, s.tpot/1000
			if valid {
				steps = append(steps, s)
			}
		}
		all = append(all, steps)
	}
	return all
}

// startSide starts a prober with a search, and with a heartbeat.
func startSide(t *testing.T, binary string) *process {
	t.Helper()
	p := simulator.FieldReport()
	p.Base, p.PerSequence, p.PerSequenceSquared = 10*time.Millisecond, 100*time.Microsecond, 0
	var urls [3]string
	for i, target := range []struct{ slots, replicas int }{{4, 2}, {8, 1}, {8, 1}} {
		p.MaxNumSeqs = target.slots
		fleet, err := simulator.Start("127.0.0.1", 0, target.replicas, simulator.Options{Parameters: p})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(fleet.Close)
		urls[i] = `["` + strings.Join(fleet.URLs, `", "`) + `"]`
	}
	config := fmt.Sprintf(`
targets:
- {name: small, replicas: %s, batch_size: 4, labels: {region: here}}
- {name: large, replicas: %s, batch_size: 8, labels: {region: here}}
- {name: chat, replicas: %s, batch_size: 8, labels: {region: here}}
probes:
- name: search
  arms: [{target: small, replicas: 1}, {target: large}, {target: small}]
  schedule: {interval: 2m}
  workload: {prompt_tokens: 16, output_tokens: 8}
  ladder: {rates: [20, 40], warmup: 1s, window: 3s, cooldown: 100ms}
  search: {max_window: 6s, max_steps: 6, max_rate: 400}
  slo: {ttft: 100ms}
  max_send_lag: 1m
- name: heartbeat
  arms: [{target: chat}]
  workload: {prompt_tokens: 16, output_tokens: 8}
  heartbeat: {rate: 5, window: 5s}
  slo: {ttft: 100ms}
  max_send_lag: 1m
`, urls[0], urls[1], urls[2])
	address := freeAddress(t)
	return start(t, address, "/-/healthy", binary, "serve", "--config.file="+write(t, "vllm_prober.yml", config),
		"--storage.path="+t.TempDir(), "--web.listen-address="+address, "--no-collector.gpu", "--collector.replica.interval=5s")
}

// TestDemo asks a real Prometheus all that rules, dashboards and documents ask.
func TestDemo(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for _, s := range d.servers { // at once, before the next run's first step has ended
		t.Run("the field report, "+string(s.form), func(t *testing.T) { s.testFieldReport(t, d.latest) })
	}
	t.Run("promtool finds nothing to say of the metrics", func(t *testing.T) {
		for _, address := range []string{d.address, d.side.address} {
			response, err := http.Get("http://" + address + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			command := exec.Command(tool(t, "promtool"), "check", "metrics")
			command.Stdin = response.Body
			if said, err := command.CombinedOutput(); err != nil || len(said) > 0 {
				t.Errorf("%v: %s", err, said)
			}
			_ = response.Body.Close()
		}
	})
	for _, s := range d.servers {
		t.Run(string(s.form), func(t *testing.T) {
			t.Run("the rules", s.testRules)
			t.Run("the queries of the documents", s.testDocuments)
		})
	}
	t.Run("the dashboards", func(t *testing.T) { testDashboards(t, d.servers) })
}
