package config

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/dns"
	"github.com/prometheus/prometheus/discovery/file"
	"github.com/prometheus/prometheus/discovery/http"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
)

// everyKey sets every key of the configuration to what is not its default.
const everyKey = `
targets:
- name: llama
  replicas: ["http://vllm-0:8000/", "https://vllm-1/prefix"]
  model: meta-llama/Llama-3.1-8B
  gpus_per_replica: 4
  batch_size: 256
  gpu_uuids: [[GPU-0, MIG-1]]
  labels: {team: search, zone: b}
  balance: least_in_flight
  http_client:
    authorization: {type: Token, credentials: s3cr3t}
    tls_config: {ca_file: ca.pem, min_version: TLS13}
    proxy_url: http://user:s3cr3t@proxy:3128
    http_headers: {X-Key: {secrets: [s3cr3t]}}
    follow_redirects: false
- name: small
  replicas: ["http://vllm-2:8000"]
  gpus_per_replica: 4
  batch_size: 16
- name: found
  static_configs: [{targets: ["10.0.0.1:8000"], labels: {zone: b}}]
  file_sd_configs: [{files: [replicas/*.json], refresh_interval: 1m}]
  http_sd_configs: [{url: "https://inventory/llm", refresh_interval: 10s, authorization: {credentials: s3cr3t}}]
  dns_sd_configs: [{names: [vllm.llm.svc.cluster.local], type: A, port: 8000, refresh_interval: 5s}]
  kubernetes_sd_configs: [{role: pod, kubeconfig_file: kubeconfig, namespaces: {names: [llm]}, selectors: [{role: pod, label: app=vllm}]}]
  relabel_configs: [{source_labels: [__address__, zone], separator: "@", regex: "(.+)@b", action: keep}]
probes:
- name: ladder
  schedule:
    interval: 2h30m
    time_zone: Europe/Berlin
    jitter: 5m
    blackouts:
    - {days: [sat, sun], from: "22:00", to: "06:00", time_zone: America/New_York}
    - {from: 12:00, to: 24:00}
    missed: skip
    max_run_duration: 1h
    budget: {requests_per_day: 5000, tokens_per_day: 2000000}
  arms:
  - target: llama
    replicas: 1
    rates: [0.5, 1]
  - target: small
    batch_size: 64
    gpus_per_replica: 4
    prepare: {command: [bin/restart, "64"], env: {KEY: s3cr3t}, timeout: 1m}
  workload:
    endpoint: chat
    prompt_tokens: {uniform: {min: 100, max: 200}}
    output_tokens: {lognormal: {median: 50.5, sigma: 0.7, min: 5, max: 90}}
    shared_prefix_tokens: 64
    priority: -3
    extra_body: {temperature: 0.7, stop: [a, "\n\nUser:"], logit_bias: {"50256": -100}}
  pacing: {process: gamma, burstiness: 0.25}
  ladder: {rates: [1, 2.5, 4], warmup: 0s, window: 1m, drain: 90s, cooldown: 500ms, repeats: 3}
  search: {max_window: 5m, max_rate: 50, max_steps: 9}
  compare: {by: batch_size, at: saturation, repeats: 4}
  slo: {ttft: 500ms, tpot: 50ms, e2e: 10s, attainment: 0.5}
  guard:
    waiting_requests: 0
    foreign_requests_running: 8
    kv_cache_usage_ratio: 0.9
    preemptions_per_second: 0.5
    error_ratio: 0.25
    heartbeat: beat
    heartbeat_ttft: 2s
    action: wait
    wait_at_most: 1h
  timeouts: {connect: 1s, first_token: 20s, stall: 5s, total: 1m}
  max_in_flight: 100
  max_send_lag: 1500us
  seed: 18446744073709551615
- name: replay
  arms: [{target: llama}]
  schedule: {cron: "*/15 9-17 * * mon-fri"}
  workload: {prompts_file: testdata/prompts.txt, output_tokens: {fixed: 7}}
  ladder: {rates: [3]}
- name: beat
  arms: [{target: llama}]
  heartbeat: {rate: 0.2, window: 2m}
`

