package prometheus

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"vllm_prober/dashboards"
)

var update = flag.Bool("update", false, "write docs/dashboard-queries.md anew")

const listOfQueries = "../../docs/dashboard-queries.md"

// shown are the values of the dashboards' variables for the demo.
func shown() dashboards.Values {
	return dashboards.Values{
		"probe": "ladder", "heartbeat": "heartbeat", "target": ".*", "gpus": ".*", "figure": "mean",
		"arm_a": `batch_size="16",gpus="4",target="bs16"`, "arm_b": `batch_size="32",gpus="4",target="bs32"`, "offset": "2m",
		"replica": ".*", "uuid": ".*", "__rate_interval": "1m", "__interval": "15s", "__range": "10m",
	}
}

// testDashboards executes each query of each panel on each Prometheus. With -update
// it writes how many rows they gave.
func testDashboards(t *testing.T, servers []*server) {
	queries, err := dashboards.Queries(shown())
	if err != nil {
		t.Fatal(err)
	}
	rows := map[form][]int{}
	for _, s := range servers {
		for _, q := range queries {
			n, err := s.rows(q)
			rows[s.form] = append(rows[s.form], n)
			where := fmt.Sprintf("%s: dashboard %q, panel %q, query %s: %s", s.form, q.Dashboard, q.Panel, q.RefID, q.Expr)
			if err != nil {
				t.Errorf("%s: %v", where, err)
			} else if n == 0 && s.must(q.Rows) {
				t.Errorf("%s: no row", where)
			}
		}
	}
	if *update {
		if err := os.WriteFile(listOfQueries, []byte(list(queries, rows)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// must says whether a query has to have rows.
func (s *server) must(r dashboards.Rows) bool {
	switch r {
	case dashboards.AnyForm:
		return true
	case dashboards.NativeOnly:
		return s.form != classic
	case dashboards.ClassicOnly:
		return s.form == classic
	default:
		return false
	}
}

// rows is how many rows a query has, as Grafana asks it.
func (s *server) rows(q dashboards.Query) (int, error) {
	if q.Instant {
		rows, err := s.instant(q.Expr)
		return len(rows), err
	}
	rows, err := s.over(q.Expr, 10*time.Minute)
	return len(rows), err
}

// list is the document of the queries; without rows, what of it does not depend on
// the demo's data.
func list(queries []dashboards.Query, rows map[form][]int) string {
	var b strings.Builder
	b.WriteString(listHead)
	dashboard := ""
	for i, q := range queries {
		if q.Dashboard != dashboard {
			dashboard = q.Dashboard
			fmt.Fprintf(&b, "\n## %s\n\n| panel | query | rows: native | classic | both | may be empty | expression |\n|---|---|--:|--:|--:|---|---|\n", dashboard)
		}
		expr := "`` " + strings.Join(strings.Fields(strings.ReplaceAll(q.Expr, "|", "\\|")), " ") + " ``"
		count := func(f form) string {
			if rows == nil {
				return ""
			}
			return fmt.Sprint(rows[f][i])
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", q.Panel, q.RefID, count(native), count(classic), count(both), q.Why, expr)
	}
	return b.String()
}

const listHead = `# What the dashboards' queries gave

Each query of each panel, variable and annotation, and how many rows it gave on Prometheus 3.16 that scraped the demo, beside a second prober with
a heartbeat and a search, for some minutes: with native histograms alone, with classic ones alone, and with both. None gave a warning. The variables stand for
the demo's ladder. ` + "`make e2e-prometheus`" + ` asks them all again; this file is what it wrote with ` + "`-update`" + `.
`

// The list names all queries as they are.
func TestTheListOfQueriesIsCurrent(t *testing.T) {
	queries, err := dashboards.Queries(shown())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(listOfQueries)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := withoutRows(string(text)), withoutRows(list(queries, nil)); got != want && !*update {
		t.Errorf("%s is not current; make e2e-prometheus with -update writes it anew", listOfQueries)
	}
}

// withoutRows leaves the numbers of rows out of a list.
func withoutRows(list string) string {
	var b strings.Builder
	for line := range strings.Lines(list) {
		cells := strings.Split(line, " | ")
		if len(cells) > 5 {
			cells[2], cells[3], cells[4] = "", "", ""
		}
		b.WriteString(strings.Join(cells, " | "))
	}
	return b.String()
}
