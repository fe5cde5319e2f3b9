package config

import (
	"iter"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const documentFile = "../../docs/configuration.md"

// row is a key in a table of the document.
type row struct{ key, value string }

// document is docs/configuration.md: the rows of its tables by the heading above
// them, and its complete examples.
type document struct {
	rows     map[string][]row
	complete []string
}

var (
	headingLine = regexp.MustCompile("^##+ `?([^`]+)`?$")
	tableLine   = regexp.MustCompile("^\\| `([a-z0-9_]+)` \\| [^|]* \\| ([^|]*) \\|")
	codeBlock   = regexp.MustCompile("(?s)\n```yaml\n(# complete.*?)```\n")
)

func readDocument(t *testing.T) *document {
	t.Helper()
	text, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	d := &document{rows: map[string][]row{}}
	for _, block := range codeBlock.FindAllStringSubmatch(string(text), -1) {
		d.complete = append(d.complete, block[1])
	}
	heading := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if m := headingLine.FindStringSubmatch(line); m != nil {
			heading = m[1]
		}
		if m := tableLine.FindStringSubmatch(line); m != nil {
			d.rows[heading] = append(d.rows[heading], row{m[1], strings.TrimSpace(m[2])})
		}
	}
	return d
}

// structs are the groups of keys, by the heading that they have in the document,
// with the values that their keys have if they are left out.
func structs() map[string]any {
	probe := DefaultProbe()
	return map[string]any{
		"The file":                      Config{},
		"targets[]":                     DefaultTarget(),
		"probes[]":                      probe,
		"probes[].schedule":             probe.Schedule,
		"probes[].schedule.blackouts[]": Blackout{To: EndOfDay},
		"probes[].schedule.budget":      probe.Schedule.Budget,
		"probes[].arms[]":               Arm{},
		"probes[].arms[].prepare":       DefaultPrepare(),
		"probes[].workload":             probe.Workload,
		"probes[].pacing":               probe.Pacing,
		"probes[].ladder":               probe.Ladder,
		"probes[].heartbeat":            Heartbeat{Window: time.Minute},
		"probes[].search":               DefaultSearch(),
		"probes[].compare":              DefaultCompare(),
		"probes[].slo":                  probe.SLO,
		"probes[].guard":                probe.Guard,
		"probes[].timeouts":             probe.Timeouts,
		"Lengths":                       Length{},
		"Lengths, uniform":              UniformTokens{},
		"Lengths, lognormal":            LognormalTokens{},
	}
}

// Every struct that the configuration is made of has its group above, so that a
// new one cannot be left out of the document.
func TestTheDocumentKnowsEveryGroup(t *testing.T) {
	known := map[reflect.Type]bool{}
	for _, group := range structs() {
		known[reflect.TypeOf(group)] = true
	}
	var visit func(t reflect.Type)
	seen := map[reflect.Type]bool{}
	visit = func(at reflect.Type) {
		for at.Kind() == reflect.Pointer || at.Kind() == reflect.Slice {
			at = at.Elem()
		}
		_, isForeign := foreignTypes[at]
		if at.Kind() != reflect.Struct || isForeign || at == groupType || seen[at] {
			return
		}
		seen[at] = true
		// The keys of a target's discovery stand among the target's.
		if !known[at] && at != reflect.TypeFor[Discovery]() {
			t.Errorf("%s has no section", at)
		}
		for field := range at.Fields() {
			visit(field.Type)
		}
	}
	visit(reflect.TypeFor[Config]())
	if len(seen) != len(known)+1 {
		t.Errorf("%d groups are known, and %d found", len(known), len(seen))
	}
}

func TestTheDocumentHasEveryKeyWithItsDefault(t *testing.T) {
	d := readDocument(t)
	for heading, group := range structs() {
		section, _, shared := strings.Cut(heading, ", ")
		rows := d.rows[section]
		value := reflect.ValueOf(group)
		var keys []string
		for field, value := range keyed(value) {
			key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			keys = append(keys, key)
			at := slices.IndexFunc(rows, func(r row) bool { return r.key == key })
			if at < 0 {
				t.Errorf("%s: there is no row for `%s`", section, key)
				continue
			}
			checkDefault(t, section, rows[at], value)
		}
		if section == "Lengths" {
			shared = true
		}
		for _, r := range rows {
			if !shared && !slices.Contains(keys, r.key) {
				t.Errorf("%s: `%s` is no key", section, r.key)
			}
		}
	}
}

