package prometheus

import (
	"net/url"
	"regexp"
	"testing"

	"vllm_prober/alerts"
)

// ofBaselines are the names of what takes a baseline of many runs.
var ofBaselines = regexp.MustCompile("limit_7d$|_settled$")

// testRules executes each rule's expression, and expects rows of those that record
// something that the demo has. What alerts find, their unit tests say.
func (s *server) testRules(t *testing.T) {
	var said struct {
		Data struct {
			Groups []struct {
				Name  string
				Rules []struct{ Type, Name, Query, Health, LastError string }
			}
		}
	}
	if err := s.get("/api/v1/rules", url.Values{}, &said); err != nil {
		t.Fatal(err)
	}
	mayBeEmpty := alerts.Default().MayBeEmpty()
	// The demo and its companion have GPUs, searches and two runs: of the excuses there
	// is one left for them.
	young := mayBeEmpty["step:vllm_prober_runs:count_7d_settled"]
	rules := 0
	for _, group := range said.Data.Groups {
		for _, rule := range group.Rules {
			rules++
			if rule.Health != "ok" || rule.LastError != "" {
				t.Errorf("%s of %s: health %s: %s", rule.Name, group.Name, rule.Health, rule.LastError)
				continue
			}
			if _, err := s.instant(rule.Query); err != nil {
				t.Errorf("%s of %s: %v", rule.Name, group.Name, err)
			}
			if rule.Type != "recording" {
				continue
			}
			rows := s.count(rule.Name)
			t.Logf("%3d rows: %s", rows, rule.Name)
			if why := mayBeEmpty[rule.Name]; rows == 0 && (why == "" || why != young && !ofBaselines.MatchString(rule.Name)) {
				t.Errorf("%s: no row", rule.Name)
			}
		}
	}
	if rules < 50 {
		t.Errorf("only %d rules are loaded", rules)
	}
}
