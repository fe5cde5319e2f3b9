package alerts

import (
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

func TestX(t *testing.T) {
	_, err := parser.NewParser(parser.Options{}).ParseExpr("1")
	t.Log(err)
}
