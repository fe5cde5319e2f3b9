package prober_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/discovery/dns"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// roster is a Discovery whose replicas a test changes.
type roster struct {
	mu       sync.Mutex
	replicas []string
	watches  map[*[]prober.Change]bool
}

func rosterOf(names ...string) *roster {
	r := &roster{watches: map[*[]prober.Change]bool{}}
	for _, name := range names {
		r.replicas = append(r.replicas, "http://replica-"+name)
	}
	return r
}

func (r *roster) Watch(context.Context, string) ([]string, func() []prober.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := &[]prober.Change{}
	r.watches[seen] = true
	return slices.Clone(r.replicas), func() []prober.Change {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watches, seen)
		return *seen
	}
}

func (r *roster) change(name string, came bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := prober.Change{Replica: "http://replica-" + name, Came: came, At: time.Now()}
	if came {
		r.replicas = append(r.replicas, c.Replica)
		slices.Sort(r.replicas)
	} else {
		r.replicas = slices.DeleteFunc(r.replicas, func(other string) bool { return other == c.Replica })
	}
	for seen := range r.watches {
		*seen = append(*seen, c)
	}
}

func (r *roster) comes(name string) { r.change(name, true) }
func (r *roster) goes(name string)  { r.change(name, false) }

// discovering is a world whose target is discovered, with three replicas that can
// be, and steps of 25 s with 5 s between them.
func discovering(r *roster, steps int) *world {
	w := newWorld(steady(50*time.Millisecond, 10*time.Millisecond), steady(50*time.Millisecond, 10*time.Millisecond),
		steady(50*time.Millisecond, 10*time.Millisecond))
	w.target().Replicas, w.target().Discovery.DNSConfigs = nil, []*dns.SDConfig{{}}
	w.target().GPUsPerReplica = 2
	w.probe().Ladder.Rates = []float64{10, 20, 30}[:steps]
	w.probe().Ladder.Cooldown = 5 * time.Second
	w.discovery = r
	return w
}

// asked are the replicas that answered in a step, with how many requests.
func (w *world) asked(step int) map[string]int {
	n := map[string]int{}
	for _, o := range w.observations {
		if strings.Contains(o.ID, fmt.Sprintf("-%d-", step)) {
			n[strings.TrimPrefix(o.Replica, "http://replica-")]++
		}
	}
	return n
}

// A replica that comes or goes during a step makes it invalid, also if it is as
// before when the step ends, and the step after it is valid again.
func TestAReplicaThatComesOrGoesMakesTheStepInvalid(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(r *roster)
		want   string // with the time from synctest's epoch on, 2000-01-01
	}{
		"comes":         {func(r *roster) { r.comes("c") }, "replica http://replica-c came at 2000-01-01T00:00:10Z"},
		"goes and back": {func(r *roster) { r.goes("a"); r.comes("a") }, "replica http://replica-a left at 2000-01-01T00:00:10Z, the first of 2 changes"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rosterOf("a", "b")
			w := discovering(r, 2)
			w.during = func(*prober.Prober) {
				time.Sleep(10 * time.Second)
				tt.change(r)
			}
			result, err := w.run(t)
			if err != nil || len(result.Results) != 2 {
				t.Fatalf("%v: %+v", err, result.Results)
			}
			first, second := result.Results[0], result.Results[1]
			want := []prober.Broken{{Promise: prober.PromiseReplicas, Detail: tt.want}}
			if !slices.Equal(first.Broken, want) || first.Latencies != nil {
				t.Errorf("the step has broken %+v, want %+v", first.Broken, want)
			}
			if !second.Valid() {
				t.Errorf("the step after it has broken %+v", second.Broken)
			}
			if len(r.watches) != 0 {
				t.Errorf("%d watches are left", len(r.watches))
			}
		})
	}
}

