//go:build e2e && linux

package vllm_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vllm_prober/prober"
)

// TestCommand: the program itself makes a run, and its JSON holds what vLLM counted.
func TestCommand(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "vllm_prober")
	if out, err := exec.Command("go", "build", "-o", binary, "vllm_prober").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	before := server.idle(t)
	cmd := exec.Command(binary, "run", "--target", server.url, "--api-key-file", server.keyFile, "--rates", "2,5",
		"--prompt-tokens", "64", "--output-tokens", "64", "--warmup", "1s", "--window", "5s", "--cooldown", "0s",
		"--output", "json")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	delta := server.idle(t).minus(before)

	var result prober.RunResult
	if err := json.Unmarshal(stdout, &result); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if len(result.Results) != 2 || len(result.Models) != 1 || result.Models[0].Model != "tiny" || result.Models[0].MaxModelLen != 2048 ||
		len(result.Models[0].Versions) != 1 {
		t.Fatalf("the result is\n%s", stdout)
	}
	least, most := 0, 0 // tokens, without and with those of requests that the steps' ends cut
	for _, r := range result.Results {
		measured := r.Outcomes[prober.Window]
		if r.Offered == 0 || measured[prober.OK] != r.Offered || len(r.Failures) > 0 {
			t.Errorf("at %g requests per second %d of %d were ok: %v", r.RequestRate, measured[prober.OK], r.Offered, r.Failures)
		}
		if r.PromptTokens != 64*r.Offered || r.OutputTokens != 64*r.Offered {
			t.Errorf("%d requests had %d + %d tokens", r.Offered, r.PromptTokens, r.OutputTokens)
		}
		for _, phase := range prober.Phases() {
			least += 64 * r.Outcomes[phase][prober.OK]
			most += 64 * r.Outcomes[phase][prober.Aborted]
		}
	}
	most += least
	if made := int(delta[outputTokens]); made < least || made > most {
		t.Errorf("vLLM made %d tokens, the result tells of %d to %d", made, least, most)
	}
	if text := stderr.String(); !strings.Contains(text, "[1/2]") || !strings.Contains(text, "[2/2]") || strings.Contains(text, apiKey) {
		t.Errorf("its progress was:\n%s", text)
	}
}
