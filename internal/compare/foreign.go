package compare

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"vllm_prober/prober"
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

// InFlightLimit is that the tool had so many requests of a run in flight at most.
type InFlightLimit struct {
	File     string
	Requests int
}

// FailedRequests is that so many requests of a run failed, or were cut.
type FailedRequests struct {
	File     string
	Requests int
}

// WeightedByTokens is that a file does not hold just the requests that its figures are of,
// but a sample, or those of a warm-up, too, so that its time between tokens, which stands
// for TPOT, may count an answer by its tokens.
type WeightedByTokens struct{ File string }

func (OtherTool) detail()        {}
func (InFlightLimit) detail()    {}
func (FailedRequests) detail()   {}
func (WeightedByTokens) detail() {}

// File is one that another tool has written.
type File struct {
	Name string
	Text []byte
}

// foreign is a run that another tool has written down.
type foreign struct {
	name     string // of its file, with its number but for the first
	steps    []Step // without a run and an arm
	declared declared
	findings []Finding
}

// Read reads the files of one side: what vllm bench serve saves, or guidellm's report
// as JSON. name is that of the side, and of its arm. The error says what is wrong with
// which file, and what would do.
func Read(name string, files ...File) (Side, error) {
	side := Side{Name: name}
	var first declared
	for _, f := range files {
		runs, err := runsIn(f.Name, f.Text)
		if err != nil {
			return Side{}, fmt.Errorf("reading %s: %w", f.Name, err)
		}
		for _, r := range runs {
			if len(side.Steps) == 0 {
				first = r.declared
			}
			if r.declared != first {
				return Side{}, fmt.Errorf("reading %s: it is of another arm, %s, than what was read before it, %s: a side is one arm",
					r.name, r.declared, first)
			}
			for _, s := range r.steps {
				s.Run, s.Arm = r.name, r.declared.arm(name)
				side.Steps = append(side.Steps, s)
			}
			side.Findings = append(side.Findings, r.findings...)
		}
	}
	return side, nil
}

// runsIn are those of a file, which --append-result lets have several. Those that had no
// request rate are left out, unless none had one.
func runsIn(file string, text []byte) (runs []foreign, err error) {
	values := json.NewDecoder(bytes.NewReader(finite(text)))
	for n := 1; ; n++ {
		var value json.RawMessage
		err := values.Decode(&value)
		if errors.Is(err, io.EOF) && n > 1 {
			if len(runs) == 0 {
				return nil, errNoRate
			}
			return runs, nil
		}
		var has struct {
			Throughput json.RawMessage `json:"request_throughput"`
			Benchmarks json.RawMessage `json:"benchmarks"`
		}
		if err == nil {
			err = json.Unmarshal(value, &has)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: a file must hold the JSON of vllm bench serve --save-result or of guidellm", err)
		}
		name := file
		if n > 1 {
			name = fmt.Sprintf("%s, run %d", file, n)
		}
		var run foreign
		switch {
		case has.Benchmarks != nil:
			run, err = readGuidellm(name, value)
		case has.Throughput != nil:
			run, err = readBench(name, value)
		default:
			err = errors.New("it has neither the request_throughput of vllm bench serve --save-result nor the benchmarks of guidellm")
		}
		if errors.Is(err, errNoRate) {
			continue
		}
		if err != nil {
			return nil, err
		}
		run.name = name
		runs = append(runs, run)
	}
}

// finite is JSON as Python writes it, with null for what it knows and JSON does not:
// NaN, and an infinity such as the --burstiness of constant arrivals.
func finite(text []byte) []byte {
	var out []byte
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\' && i+1 < len(text):
			out = append(out, c)
			i++
		case c == '"':
			quoted = !quoted
		case !quoted:
			if n := notFinite(text[i:]); n > 0 {
				out = append(out, "null"...)
				i += n - 1
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}

// notFinite is how long the name of a number that is none is with which text begins; 0
// where it begins with another thing.
func notFinite(text []byte) int {
	for _, name := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(text, []byte(name)) {
			return len(name)
		}
	}
	return 0
}

// declared is what a file says of the replicas, because vllm bench serve was told so
// with --metadata or guidellm with --label; 0 is what it does not say.
type declared struct {
	BatchSize number `json:"batch_size"`
	GPUs      number `json:"gpus"`
	Replicas  number `json:"replicas"`
}

// number is a whole number from 1 on. Both tools save what they are told as text.
type number int

// UnmarshalJSON implements json.Unmarshaler. What is no such number says nothing.
func (n *number) UnmarshalJSON(text []byte) error {
	const most = 1_000_000
	var x int
	if json.Unmarshal(bytes.Trim(text, `" `), &x) == nil && x > 0 && x <= most {
		*n = number(x)
	}
	return nil
}

func (d declared) arm(target string) prober.Arm {
	return prober.Arm{Target: target, BatchSize: int(d.BatchSize), GPUs: int(d.GPUs), Replicas: int(d.Replicas)}
}

func (d declared) String() string {
	return fmt.Sprintf("with batch_size %d, gpus %d and replicas %d", d.BatchSize, d.GPUs, d.Replicas)
}

// errNoRate is why a file has nothing to compare.
var errNoRate = errors.New("it has no request rate: only open loops at a rate, with constant or Poisson arrivals, can be compared")

// put adds a figure, unless the file does not have it. A rate of 0 is one.
func (all Figures) put(m Metric, value *float64, unit float64) {
	if value != nil && (isFigure(*value*unit) || *value == 0 && !m.IsLatency()) {
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
