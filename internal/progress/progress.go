// Package progress shows a run while it goes on: a bar for each step on a
// terminal, a line for each step elsewhere.
package progress

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"vllm_prober/internal/config"
	"vllm_prober/internal/report"
	"vllm_prober/prober"
)

// refresh is how often a bar is drawn anew.
const refresh = 200 * time.Millisecond

// Bar is a prober.Observer that writes for people.
type Bar struct {
	out      io.Writer
	terminal bool

	mu      sync.Mutex
	run     prober.Run
	step    prober.Step
	sent    int
	ended   int
	failed  int
	ttft    time.Duration // summed over those that were ok
	ok      int
	stop    chan struct{}
	stopped sync.WaitGroup
}

// New returns a Bar that writes to out, which may be a terminal.
func New(out io.Writer, terminal bool) *Bar { return &Bar{out: out, terminal: terminal} }

// RunStarted implements prober.Observer.
func (b *Bar) RunStarted(r prober.Run) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.run = r
	fmt.Fprintf(b.out, "run %s of probe %q: %s\n", r.ID, r.Probe, report.Count(r.Steps, "step"))
}

// StepStarted implements prober.Observer.
func (b *Bar) StepStarted(s prober.Step) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.step = s
	b.sent, b.ended, b.failed, b.ok, b.ttft = 0, 0, 0, 0, 0
	if !b.terminal {
		return
	}
	b.stop = make(chan struct{})
	b.stopped.Go(b.animate)
}

func (b *Bar) animate() {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		b.draw()
		select {
		case <-tick.C:
		case <-b.stop:
			return
		}
	}
}

// Preparing implements prober.Observer.
func (b *Bar) Preparing(a prober.Arm) {
	size := ""
	if a.BatchSize > 0 {
		size = fmt.Sprintf(", batch size %d", a.BatchSize)
	}
	fmt.Fprintf(b.out, "making the engines of %s, %s%s\n", a.Target, report.Count(a.GPUs, "GPU"), size)
}

// RequestSent implements prober.Observer.
func (b *Bar) RequestSent(prober.Step) {
	b.mu.Lock()
	b.sent++
	b.mu.Unlock()
}

// RequestEnded implements prober.Observer.
func (b *Bar) RequestEnded(_ prober.Step, o *prober.Observation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended++
	switch o.Outcome {
	case prober.OK:
		b.ok++
		b.ttft += o.TTFT()
	case prober.Aborted: // the step's own end cuts these
	default:
		b.failed++
	}
}

// StepEnded implements prober.Observer.
func (b *Bar) StepEnded(r *prober.StepResult) {
	if b.terminal {
		close(b.stop)
		b.stopped.Wait()
		fmt.Fprint(b.out, "\r\x1b[K")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprintf(b.out, "%s  %s\n", b.title(), summary(r))
}

// GuardTripped implements prober.Observer. That a step was aborted stands in its
// own line.
func (b *Bar) GuardTripped(t prober.Trip) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.Action == config.Wait {
		fmt.Fprintf(b.out, "the guard waits: %s\n", &t)
	}
}

// RunEnded implements prober.Observer.
func (b *Bar) RunEnded(r *prober.RunResult) {
	took := r.EndedAt.Sub(r.StartedAt).Round(time.Second)
	if r.Err != "" {
		fmt.Fprintf(b.out, "the run ended early, after %s\n", took)
		return
	}
	fmt.Fprintf(b.out, "the run took %s\n", took)
}

func (b *Bar) title() string {
	s := b.step
	return fmt.Sprintf("[%*d/%d] %s, %s, %g req/s", len(strconv.Itoa(s.Known)), s.Number, s.Known,
		s.Arm.Target, report.Count(s.Arm.GPUs, "GPU"), s.RequestRate)
}

const barWidth = 24

// draw writes the bar: how much of warm-up and window is over, and then the
// drain, whose length nobody knows.
func (b *Bar) draw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	elapsed, planned := time.Since(b.step.StartedAt), b.step.Warmup+b.step.Window
	phase, done := "drain ", barWidth
	if elapsed < planned {
		done = int(barWidth * float64(elapsed) / float64(planned))
		phase = "window"
		if elapsed < b.step.Warmup {
			phase = "warmup"
		}
	}
	text := fmt.Sprintf("%s  %s %s%s  sent %d, in flight %d, failed %d", b.title(), phase,
		strings.Repeat("█", done), strings.Repeat("░", barWidth-done), b.sent, b.sent-b.ended, b.failed)
	if b.ok > 0 {
		text += fmt.Sprintf(", TTFT %.0f ms", float64(b.ttft/time.Duration(b.ok))/float64(time.Millisecond))
	}
	fmt.Fprintf(b.out, "\r\x1b[K%s", text)
}

// summary is a step's result in one line.
func summary(r *prober.StepResult) string {
	if r.Guard != nil {
		return report.Note(r)
	}
	text := fmt.Sprintf("%.2f done/s", r.Throughput)
	if r.Saturated == prober.Saturated {
		text += ", saturated"
	}
	if l := r.Latencies; l != nil {
		text += fmt.Sprintf(", TTFT %.1f ms, TPOT %.1f ms", l.TTFT.Mean*1000, l.TPOT.Mean*1000)
	}
	if note := report.Note(r); note != "" {
		text += " (" + note + ")"
	}
	return text
}