func everyKeyConfig(folder string) *Config {
	client := promconfig.DefaultHTTPClientConfig
	client.FollowRedirects = false
	client.Authorization = &promconfig.Authorization{Type: "Token", Credentials: "s3cr3t"}
	client.TLSConfig = promconfig.TLSConfig{CAFile: filepath.Join(folder, "ca.pem"), MinVersion: promconfig.TLSVersions["TLS13"]}
	_ = yaml.Unmarshal([]byte("http://user:s3cr3t@proxy:3128"), &client.ProxyURL)
	client.HTTPHeaders = &promconfig.Headers{Headers: map[string]promconfig.Header{"X-Key": {Secrets: []promconfig.Secret{"s3cr3t"}}}}
	small := DefaultTarget()
	small.Name, small.Replicas, small.GPUsPerReplica, small.BatchSize = "small", []string{"http://vllm-2:8000"}, 4, 16
	found := DefaultTarget()
	found.Name, found.Discovery = "found", everyDiscovery(folder)
	replay := DefaultProbe()
	replay.Name = "replay"
	replay.Arms = []Arm{{Target: "llama"}}
	replay.Schedule.Cron = "*/15 9-17 * * mon-fri"
	replay.Workload.PromptTokens = Length{}
	replay.Workload.OutputTokens = Length{Fixed: 7}
	replay.Workload.PromptsFile = filepath.Join(folder, "testdata/prompts.txt")
	replay.Ladder.Rates = []float64{3}
	beat := DefaultProbe()
	beat.Name, beat.Schedule, beat.Ladder, beat.Guard = "beat", Schedule{}, Ladder{}, Guard{}
	beat.Arms = []Arm{{Target: "llama"}}
	beat.Heartbeat = &Heartbeat{Rate: 0.2, Window: 2 * time.Minute}
	return &Config{
		Targets: []Target{{
			Name:     "llama",
			Replicas: []string{"http://vllm-0:8000", "https://vllm-1/prefix"},
			Model:    "meta-llama/Llama-3.1-8B", GPUsPerReplica: 4, GPUUUIDs: [][]string{{"GPU-0", "MIG-1"}}, BatchSize: 256,
			Labels:     map[string]string{"team": "search", "zone": "b"},
			Balance:    LeastInFlight,
			HTTPClient: client,
		}, small, found},
		Probes: []Probe{{
			Name: "ladder",
			Schedule: Schedule{
				Interval: 150 * time.Minute, TimeZone: "Europe/Berlin", Jitter: 5 * time.Minute,
				Blackouts: []Blackout{
					{Days: []Day{"sat", "sun"}, From: 22 * 60, To: 6 * 60, TimeZone: "America/New_York"},
					{From: 12 * 60, To: EndOfDay},
				},
				Missed: Skip, MaxRunDuration: time.Hour, Budget: Budget{RequestsPerDay: 5000, TokensPerDay: 2_000_000},
			},
			Arms: []Arm{{Target: "llama", Replicas: 1, Rates: []float64{0.5, 1}}, {
				Target: "small", BatchSize: 64, GPUsPerReplica: 4, Prepare: &Prepare{
					Command: []string{filepath.Join(folder, "bin/restart"), "64"}, Env: map[string]promconfig.Secret{"KEY": "s3cr3t"}, Timeout: time.Minute,
				},
			}},
			Workload: Workload{
				Endpoint:           Chat,
				PromptTokens:       Length{Uniform: &UniformTokens{Min: 100, Max: 200}},
				OutputTokens:       Length{Lognormal: &LognormalTokens{Median: 50.5, Sigma: 0.7, Min: 5, Max: 90}},
				SharedPrefixTokens: 64, Priority: -3,
				ExtraBody: JSONObject{
					"temperature": 0.7, "stop": []any{"a", "\n\nUser:"}, "logit_bias": JSONObject{"50256": -100},
				},
			},
			Pacing: Pacing{Process: Gamma, Burstiness: 0.25},
			Ladder: Ladder{
				Rates: []float64{1, 2.5, 4}, Warmup: 0, Window: time.Minute, Drain: 90 * time.Second, Cooldown: 500 * time.Millisecond,
				Repeats: 3,
			},
			Search:  &Search{MaxWindow: 5 * time.Minute, MaxRate: 50, MaxSteps: 9},
			Compare: &Compare{By: ByBatchSize, At: AtSaturation, Repeats: 4},
			SLO:     SLO{TTFT: 500 * time.Millisecond, TPOT: 50 * time.Millisecond, E2E: 10 * time.Second, Attainment: 0.5},
			Guard: Guard{
				WaitingRequests: new(0.), ForeignRequestsRunning: new(8.), KVCacheUsageRatio: new(0.9),
				PreemptionsPerSecond: new(0.5), ErrorRatio: new(0.25), Heartbeat: "beat", HeartbeatTTFT: 2 * time.Second,
				Action: Wait, WaitAtMost: time.Hour,
			},
			Timeouts:    Timeouts{Connect: time.Second, FirstToken: 20 * time.Second, Stall: 5 * time.Second, Total: time.Minute},
			MaxInFlight: 100, MaxSendLag: 1500 * time.Microsecond, Seed: math.MaxUint64,
		}, replay, beat},
	}
}

