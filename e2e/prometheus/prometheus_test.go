package prometheus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"vllm_prober/alerts"
)

// form is how Prometheus scrapes histograms.
type form string

// The forms. both is what the README recommends.
const (
	native  form = "native"
	classic form = "classic"
	both    form = "both"
)

// settings are those of the scrape configuration for a form.
func (f form) settings() string {
	return map[form]string{
		native:  "scrape_native_histograms: true",
		classic: "scrape_native_histograms: false",
		both:    "scrape_native_histograms: true, always_scrape_classic_histograms: true",
	}[f]
}

// often is how often the tests scrape and evaluate rules: more often than anyone
// needs, to see all in a short time.
const often = 3 * time.Second

// server is a running Prometheus.
type server struct {
	*process
	form form
}

// startPrometheus starts one that scrapes addresses, each a job by its name, with
// rule files and, where it is not empty, an Alertmanager.
func startPrometheus(t *testing.T, f form, jobs map[string]string, rules []string, alertmanager string) *server {
	t.Helper()
	var config strings.Builder
	fmt.Fprintf(&config, "global: {scrape_interval: %s, evaluation_interval: %s}\nscrape_configs:\n", often, often)
	for job, address := range jobs {
		fmt.Fprintf(&config, "- {job_name: %s, %s, static_configs: [{targets: [%q]}]}\n", job, f.settings(), address)
	}
	fmt.Fprintf(&config, "rule_files: [%s]\n", strings.Join(rules, ", "))
	if alertmanager != "" {
		fmt.Fprintf(&config, "alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}\n", alertmanager)
	}
	address := freeAddress(t)
	return &server{start(t, address, "/-/ready", tool(t, "prometheus"),
		"--config.file="+write(t, "prometheus.yml", config.String()), "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+address,
		"--log.level=warn"), f}
}

// ruleFiles are the rules that settings make, evaluated often.
func ruleFiles(t *testing.T, settings alerts.Settings) []string {
	t.Helper()
	files, err := alerts.Files(settings)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, name := range []string{alerts.RecordingFile, alerts.AlertsFile} {
		var groups alerts.Groups
		if err := yaml.Unmarshal(files[name], &groups); err != nil {
			t.Fatal(err)
		}
		for i := range groups.Groups {
			groups.Groups[i].Interval = often.String()
		}
		text, err := groups.YAML()
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, write(t, name, string(text)))
	}
	return paths
}

// answer is what Prometheus says to a query.
type answer struct {
	Status, Error   string
	Warnings, Infos []string
	Data            struct {
		ResultType string
		Result     json.RawMessage
	}
}

// get asks an endpoint of the API.
func (s *server) get(path string, parameters url.Values, into any) error {
	response, err := http.Get("http://" + s.address + path + "?" + parameters.Encode())
	if err != nil {
		return err //nolint:wrapcheck // it names the address
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(into) //nolint:wrapcheck // the test prints it
}

// instant is the answer to an expression now; scalars are a row without labels.
func (s *server) instant(expr string) (model.Vector, error) {
	var a answer
	if err := s.get("/api/v1/query", url.Values{"query": {expr}}, &a); err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	if a.Data.ResultType == "scalar" {
		return model.Vector{{}}, nil
	}
	var rows model.Vector
	return rows, json.Unmarshal(a.Data.Result, &rows) //nolint:wrapcheck // the test prints it
}

// over is the answer to an expression over the time before now.
func (s *server) over(expr string, before time.Duration) (model.Matrix, error) {
	now := time.Now()
	var a answer
	if err := s.get("/api/v1/query_range", url.Values{
		"query": {expr}, "end": {fmt.Sprint(now.Unix())}, "start": {fmt.Sprint(now.Add(-before).Unix())}, "step": {fmt.Sprint(often.Seconds())},
	}, &a); err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	var rows model.Matrix
	return rows, json.Unmarshal(a.Data.Result, &rows) //nolint:wrapcheck // the test prints it
}

// check says what is wrong with an answer: warnings and infos, too, of which the
// latter are for metrics that are no counters, or histograms of different kinds.
func (a *answer) check() error {
	if a.Status != "success" || len(a.Warnings) > 0 || len(a.Infos) > 0 {
		return fmt.Errorf("status %s, error %q, warnings %q, infos %q", a.Status, a.Error, a.Warnings, a.Infos)
	}
	return nil
}

// count is how many rows an expression has now; none where it fails.
func (s *server) count(expr string) int {
	rows, err := s.instant(expr)
	if err != nil {
		return 0
	}
	return len(rows)
}
