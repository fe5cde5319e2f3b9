package compare

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Tool is another tool.
type Tool string

// The tools.
const (
	VLLMBench Tool = "vllm_bench_serve"
	Guidellm  Tool = "guidellm"
)

// OtherTool is that a side's figures are a tool's, which makes them in its own way.
type OtherTool struct{ Tool Tool }

// InFlightLimit is that the tool had so many requests of a side in flight at most.
type InFlightLimit struct {
	Side     string
	Requests int
}

// FailedRequests is that so many requests of a side failed.
type FailedRequests struct {
	Side     string
	Requests int
}

func (OtherTool) detail()      {}
func (InFlightLimit) detail()  {}
func (FailedRequests) detail() {}

// Read reads a file that another tool has written: what vllm bench serve saves, or
// guidellm's report as JSON. name is that of the side. The error says what is wrong
// with the file, and what would do.
func Read(name string, text []byte) (Side, error) {
	var has struct {
		Throughput json.RawMessage `json:"request_throughput"`
		Benchmarks json.RawMessage `json:"benchmarks"`
	}
	if err := json.Unmarshal(text, &has); err != nil {
		return Side{}, fmt.Errorf("reading %s: %w: a file must hold the JSON of vllm bench serve --save-result or of guidellm", name, err)
	}
	read := readBench
	switch {
	case has.Benchmarks != nil:
		read = readGuidellm
	case has.Throughput == nil:
		return Side{}, fmt.Errorf("reading %s: it has neither the request_throughput of vllm bench serve --save-result "+
			"nor the benchmarks of guidellm", name)
	}
	side, err := read(name, text)
	if err != nil {
		return Side{}, fmt.Errorf("reading %s: %w", name, err)
	}
	return side, nil
}

// errNoRate is why a file has nothing to compare.
var errNoRate = errors.New("it has no request rate: only open loops at a rate, with constant or Poisson arrivals, can be compared")

// put adds a figure, unless the file does not have it.
func (all Figures) put(m Metric, value *float64, unit float64) {
	if value != nil && isFigure(*value*unit) {
		all[m] = Figure{Value: *value * unit, Why: Reason{Code: NotInFile}}
	}
}

// count says of how many requests a figure is.
func (all Figures) count(m Metric, n int) {
	if f, has := all[m]; has {
		f.Count = max(n, 0)
		all[m] = f
	}
}

// isFigure says whether a number can be a rate or a latency: a file may have any.
func isFigure(x float64) bool { return x > 1e-9 && x < 1e9 }

const milli = 1e-3