// everyDiscovery is the discovery of everyKey.
func everyDiscovery(folder string) Discovery {
	authorized := promconfig.DefaultHTTPClientConfig
	authorized.Authorization = &promconfig.Authorization{Type: "Bearer", Credentials: "s3cr3t"}
	return Discovery{
		StaticConfigs: []*targetgroup.Group{{
			Targets: []model.LabelSet{{"__address__": "10.0.0.1:8000"}}, Labels: model.LabelSet{"zone": "b"},
		}},
		FileConfigs: []*file.SDConfig{{
			Files: []string{filepath.Join(folder, "replicas/*.json")}, RefreshInterval: model.Duration(time.Minute),
		}},
		HTTPConfigs: []*http.SDConfig{{
			URL: "https://inventory/llm", RefreshInterval: model.Duration(10 * time.Second), HTTPClientConfig: authorized,
		}},
		DNSConfigs: []*dns.SDConfig{{
			Names: []string{"vllm.llm.svc.cluster.local"}, Type: "A", Port: 8000, RefreshInterval: model.Duration(5 * time.Second),
		}},
		KubernetesConfigs: []*kubernetes.SDConfig{{
			Role: "pod", KubeConfig: filepath.Join(folder, "kubeconfig"), HTTPClientConfig: promconfig.DefaultHTTPClientConfig,
			NamespaceDiscovery: kubernetes.NamespaceDiscovery{Names: []string{"llm"}},
			Selectors:          []kubernetes.SelectorConfig{{Role: "pod", Label: "app=vllm"}},
		}},
		RelabelConfigs: []*relabel.Config{{
			SourceLabels: model.LabelNames{"__address__", "zone"}, Separator: "@", Regex: relabel.MustNewRegexp("(.+)@b"),
			Replacement: "$1", Action: relabel.Keep, NameValidationScheme: model.UTF8Validation,
		}},
	}
}

