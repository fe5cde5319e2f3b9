package collector

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/discovery/dns"

	"vllm_prober/internal/config"
)

// Targets with different free labels make one consistent metric.
func TestTargetInfo(t *testing.T) {
	found := map[string]int{}
	d := NewDaemon(func(target string) int { return found[target] })
	if n := testutil.CollectAndCount(d, "vllm_prober_target_info"); n != 0 {
		t.Errorf("%d targets without a configuration", n)
	}
	d.SetConfig(&config.Config{Targets: []config.Target{
		{Name: "a", Model: "llama", Replicas: []string{"http://a", "http://b"}, Labels: map[string]string{"region": "eu"}},
		{Name: "b", Replicas: []string{"http://c"}, Labels: map[string]string{"team": "chat"}},
		{Name: "c", Discovery: config.Discovery{DNSConfigs: []*dns.SDConfig{{}}}},
	}})
	want := `
# HELP vllm_prober_target_info A target of the configuration, with its free labels.
# TYPE vllm_prober_target_info gauge
vllm_prober_target_info{model="",region="",target="b",team="chat"} 1
vllm_prober_target_info{model="",region="",target="c",team=""} 1
vllm_prober_target_info{model="llama",region="eu",target="a",team=""} 1
# HELP vllm_prober_target_replicas Replicas that a target has.
# TYPE vllm_prober_target_replicas gauge
vllm_prober_target_replicas{target="a"} 2
vllm_prober_target_replicas{target="b"} 1
vllm_prober_target_replicas{target="c"} 0
`
	if err := testutil.CollectAndCompare(d, strings.NewReader(want), "vllm_prober_target_info", "vllm_prober_target_replicas"); err != nil {
		t.Error(err)
	}
	found["c"] = 3
	want = strings.Replace(want, `{target="c"} 0`, `{target="c"} 3`, 1)
	if err := testutil.CollectAndCompare(d, strings.NewReader(want), "vllm_prober_target_info", "vllm_prober_target_replicas"); err != nil {
		t.Error(err)
	}
}
