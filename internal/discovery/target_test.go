package discovery

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// script is a way to discover that finds groups at its times after its beginning.
type script map[time.Duration][]*targetgroup.Group

func (s script) Run(ctx context.Context, updates chan<- []*targetgroup.Group) {
	began := time.Now()
	for len(s) > 0 {
		next := time.Duration(-1)
		for at := range s {
			if next < 0 || at < next {
				next = at
			}
		}
		select {
		case <-time.After(next - time.Since(began)):
			updates <- s[next]
			delete(s, next)
		case <-ctx.Done():
			return
		}
	}
}

func group(source string, addresses ...string) *targetgroup.Group {
	g := &targetgroup.Group{Source: source}
	for _, a := range addresses {
		g.Targets = append(g.Targets, model.LabelSet{"__address__": model.LabelValue(a)})
	}
	return g
}

func groups(all ...*targetgroup.Group) []*targetgroup.Group { return all }

// The first list is complete when each way has told something and nothing new came
// for a second, or after half a minute.
func TestTheFirstListIsAwaited(t *testing.T) {
	for name, tt := range map[string]struct {
		ways  []script
		after time.Duration
		want  []string
	}{
		"piece by piece": {
			[]script{{0: groups(group("a", "a:1")), 900 * time.Millisecond: groups(group("b", "b:1")), 1800 * time.Millisecond: groups(group("c", "c:1"))}},
			2800 * time.Millisecond,
			[]string{"http://a:1", "http://b:1", "http://c:1"},
		},
		"the slowest of two": {
			[]script{{0: groups(group("a", "a:1"))}, {5 * time.Second: groups(group("a", "b:1"))}},
			6 * time.Second,
			[]string{"http://a:1", "http://b:1"},
		},
		"one that says the same again and again": {
			[]script{{0: groups(group("a", "a:1")), 900 * time.Millisecond: groups(group("a", "a:1")), 1800 * time.Millisecond: groups(group("a", "a:1"))}},
			time.Second,
			[]string{"http://a:1"},
		},
		"an empty one": {[]script{{time.Second: groups()}}, 2 * time.Second, nil},
		"a silent one": {
			[]script{{0: groups(group("a", "a:1"))}, {time.Hour: groups(group("a", "b:1"))}},
			firstLimit,
			[]string{"http://a:1"},
		},
		"the slowest just in time": {
			[]script{{0: groups(group("a", "a:1"))}, {firstLimit - 100*time.Millisecond: groups(group("a", "b:1"))}},
			firstLimit,
			[]string{"http://a:1", "http://b:1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := newTarget(config.Discovery{}, slog.New(slog.DiscardHandler), nil)
				for _, way := range tt.ways {
					at.ways = append(at.ways, way)
				}
				began := time.Now()
				at.start()
				at.awaitFirst(t.Context())
				replicas, _ := at.watch()
				if after := time.Since(began); after != tt.after || !slices.Equal(replicas, tt.want) {
					t.Errorf("after %s there are %q, want after %s %q", after, replicas, tt.after, tt.want)
				}
				at.awaitFirst(t.Context())
				if after := time.Since(began); after != tt.after {
					t.Errorf("the first list is awaited again, until %s", after)
				}
				at.stop()
				synctest.Wait()
			})
		})
	}
}

func TestAwaitingTheFirstListEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := newTarget(config.Discovery{}, slog.New(slog.DiscardHandler), nil)
		at.ways = append(at.ways, script{time.Hour: nil})
		began := time.Now()
		at.start()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		at.awaitFirst(ctx)
		time.AfterFunc(2*time.Second, at.stop)
		at.awaitFirst(t.Context())
		if after := time.Since(began); after != 5*time.Second {
			t.Errorf("the waiting ended after %s, want 3 s for the first and 2 s for the second", after)
		}
		synctest.Wait()
	})
}

