package config

import (
	"fmt"
	"strings"
	"testing"
)

// Whatever is wrong in http_client and where else its settings stand, no error
// repeats it.
func TestNoErrorHoldsASecret(t *testing.T) {
	files := []string{`
targets:
- name: llama
  replicas: ["http://127.0.0.1:8000"]
  http_client:
%s
- name: qwen
  replicas: ["http://127.0.0.1:8001"]
  http_client: *client
probes: [{name: ladder, arms: [{target: llama}], ladder: {rates: [1]}}]
`, `
targets:
- name: llama
  http_sd_configs:
  -
%s
- name: qwen
  kubernetes_sd_configs: [*client]
probes: [{name: ladder, arms: [{target: llama}], ladder: {rates: [1]}}]
`}
	// Each line is a place that a secret, or what is put there by mistake, can take.
	blocks := []string{
		"    &client\n    bearer_token: HERE",
		"    &client\n    bearer_token:\n      HERE",
		"    &client {bearer_token: HERE, bearer_token: HERE}",
		"    &client\n    basic_auth: {username: HERE, password: HERE}",
		"    &client\n    basic_auth:\n      password: HERE\n      password: HERE",
		"    &client\n    basic_auth: HERE",
		"    &client\n    basic_auth: {HERE}",
		"    &client\n    authorization:\n      HERE",
		"    &client\n    authorization: {type: HERE, credentials: HERE}\n    bearer_token: HERE",
		"    &client\n    authorization: {type: basic, credentials: HERE}",
		"    &client\n    oauth2: {client_id: HERE, client_secret: HERE, token_url: HERE, endpoint_params: {a: HERE}, scopes: [HERE]}",
		"    &client\n    oauth2: {client_secret: HERE, claims: {a: HERE, b: [HERE]}, tls_config: {key: HERE}}",
		"    &client\n    tls_config: {min_version: HERE, insecure_skip_verify: HERE}",
		"    &client\n    tls_config: {key: HERE, key_file: HERE}",
		"    &client\n    proxy_url: HERE\n    no_proxy: HERE",
		"    &client\n    proxy_url: http://u:HERE@[\n    proxy_from_environment: HERE",
		"    &client\n    proxy_connect_header: {X: [HERE]}",
		"    &client\n    http_headers: {X: {secrets: [HERE], values: HERE}}",
		"    &client\n    http_headers: {HERE: {secrets: HERE, files: [HERE]}}",
		"    &client\n    http_headers: {Authorization: {secrets: [HERE]}}",
		"    &client\n    follow_redirects: HERE\n    enable_http2: HERE",
		"    &client\n    HERE: HERE",
		"    &client\n    HERE: 1\n    HERE: 2",
		"    &client\n    <<: HERE",
		"    &client\n    <<: [{bearer_token: {HERE: 1}}, HERE]",
		"    &client\n    url: HERE",
		"    &client\n    url: http://inventory\n    refresh_interval: HERE\n    authorization: {credentials: HERE}",
		"    &client\n    role: HERE\n    api_server: HERE\n    kubeconfig_file: {HERE: 1}",
		"    &client\n    HERE",
		"    &client HERE",
	}
	mistakes := []string{
		"s3cr3t", "*s3cr3t", "&s3cr3t", "&s3cr3t x", "!s3cr3t", "!s3cr3t x", "!!s3cr3t x", "!<s3cr3t> x", "!!int s3cr3t", "!!binary s3cr3t",
		"[s3cr3t]", "[s3cr3t", "s3cr3t]", "{s3cr3t}", "{s3cr3t: 1}", "{s3cr3t: 1, s3cr3t: 2}", "{s3cr3t", "{a: {s3cr3t: 1}}", "{<<: s3cr3t}",
		`"s3cr3t`, `"s3cr3t"`, `"\s3cr3t"`, `"\xs3cr3t"`, "'s3cr3t", "'s3cr3t'x", "|s3cr3t", ">s3cr3t", "@s3cr3t", "`s3cr3t", "%s3cr3t",
		"s3cr3t: x", "s3cr3t:", ": s3cr3t", "? s3cr3t", "- s3cr3t", "-s3cr3t", "*s3'cr3t", "*s3cr3t: x", "&s3cr3t *s3cr3t", "\ts3cr3t",
		"s3cr3t\x00", "s3cr3t\xff", "s3cr3t # x", "#s3cr3t", "1e999s3cr3t", "http://u:s3cr3t@[", "http://u:s3cr3t@host:port", "~ s3cr3t",
	}
	refused := 0
	for _, file := range files {
		for _, block := range blocks {
			for _, mistake := range mistakes {
				text := fmt.Sprintf(file, strings.ReplaceAll(block, "HERE", mistake))
				_, err := Parse([]byte(text), "vllm_prober.yml")
				if err == nil {
					continue
				}
				refused++
				// Without its last letters it is as good as told.
				if strings.Contains(err.Error(), "s3c") || strings.Contains(err.Error(), "cr3t") {
					t.Errorf("the error\n%v\nholds the secret of%s", err, text)
				}
			}
		}
	}
	if all := len(files) * len(blocks) * len(mistakes); refused < all*2/3 {
		t.Errorf("%d of %d are refused: most should be", refused, all)
	}
}
