package backtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
)

// server is a Prometheus whose time is a test's.
type server struct {
	t       *testing.T
	storage *teststorage.TestStorage
	engine  *promql.Engine
	// groups are all that the alerts rest on; past are those of their rules that others
	// ask for as they were in the past.
	groups, past []*rules.Group
	// wanted are the metrics that the rules ask for: nobody misses the others.
	wanted map[string]bool

	symbols *labels.SymbolTable
	series  map[string]storage.SeriesRef
	// firing are the alerts that fire, by their labels, and since when.
	firing map[string]time.Time
	fired  []firing
}

// sample is what a scrape brought of a series.
type sample struct {
	labels labels.Labels
	ref    storage.SeriesRef
	value  float64
}

// firing is an alert that has begun to fire.
type firing struct {
	at     time.Time
	labels labels.Labels
	text   string
}

// newServer makes one with those rules of files that the alerts of regressions rest on.
func newServer(t *testing.T, interval time.Duration, files ...string) *server {
	t.Helper()
	s := &server{
		t: t, storage: teststorage.New(t), wanted: map[string]bool{}, symbols: labels.NewSymbolTable(),
		series: map[string]storage.SeriesRef{}, firing: map[string]time.Time{},
	}
	reader := parser.NewParser(parser.Options{})
	s.engine = promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50e6, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: reader,
		NoStepSubqueryIntervalFn: func(int64) int64 { return interval.Milliseconds() },
	})
	t.Cleanup(func() { _ = s.engine.Close() })
	needed, remembered, order := dependencies(t, reader, files)
	load := func(keep map[string]bool) []*rules.Group {
		manager := rules.NewManager(&rules.ManagerOptions{
			ExternalURL: &url.URL{}, Context: t.Context(), QueryFunc: rules.EngineQueryFunc(s.engine, s.storage),
			AppendableV2: s.storage, Queryable: s.storage, Logger: slog.New(slog.DiscardHandler), Parser: reader,
			NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, GroupLoader: loader{reader, keep},
		})
		groups, errs := manager.LoadGroups(interval, labels.EmptyLabels(), "", nil, false, files...)
		if len(errs) > 0 {
			t.Fatal(errors.Join(errs...))
		}
		// In the order in which they stand, though a real Prometheus begins each at a
		// moment of its own: what one takes from another is then an interval old at most.
		return slices.SortedFunc(maps.Values(groups), func(a, b *rules.Group) int {
			return slices.Index(order, a.Name()) - slices.Index(order, b.Name())
		})
	}
	s.groups, s.past = load(needed), load(remembered)
	for _, g := range s.groups {
		for _, r := range g.Rules() {
			for _, selector := range selectors(r.Query()) {
				if histograms.MatchString(selector.Name) {
					t.Fatalf("%s asks for %s, which tapes leave out", r.Name(), selector.Name)
				}
				s.wanted[selector.Name] = true
			}
			if a, is := r.(*rules.AlertingRule); is {
				a.SetRestored(true)
			}
		}
	}
	return s
}

// histograms are the names of the series of histograms of steps.
var histograms = regexp.MustCompile(
	`^vllm_prober_(time_to_first_token|time_per_output_token|inter_token_latency|request_duration)_seconds(_bucket|_sum|_count)?$`)

// scrape takes what a registry has.
func (s *server) scrape(registry *client.Registry) (scraped []sample) {
	families, err := registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	var page bytes.Buffer
	encoder := expfmt.NewEncoder(&page, expfmt.NewFormat(expfmt.TypeProtoDelim))
	for _, f := range families {
		if !s.wanted[f.GetName()] {
			continue
		}
		if err := encoder.Encode(f); err != nil {
			s.t.Fatal(err)
		}
	}
	p := textparse.NewProtobufParser(page.Bytes(), true, false, false, false, s.symbols)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return scraped
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var found sample
		_, _, found.value = p.Series()
		p.Labels(&found.labels)
		if s.wanted[found.labels.Get(model.MetricNameLabel)] {
			found.labels = labels.NewBuilder(found.labels).Set("job", "vllm_prober").Set("instance", "prober:9877").Labels()
			found.ref = s.series[found.labels.String()]
			scraped = append(scraped, found)
		}
	}
}

// store writes what a scrape has brought as of a time.
func (s *server) store(at time.Time, scraped []sample) {
	app := s.storage.AppenderV2(s.t.Context())
	for i := range scraped {
		each := &scraped[i]
		ref, err := app.Append(each.ref, each.labels, 0, at.UnixMilli(), each.value, nil, nil, storage.AppendV2Options{})
		if err != nil {
			s.t.Fatal(err)
		}
		if ref != each.ref {
			each.ref = ref
			s.series[each.labels.String()] = ref
		}
	}
	if err := app.Commit(); err != nil {
		s.t.Fatal(err)
	}
}

// judge evaluates those of groups that are due.
func (s *server) judge(at time.Time, groups []*rules.Group) {
	for _, g := range groups {
		if at.UnixNano()%int64(g.Interval()) != 0 {
			continue
		}
		g.Eval(s.t.Context(), at)
		for _, r := range g.Rules() {
			if err := r.LastError(); err != nil {
				s.t.Fatalf("%s at %s: %v", r.Name(), at, err)
			}
		}
	}
	now := map[string]time.Time{}
	for _, g := range groups {
		for _, r := range g.AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				if a.State != rules.StateFiring {
					continue
				}
				name := a.Labels.String()
				since, before := s.firing[name]
				if !before {
					since = at
					s.fired = append(s.fired, firing{at, a.Labels, a.Annotations.Get("description")})
				}
				now[name] = since
			}
		}
	}
	s.firing = now
}
