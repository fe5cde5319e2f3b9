package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

var errNotInstalled = errors.New("not installed: run e2e/vllm/install.sh")

// benchServe is `vllm bench serve` on the client's core. It counts a request's
// TTFT from when it came to send it, so its send lag is not in its error.
func benchServe(folder string) client {
	return client{"vllm bench serve", func(ctx context.Context, server string, rate float64, t times) (measurement, error) {
		home := os.Getenv("VLLM_HOME")
		if home == "" {
			home = filepath.Join(os.Getenv("HOME"), ".cache", "vllm_prober", "vllm")
		}
		program := filepath.Join(home, "venv", "bin", "vllm")
		if _, err := os.Stat(program); err != nil { //nolint:gosec // the user says where it is
			return measurement{}, errNotInstalled
		}
		// It has no warm-up under load, so the first of its requests are left out.
		warmup := int(rate * t.warmup.Seconds())
		count := warmup + int(rate*t.window.Seconds())
		const idPrefix, resultFile = "peer-", "peer.json"
		cmd := pinned(ctx, clientCore, program, "bench", "serve",
			"--backend=openai", "--base-url="+server, "--endpoint=/v1/completions",
			"--model="+model, "--tokenizer="+filepath.Join(home, "model"),
			"--dataset-name=random", "--random-input-len="+strconv.Itoa(promptTokens), "--random-output-len="+strconv.Itoa(outputTokens),
			"--ignore-eos", "--request-rate="+strconv.FormatFloat(rate, 'g', -1, 64), "--num-prompts="+strconv.Itoa(count),
			"--request-id-prefix="+idPrefix, "--disable-tqdm",
			"--save-result", "--save-detailed", "--result-dir="+folder, "--result-filename="+resultFile)
		cmd.Env = append(cmd.Env, "HF_HUB_OFFLINE=1", "VLLM_NO_USAGE_STATS=1", "DO_NOT_TRACK=1")
		cmd.Stderr = nil
		if out, err := cmd.CombinedOutput(); err != nil {
			return measurement{}, fmt.Errorf("running vllm bench serve: %w\n%s", err, tail(out))
		}
		text, err := os.ReadFile(filepath.Join(folder, resultFile))
		if err != nil {
			return measurement{}, fmt.Errorf("reading the peer's result: %w", err)
		}
		return peerResult(text, idPrefix, warmup)
	}}
}

// peerResult reads a result of `vllm bench serve --save-detailed`: its lists are
// in the order of the requests, whose ids count from 0.
func peerResult(text []byte, idPrefix string, warmup int) (m measurement, err error) {
	var result struct {
		TTFTs        []float64 `json:"ttfts"`
		Errors       []string  `json:"errors"`
		OutputTokens int       `json:"total_output_tokens"`
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return m, fmt.Errorf("reading the peer's result: %w", err)
	}
	m.Tokens = result.OutputTokens
	for i, ttft := range result.TTFTs {
		switch {
		case i < warmup:
		case i < len(result.Errors) && result.Errors[i] != "":
			m.Lost++
		default:
			m.Samples = append(m.Samples, sample{idPrefix + strconv.Itoa(i), ttft})
		}
	}
	return m, nil
}

// tail is the end of a program's output, where it says what went wrong.
func tail(out []byte) []byte { return out[max(0, len(out)-2000):] }
