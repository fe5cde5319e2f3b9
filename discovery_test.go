package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// list puts replicas into a file of file_sd_configs.
func list(t *testing.T, file string, urls ...string) {
	t.Helper()
	var addresses []string
	for _, url := range urls {
		addresses = append(addresses, strings.TrimPrefix(url, "http://"))
	}
	text, err := json.Marshal([]map[string][]string{{"targets": addresses}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// discovering is a configuration whose replicas a file lists.
func discovering(file string) string {
	return fmt.Sprintf(`
targets: [{name: t, gpus_per_replica: 2, file_sd_configs: [{files: [%q]}]}]
probes:
- name: p
  arms: [{target: t}]
  workload: {output_tokens: 4}
  ladder: {rates: [20], warmup: 200ms, window: 1s, drain: 20s}
  max_send_lag: 10s
`, file)
}

// The daemon uses the replicas that there are when a run begins, and believes no
// step in which they changed.
func TestServeDiscovers(t *testing.T) {
	f := fleet(t, 3, simulator.Options{})
	file := filepath.Join(t.TempDir(), "replicas.json")
	list(t, file, f.URLs[:2]...)
	d := serveConfig(t, discovering(file))
	valid := func(gpus int) string {
		return fmt.Sprintf(`vllm_prober_step_valid{batch_size="",gpus="%d",probe="p",reason="replicas",request_rate="20",target="t"}`, gpus)
	}
	d.is(`vllm_prober_target_replicas{target="t"}`, 2)
	d.is(valid(4), 1)

	invalid := regexp.MustCompile(`(?m)^vllm_prober_step_valid\{[^}]*reason="replicas"[^}]*\} 0$`)
	n := 2
	d.eventually("a step is invalid during which replicas come and go", func() bool {
		n = 5 - n
		list(t, file, f.URLs[:n]...)
		time.Sleep(50 * time.Millisecond)
		_, body := d.do(http.MethodGet, "/metrics")
		return invalid.MatchString(body)
	})

	list(t, file, f.URLs...)
	d.is(`vllm_prober_target_replicas{target="t"}`, 3)
	d.is(valid(6), 1)
	d.is(fmt.Sprintf(`vllm_prober_replica_up{check="health",replica=%q,target="t"}`, f.URLs[2]), 1)
	if _, page := d.do(http.MethodGet, "/config"); !strings.Contains(page, "file_sd_configs:") || !strings.Contains(page, file) {
		t.Errorf("the page /config shows\n%s", page)
	}
}

func TestRunDiscovers(t *testing.T) {
	f := fleet(t, 2, simulator.Options{})
	file := filepath.Join(t.TempDir(), "replicas.json")
	list(t, file, f.URLs...)
	p := start(t, "run", "--config.file="+write(t, "config.yml", discovering(file)), "--output=json")
	if status := p.wait(); status != 0 {
		t.Fatalf("status %d: %s", status, p.stderr.String())
	}
	var result prober.RunResult
	if err := json.Unmarshal([]byte(p.stdout.String()), &result); err != nil {
		t.Fatalf("%v in\n%s", err, p.stdout.String())
	}
	if len(result.Results) != 1 || result.Results[0].Arm.Replicas != 2 || result.Results[0].Arm.GPUs != 4 {
		t.Errorf("the steps are %+v", result.Results)
	}

	list(t, file)
	p = start(t, "run", "--config.file="+write(t, "config.yml", discovering(file)))
	if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), `target "t" has no replica: its discovery has found none`) {
		t.Errorf("status %d: %s", status, p.stderr.String())
	}
}