// Between steps, another replica takes the place of one that went, and a further
// one takes none: the arm has as many as when the run began.
func TestBetweenStepsAReplicaIsUsedOrNot(t *testing.T) {
	r := rosterOf("b", "c")
	w := discovering(r, 3)
	w.during = func(*prober.Prober) {
		time.Sleep(27 * time.Second) // after the first step
		r.comes("a")                 // which sorts before those that are in use
		time.Sleep(30 * time.Second) // after the second
		r.goes("c")
	}
	result, err := w.run(t)
	if err != nil || len(result.Results) != 3 {
		t.Fatalf("%v: %+v", err, result.Results)
	}
	for i, want := range []string{"bc", "bc", "ab"} {
		asked := w.asked(i + 1)
		if len(asked) != 2 || asked[want[:1]] == 0 || asked[want[1:]] == 0 {
			t.Errorf("step %d asked %v, want %s", i+1, asked, want)
		}
		s := result.Results[i]
		if !s.Valid() || s.Arm != (prober.Arm{Target: "t", Replicas: 2, GPUs: 4}) {
			t.Errorf("step %d is of %+v and has broken %v", i+1, s.Arm, s.Broken)
		}
	}
}

// An arm that uses all replicas of a discovered target uses those that there are
// when a run begins, and is then the arm of that many GPUs.
func TestAnArmFollowsTheCountFromRunToRun(t *testing.T) {
	for _, names := range [][]string{{"a"}, {"a", "b", "c"}} {
		w := discovering(rosterOf(names...), 1)
		// Which is another arm only while there are other replicas than this one.
		w.probe().Arms = append(w.probe().Arms, config.Arm{Target: "t", Replicas: 1})
		result, err := w.run(t)
		if err != nil {
			t.Fatal(err)
		}
		var gpus []int
		for _, s := range result.Results {
			gpus = append(gpus, s.Arm.GPUs)
		}
		slices.Sort(gpus)
		want := slices.Compact([]int{2, 2 * len(names)})
		if !slices.Equal(gpus, want) || len(result.Models) != len(want) {
			t.Errorf("with %d replicas the steps are of %d GPUs, want %d", len(names), gpus, want)
		}
	}
}

func TestTooFewReplicasAreAnErrorOfTheRun(t *testing.T) {
	gone := func(r *roster) func(*prober.Prober) {
		return func(*prober.Prober) {
			time.Sleep(27 * time.Second)
			r.goes("a")
		}
	}
	shrinking := rosterOf("a", "b")
	for name, tt := range map[string]struct {
		roster *roster
		arm    config.Arm
		during func(*prober.Prober)
		want   string
		steps  int
	}{
		"at the start":  {rosterOf("a", "b"), config.Arm{Target: "t", Replicas: 4}, nil, `target "t" has 2 replicas of the 4 that the arm needs`, 0},
		"none":          {rosterOf(), config.Arm{Target: "t"}, nil, `target "t" has no replica: its discovery has found none`, 0},
		"between steps": {shrinking, config.Arm{Target: "t"}, gone(shrinking), `target "t" has 1 replicas of the 2 that the arm needs`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := discovering(tt.roster, 2)
			w.probe().Arms[0], w.during = tt.arm, tt.during
			result, err := w.run(t)
			if err == nil || !strings.Contains(err.Error(), tt.want) || result.Err != err.Error() || len(result.Results) != tt.steps {
				t.Errorf("%d steps and the error %v, want %d and %q", len(result.Results), err, tt.steps, tt.want)
			}
		})
	}
}

// A replica that is new between steps is asked what it serves, as all were before
// the run.
func TestANewReplicaIsAskedWhatItServes(t *testing.T) {
	r := rosterOf("a", "b")
	w := discovering(r, 2)
	w.servers[2] = func(context.Context) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /v1/models", func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(rw, `{"data":[{"id":"another"}]}`)
		})
		return mux
	}
	w.during = func(*prober.Prober) {
		time.Sleep(27 * time.Second)
		r.goes("a")
		r.comes("c")
	}
	result, err := w.run(t)
	if err == nil || !strings.Contains(err.Error(), `replica http://replica-c: serves "another" and not model`) || len(result.Results) != 1 {
		t.Errorf("%d steps and the error %v", len(result.Results), err)
	}
}

func TestATargetThatNobodyDiscoversIsRefused(t *testing.T) {
	w := discovering(rosterOf("a"), 1)
	_, err := prober.New(w.cfg, *w.probe(), prober.Options{Observer: w.recorder, Logger: discard()})
	if err == nil || !strings.Contains(err.Error(), `nothing discovers target "t"`) {
		t.Errorf("the error is %v", err)
	}
}
