package backtest

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// loader loads files of rules, and of these only those with names that are kept: to
// evaluate what no regression's alert rests on would take most of the time.
type loader struct {
	reader parser.Parser
	keep   map[string]bool
}

// Load implements rules.GroupLoader.
func (l loader) Load(file string, ignoreUnknown bool, names model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	all, errs := rulefmt.ParseFile(file, ignoreUnknown, names, l.reader, slog.New(slog.DiscardHandler))
	if len(errs) > 0 || l.keep == nil {
		return all, errs
	}
	for i := range all.Groups {
		g := &all.Groups[i]
		g.Rules = slices.DeleteFunc(g.Rules, func(r rulefmt.Rule) bool { return !l.keep[nameOf(r)] })
	}
	all.Groups = slices.DeleteFunc(all.Groups, func(g rulefmt.RuleGroup) bool { return len(g.Rules) == 0 })
	return all, nil
}

// Parse implements rules.GroupLoader.
func (l loader) Parse(query string) (parser.Expr, error) { return l.reader.ParseExpr(query) }

func nameOf(r rulefmt.Rule) string { return r.Record + r.Alert }

// selectors are those of an expression.
func selectors(expr parser.Expr) (all []*parser.VectorSelector) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if v, is := node.(*parser.VectorSelector); is {
			all = append(all, v)
		}
		return nil
	})
	return all
}

// pasts are the names that an expression asks for as they were over a time, or
// before it.
func pasts(expr parser.Expr) (names []string) {
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		v, is := node.(*parser.VectorSelector)
		if !is {
			return nil
		}
		old := v.OriginalOffset != 0 || v.Timestamp != nil
		for _, over := range path {
			switch over.(type) {
			case *parser.MatrixSelector, *parser.SubqueryExpr:
				old = true
			}
		}
		if old {
			names = append(names, v.Name)
		}
		return nil
	})
	return names
}

// dependencies are the rules that the alerts of regressions rest on, and those of
// them that have to be evaluated long before these, since others look at their past;
// and the names of all groups in their order.
func dependencies(t *testing.T, reader parser.Parser, files []string) (needed, remembered map[string]bool, groups []string) {
	t.Helper()
	exprs := map[string][]parser.Expr{} // by the names of their rules
	var roots []string
	for _, file := range files {
		all, errs := loader{reader, nil}.Load(file, false, model.UTF8Validation)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for _, g := range all.Groups {
			groups = append(groups, g.Name)
			for _, r := range g.Rules {
				expr, err := reader.ParseExpr(r.Expr)
				if err != nil {
					t.Fatal(err)
				}
				exprs[nameOf(r)] = append(exprs[nameOf(r)], expr)
				if r.Labels["kind"] == "regression" {
					roots = append(roots, r.Alert)
				}
			}
		}
	}
	if len(roots) == 0 {
		t.Fatal("no alert tells of a regression")
	}
	closure := func(roots []string) map[string]bool {
		found := map[string]bool{}
		for len(roots) > 0 {
			name := roots[0]
			roots = roots[1:]
			if found[name] || exprs[name] == nil {
				continue
			}
			found[name] = true
			for _, expr := range exprs[name] {
				for _, selector := range selectors(expr) {
					roots = append(roots, selector.Name)
				}
			}
		}
		return found
	}
	needed = closure(roots)
	var old []string
	for name := range needed {
		for _, expr := range exprs[name] {
			old = append(old, pasts(expr)...)
		}
	}
	return needed, closure(old), groups
}