// A watch tells of all that came and went while it was held, and of nothing else.
func TestAWatchTellsWhatCameAndWent(t *testing.T) {
	at := newTarget(config.Discovery{}, slog.New(slog.DiscardHandler), nil)
	at.settle = time.NewTimer(time.Hour)
	second := func(n int64) time.Time { return time.Unix(n, 0) }
	at.take(0, groups(group("0", "a:1", "b:1")), second(0))
	replicas, early := at.watch()
	if !slices.Equal(replicas, []string{"http://a:1", "http://b:1"}) {
		t.Fatalf("there are %q", replicas)
	}
	at.take(0, groups(group("0", "a:1", "b:1")), second(1)) // the same again
	at.take(1, groups(group("0", "b:1"), nil), second(2))   // another way finds what is known
	at.take(0, groups(group("0", "b:1", "c:1")), second(3))
	_, late := at.watch()
	at.take(0, groups(group("0")), second(4)) // an empty group is none; b is still found by the other way
	want := []prober.Change{
		{Replica: "http://a:1", At: second(3)},
		{Replica: "http://c:1", Came: true, At: second(3)},
		{Replica: "http://c:1", At: second(4)},
	}
	if got := early(); !slices.Equal(got, want) {
		t.Errorf("the first watch tells of %+v, want %+v", got, want)
	}
	if got := late(); !slices.Equal(got, want[2:]) {
		t.Errorf("the second watch tells of %+v, want %+v", got, want[2:])
	}
	if len(at.watches) != 0 || len(at.found()) != 1 {
		t.Errorf("%d watches and %d replicas are left", len(at.watches), len(at.found()))
	}
}

// Labels become base URLs in Prometheus's way.
func TestRelabelling(t *testing.T) {
	pod := func(address, ready string) model.LabelSet {
		return model.LabelSet{"__address__": model.LabelValue(address), "__meta_ready": model.LabelValue(ready), "zone": "own"}
	}
	for name, tt := range map[string]struct {
		found []model.LabelSet
		rules string
		want  []string
		wrong int // how many are no replicas
	}{
		"as they are, sorted and each once": {found: []model.LabelSet{pod("b:1", ""), pod("a:1", "x"), pod("a:1", "y")}, want: []string{"http://a:1", "http://b:1"}},
		"kept and dropped": {
			found: []model.LabelSet{pod("a:1", "true"), pod("b:1", "false"), pod("c:1", "")},
			rules: `[{source_labels: [__meta_ready], regex: "true", action: keep}]`, want: []string{"http://a:1"},
		},
		"scheme and port": {
			found: []model.LabelSet{pod("10.0.0.1:9090", "")},
			rules: `[{source_labels: [__address__], regex: "(.+):.+", replacement: "$1:8000", target_label: __address__}, {target_label: __scheme__, replacement: https}]`,
			want:  []string{"https://10.0.0.1:8000"},
		},
		"a label of the group, and one that the target has itself": {
			found: []model.LabelSet{pod("a:1", "")},
			rules: `[{source_labels: [region, zone], separator: /, regex: "eu/own", action: keep}]`, want: []string{"http://a:1"},
		},
		"IPv6":              {found: []model.LabelSet{pod("[2001:db8::1]:8000", "")}, want: []string{"http://[2001:db8::1]:8000"}},
		"no address":        {found: []model.LabelSet{{"__meta_name": "a"}}, wrong: 1},
		"address with path": {found: []model.LabelSet{pod("a:1/metrics", ""), pod("b:1", "")}, want: []string{"http://b:1"}, wrong: 1},
		"impossible scheme": {found: []model.LabelSet{pod("a:1", "")}, rules: `[{target_label: __scheme__, replacement: tcp}]`, wrong: 1},
	} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf("targets: [{name: t, static_configs: [{targets: [a]}], relabel_configs: %s}]\n"+
				"probes: [{name: p, arms: [{target: t}], ladder: {rates: [1]}}]", cmp.Or(tt.rules, "[]"))
			cfg, err := config.Parse([]byte(text), "")
			if err != nil {
				t.Fatal(err)
			}
			found := map[origin]*targetgroup.Group{{}: {Targets: tt.found, Labels: model.LabelSet{"region": "eu", "zone": "group"}}}
			replicas, refused := replicasOf(found, cfg.Targets[0].Discovery.RelabelConfigs)
			if !slices.Equal(replicas, tt.want) || len(refused) != tt.wrong {
				t.Errorf("got %q, and %q are refused; want %q and %d", replicas, refused, tt.want, tt.wrong)
			}
		})
	}
}