func here(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestEveryKeyIsReadAsItIsWritten(t *testing.T) {
	got, err := Parse([]byte(everyKey), "vllm_prober.yml")
	if err != nil {
		t.Fatal(err)
	}
	if want := everyKeyConfig(here(t)); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// everyKey is worth its name only while it leaves no key at its default.
func TestEveryKeyLeavesNoDefault(t *testing.T) {
	cfg := everyKeyConfig(here(t))
	left := map[string]bool{}
	var visit func(value, fallback reflect.Value)
	visit = func(value, fallback reflect.Value) {
		if value.Kind() == reflect.Pointer {
			value, fallback = value.Elem(), reflect.Zero(value.Type().Elem())
			if value.Kind() != reflect.Struct {
				return
			}
		}
		for i := range value.NumField() {
			at := value.Type().String() + "." + value.Type().Field(i).Name
			field := value.Field(i)
			same := reflect.DeepEqual(field.Interface(), fallback.Field(i).Interface())
			if before, known := left[at]; !known || before {
				left[at] = same
			}
			if (field.Kind() == reflect.Struct || field.Kind() == reflect.Pointer && !field.IsNil()) && field.Type() != httpClientType {
				visit(field, fallback.Field(i))
			}
		}
	}
	for _, target := range cfg.Targets {
		visit(reflect.ValueOf(target), reflect.ValueOf(DefaultTarget()))
	}
	for _, p := range cfg.Probes {
		visit(reflect.ValueOf(p), reflect.ValueOf(DefaultProbe()))
		for _, a := range p.Arms {
			visit(reflect.ValueOf(a), reflect.ValueOf(Arm{}))
		}
	}
	for at, is := range left {
		if is {
			t.Errorf("%s is nowhere set to what is not its default", at)
		}
	}
	if len(left) < 40 {
		t.Errorf("looked at %d fields alone", len(left))
	}
}

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	got, err := Parse([]byte(`
targets: [{name: llama, replicas: ["http://127.0.0.1:8000"]}]
probes: [{name: ladder, arms: [{target: llama}], ladder: {rates: [1, 2, 4]}}]
`), "")
	if err != nil {
		t.Fatal(err)
	}
	// Written out, so that a default does not change by accident.
	want := &Config{
		Targets: []Target{{
			Name: "llama", Replicas: []string{"http://127.0.0.1:8000"}, GPUsPerReplica: 1, Balance: RoundRobin,
			HTTPClient: promconfig.HTTPClientConfig{FollowRedirects: true, EnableHTTP2: true},
		}},
		Probes: []Probe{{
			Name:        "ladder",
			Schedule:    Schedule{TimeZone: "UTC", Missed: CatchUp},
			Arms:        []Arm{{Target: "llama"}},
			Workload:    Workload{Endpoint: Completions, PromptTokens: Length{Fixed: 128}, OutputTokens: Length{Fixed: 64}},
			Pacing:      Pacing{Process: Poisson},
			Ladder:      Ladder{Rates: []float64{1, 2, 4}, Warmup: 10 * time.Second, Window: 30 * time.Second, Drain: time.Minute, Cooldown: 2 * time.Second, Repeats: 1},
			SLO:         SLO{Attainment: 0.9},
			Guard:       Guard{Action: AbortStep, WaitAtMost: 5 * time.Minute},
			Timeouts:    Timeouts{Connect: 5 * time.Second, FirstToken: time.Minute, Stall: 30 * time.Second, Total: 5 * time.Minute},
			MaxInFlight: 4096, MaxSendLag: 10 * time.Millisecond,
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// The page /config shows what marshals: it must mean what is in force.
func TestWhatIsShownMeansTheSame(t *testing.T) {
	shown, err := yaml.Marshal(everyKeyConfig(here(t)))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(shown), "s3cr3t") || strings.Count(string(shown), "<secret>") != 4 {
		t.Errorf("secrets are not shown as <secret>:\n%s", shown)
	}
	got, err := Parse(shown, "/elsewhere/shown.yml")
	if err != nil {
		t.Fatalf("%v\n%s", err, shown)
	}
	want := everyKeyConfig(here(t))
	client := &want.Targets[0].HTTPClient
	client.Authorization.Credentials = "<secret>"
	client.HTTPHeaders.Headers["X-Key"].Secrets[0] = "<secret>"
	want.Probes[0].Arms[1].Prepare.Env["KEY"] = "<secret>"
	want.Targets[2].Discovery.HTTPConfigs[0].HTTPClientConfig.Authorization.Credentials = "<secret>"
	_ = yaml.Unmarshal([]byte("http://user:xxxxx@proxy:3128"), &client.ProxyURL)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestAliasesAndMergesBringTheirValues(t *testing.T) {
	got, err := Parse([]byte(`
targets:
- &base {name: a, replicas: ["http://a:1"], batch_size: 16, labels: {team: x}}
- {<<: *base, name: b, batch_size: 32}
- <<: [{name: c, gpus_per_replica: 8}, *base]
  labels: {<<: {zone: z}, team: y}
probes:
- name: a
  arms: &arms [{target: a}]
  ladder: &ladder {rates: &rates [1, 2], warmup: 3s}
- name: two
  arms: *arms
  ladder: {<<: *ladder, window: 40s}
- name: three
  arms: [{target: b, rates: *rates}]
`), "")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := got.Target("b")
	c, _ := got.Target("c")
	if b.BatchSize != 32 || b.Replicas[0] != "http://a:1" || b.Labels["team"] != "x" || b.GPUsPerReplica != 1 {
		t.Errorf("b is %+v", b)
	}
	if c.BatchSize != 16 || c.GPUsPerReplica != 8 || !reflect.DeepEqual(c.Labels, map[string]string{"zone": "z", "team": "y"}) {
		t.Errorf("c is %+v", c)
	}
	two := got.Probes[1]
	want := Ladder{Rates: []float64{1, 2}, Warmup: 3 * time.Second, Window: 40 * time.Second, Drain: time.Minute, Cooldown: 2 * time.Second, Repeats: 1}
	if !reflect.DeepEqual(two.Ladder, want) || !reflect.DeepEqual(two.Arms, []Arm{{Target: "a"}}) {
		t.Errorf("two is %+v", two)
	}
	if rates := got.Probes[2].Arms[0].Rates; !reflect.DeepEqual(rates, []float64{1, 2}) {
		t.Errorf("three has the rates %v", rates)
	}
}

// A few lines of aliases can stand for more than any memory holds.
func TestAliasesOfAliasesAreRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString(`
targets: [{name: llama, replicas: ["http://127.0.0.1:8000"]}]
probes:
- name: ladder
  arms: [{target: llama}]
  ladder: {rates: [1]}
  workload:
    extra_body:
      a0: &a0 [x, x, x, x, x, x, x, x, x, x]
`)
	for i := range 20 {
		fmt.Fprintf(&b, "      a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	_, err := Parse([]byte(b.String()), "bomb.yml")
	want := "bomb.yml:2: the file: is more than the YAML library decodes; allowed: fewer aliases of what holds aliases"
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v", err)
	}
}

func TestValidateChecksWhatCodeMade(t *testing.T) {
	target, probe := DefaultTarget(), DefaultProbe()
	target.Name, target.Replicas = "t", []string{"http://127.0.0.1:8000///"}
	probe.Name, probe.Arms, probe.Ladder.Rates = "p", []Arm{{Target: "t"}}, []float64{1}
	cfg := &Config{Targets: []Target{target}, Probes: []Probe{probe}}
	if err := cfg.Validate(); err != nil || cfg.Targets[0].Replicas[0] != "http://127.0.0.1:8000" {
		t.Errorf("%v: %q", err, cfg.Targets[0].Replicas)
	}
	cfg.Probes[0].Ladder.Rates = []float64{2, 1}
	cfg.Targets[0].HTTPClient.BearerToken, cfg.Targets[0].HTTPClient.BearerTokenFile = "s3cr3t", "file"
	want := `targets[0].http_client: at most one of bearer_token & bearer_token_file must be configured; ` +
		`allowed: the settings of http_config in the documentation of Prometheus
probes[0].ladder.rates[1]: 1 after 2; allowed: rates that rise`
	if err := cfg.Validate(); err == nil || err.Error() != want {
		t.Errorf("the error is %v", err)
	}
}

func TestLoadSaysWhichFileItCannotRead(t *testing.T) {
	_, err := Load("testdata/missing.yml")
	if err == nil || !strings.Contains(err.Error(), "testdata/missing.yml") || !strings.Contains(err.Error(), "--config.file") {
		t.Errorf("the error is %v", err)
	}
}

func TestPlanned(t *testing.T) {
	steps := Ladder{Rates: []float64{1, 2, 3}, Warmup: 10 * time.Second, Window: 30 * time.Second, Cooldown: 2 * time.Second, Repeats: 1}
	repeated := steps
	repeated.Repeats = 2
	long := Ladder{Rates: make([]float64, 50_000), Warmup: longest, Window: longest, Cooldown: longest, Repeats: 1}
	for name, c := range map[string]struct {
		probe Probe
		want  time.Duration
	}{
		"none": {Probe{Ladder: steps}, 0},
		"heartbeat, a window of each arm": {
			Probe{Heartbeat: &Heartbeat{Rate: 1, Window: time.Minute}, Arms: []Arm{{}, {}}}, 2 * (10*time.Second + time.Minute),
		},
		"one arm":  {Probe{Ladder: steps, Arms: []Arm{{}}}, 3*42*time.Second - 2*time.Second},
		"two arms": {Probe{Ladder: steps, Arms: []Arm{{}, {Rates: []float64{1}}}}, 4*42*time.Second - 2*time.Second},
		"twice":    {Probe{Ladder: repeated, Arms: []Arm{{}}}, 6*42*time.Second - 2*time.Second},
		"too long": {Probe{Ladder: long, Arms: []Arm{{}}}, math.MaxInt64},
	} {
		if got := c.probe.Planned(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
