package prometheus

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// documented is an expression of a document.
type documented struct {
	file, expr string
	// filters says that it has rows only where something is wrong, or where there
	// is more history than a test has.
	filters bool
}

var (
	promqlBlock = regexp.MustCompile("(?s)```promql\n(.*?)```")
	yamlBlock   = regexp.MustCompile("(?s)```yaml\n(.*?)```")
)

// documentedQueries are the expressions of all blocks of PromQL, and of the rules
// in blocks of YAML. A line that is neither
// indented nor a closing parenthesis begins a new expression.
func documentedQueries(t *testing.T) []documented {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []documented
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range promqlBlock.FindAllStringSubmatch(string(text), -1) {
			all = append(all, split(t, filepath.Base(file), block[1])...)
		}
		for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			var rules struct {
				Groups []struct {
					Rules []struct{ Expr string }
				}
			}
			if yaml.Unmarshal([]byte(block[1]), &rules) != nil {
				continue // not every block is a whole document
			}
			for _, group := range rules.Groups {
				for _, rule := range group.Rules {
					all = append(all, read(t, filepath.Base(file), rule.Expr))
				}
			}
		}
	}
	return all
}

func split(t *testing.T, file, block string) (all []documented) {
	t.Helper()
	expr := ""
	for line := range strings.Lines(block + "#\n") {
		begins := line != "\n" && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, ")")
		if begins && strings.TrimSpace(expr) != "" {
			all = append(all, read(t, file, expr))
			expr = ""
		}
		if !strings.HasPrefix(line, "#") {
			expr += line
		}
	}
	return all
}

// read parses an expression.
func read(t *testing.T, file, text string) documented {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Fatalf("%s: %s: %v", file, text, err)
	}
	d := documented{file: file, expr: strings.TrimSpace(text)}
	if binary, is := expr.(*parser.BinaryExpr); is {
		d.filters = binary.Op.IsComparisonOperator() && !binary.ReturnBool || binary.Op.IsSetOperator()
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if v, is := node.(*parser.VectorSelector); is && (v.OriginalOffset > 0 || strings.HasPrefix(v.Name, "kube_")) {
			d.filters = true
		}
		return nil
	})
	return d
}

// testDocuments asks the queries of the documents. Those that name a form of
// histograms have rows in that form alone.
func (s *server) testDocuments(t *testing.T) {
	asked := documentedQueries(t)
	if len(asked) < 20 {
		t.Errorf("only %d queries were found", len(asked))
	}
	for _, q := range asked {
		rows, err := s.instant(q.expr)
		if err != nil {
			t.Errorf("%s: %s: %v", q.file, q.expr, err)
			continue
		}
		t.Logf("%d rows: %s", len(rows), q.expr)
		if len(rows) == 0 && !q.filters && s.has(q.expr) {
			t.Errorf("%s: no row: %s", q.file, q.expr)
		}
	}
}

// has says whether the histograms that an expression asks for are scraped so: of
// an expression that asks for none it is true.
func (s *server) has(expr string) bool {
	asksClassic := strings.Contains(expr, "_seconds_bucket") || strings.Contains(expr, "_seconds_sum[") || strings.Contains(expr, "_seconds_count[")
	asksNative := strings.Contains(expr, "histogram_") && !asksClassic
	switch s.form {
	case native:
		return !asksClassic
	case classic:
		return !asksNative
	default:
		return true
	}
}