// keyed are the fields of a group that have keys, and those of what is inlined.
func keyed(group reflect.Value) iter.Seq2[reflect.StructField, reflect.Value] {
	return func(yield func(reflect.StructField, reflect.Value) bool) {
		for field, value := range group.Fields() {
			if _, options, _ := strings.Cut(field.Tag.Get("yaml"), ","); options == "inline" {
				keyed(value)(yield)
			} else if !yield(field, value) {
				return
			}
		}
	}
}

func checkDefault(t *testing.T, section string, r row, want reflect.Value) {
	t.Helper()
	switch r.value {
	case "required", "none":
		if !want.IsZero() {
			t.Errorf("%s: `%s` is %s in the document, and its default is %v", section, r.key, r.value, want)
		}
	case "below":
		if want.Kind() != reflect.Struct {
			t.Errorf("%s: `%s` has no section of its own", section, r.key)
		}
	default:
		got := reflect.New(want.Type())
		text := strings.Trim(r.value, "`")
		if err := yaml.Unmarshal([]byte(text), got.Interface()); err != nil || text == r.value {
			t.Fatalf("%s: the default of `%s` is %s, which is no value: %v", section, r.key, r.value, err)
		}
		if !reflect.DeepEqual(got.Elem().Interface(), want.Interface()) {
			t.Errorf("%s: `%s` has the default %s in the document, and %v in the code", section, r.key, text, want)
		}
	}
}

func TestTheCompleteExamplesAreValid(t *testing.T) {
	d := readDocument(t)
	if len(d.complete) < 2 {
		t.Fatalf("there are %d complete examples", len(d.complete))
	}
	for _, text := range d.complete {
		if _, err := Parse([]byte(text), documentFile); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
	if !strings.Contains(d.complete[1], strings.TrimPrefix(strings.Split(minimal, "\n")[1], "  ")) {
		t.Error("the least configuration is not that of the error of an empty file")
	}
}

// Whatever key the first example has that the document calls required, without
// it the example is wrong, and the error names it.
func TestRequiredKeysAreRequired(t *testing.T) {
	d := readDocument(t)
	places := map[string][]string{"Lengths": {"probes.0.workload.prompt_tokens.uniform", "probes.0.workload.output_tokens.lognormal"}}
	for heading := range structs() {
		section, _, shared := strings.Cut(heading, ", ")
		if !shared && section != "Lengths" {
			path := strings.TrimPrefix(strings.ReplaceAll(section, "[]", ".0"), "The file")
			places[section] = []string{path}
		}
	}
	places["probes[].compare"] = []string{"probes.1.compare"}
	places["probes[].arms[].prepare"] = []string{"probes.3.arms.0.prepare"}
	places["probes[].heartbeat"] = []string{"probes.4.heartbeat"} // the example's first probe is none
	removed := 0
	for section, paths := range places {
		for _, r := range d.rows[section] {
			if r.value != "required" {
				continue
			}
			for _, path := range paths {
				var tree map[string]any
				if err := yaml.Unmarshal([]byte(d.complete[0]), &tree); err != nil {
					t.Fatal(err)
				}
				group := find(tree, path)
				if _, has := group[r.key]; !has {
					continue // of uniform and lognormal, only one has a median
				}
				delete(group, r.key)
				removed++
				text, err := yaml.Marshal(tree)
				if err != nil {
					t.Fatal(err)
				}
				if _, err = Parse(text, documentFile); err == nil || !strings.Contains(err.Error(), r.key+": ") {
					t.Errorf("%s without its required `%s`: %v", path, r.key, err)
				}
			}
		}
	}
	if removed != 17 {
		t.Errorf("%d keys were removed", removed)
	}
}

// find is the mapping at a path of keys and indexes.
func find(tree map[string]any, path string) map[string]any {
	var at any = tree
	for part := range strings.SplitSeq(path, ".") {
		if list, is := at.([]any); is {
			i, _ := strconv.Atoi(part)
			at = list[i]
		} else if part != "" {
			at = at.(map[string]any)[part]
		}
	}
	return at.(map[string]any)
}
