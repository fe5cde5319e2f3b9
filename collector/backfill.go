package collector

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"vllm_prober/internal/config"
	"vllm_prober/prober"
)

// Backfill writes what the gauges of the latest step were when each of the steps
// ended, as OpenMetrics with timestamps. Each series
// stands whole and in the order of time, as Prometheus wants it. With an error
// of steps it writes nothing.
func Backfill(w io.Writer, steps iter.Seq2[*prober.StepResult, error]) error {
	b := backfill{probes: map[string]*pastProbe{}, families: map[string]*pastFamily{}}
	for step, err := range steps {
		if err != nil {
			return err
		}
		if err := b.add(step); err != nil {
			return err
		}
	}
	encoder := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeOpenMetrics))
	for _, name := range slices.Sorted(maps.Keys(b.families)) {
		if err := encoder.Encode(b.families[name].family()); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return encoder.(expfmt.Closer).Close() //nolint:wrapcheck // there is nothing to add
}

// backfill gathers what past steps showed.
type backfill struct {
	probes   map[string]*pastProbe
	families map[string]*pastFamily
}

// pastFamily is a family without its samples, and its series, which hold them:
// a history of many thousand steps stays small.
type pastFamily struct {
	empty  *dto.MetricFamily
	series map[string]*pastSeries
}

type pastSeries struct {
	labels  []*dto.LabelPair
	samples []sample
}

type sample struct {
	at    int64 // in milliseconds since 1970
	value float64
}

// family puts the samples in.
func (f *pastFamily) family() *dto.MetricFamily {
	for _, key := range slices.Sorted(maps.Keys(f.series)) {
		s := f.series[key]
		slices.SortStableFunc(s.samples, func(a, b sample) int { return cmp.Compare(a.at, b.at) })
		for i := range s.samples {
			f.empty.Metric = append(f.empty.Metric, &dto.Metric{
				Label: s.labels, Gauge: &dto.Gauge{Value: &s.samples[i].value}, TimestampMs: &s.samples[i].at,
			})
		}
	}
	return f.empty
}

// pastProbe is the gauges of one probe.
type pastProbe struct {
	metrics  *Probe
	registry *prometheus.Registry
}

func newPastProbe(name string) *pastProbe {
	p := &pastProbe{NewProbe(&config.Config{}, config.Probe{Name: name}), prometheus.NewRegistry()}
	for _, gauges := range p.metrics.latest {
		p.registry.MustRegister(gauges)
	}
	return p
}

// add adds a step's samples.
func (b *backfill) add(step *prober.StepResult) error {
	p := b.probes[step.Probe]
	if p == nil {
		p = newPastProbe(step.Probe)
		b.probes[step.Probe] = p
	}
	p.show(step)
	now, err := p.registry.Gather()
	if err != nil {
		return fmt.Errorf("gathering the figures of step %d of run %s: %w", step.Number, step.RunID, err)
	}
	for _, family := range now {
		f := b.families[family.GetName()]
		if f == nil {
			f = &pastFamily{&dto.MetricFamily{Name: family.Name, Help: family.Help, Type: family.Type}, map[string]*pastSeries{}}
			b.families[family.GetName()] = f
		}
		for _, m := range family.GetMetric() {
			key := keyOf(m)
			if f.series[key] == nil {
				f.series[key] = &pastSeries{labels: m.GetLabel()}
			}
			f.series[key].samples = append(f.series[key].samples, sample{step.EndedAt.UnixMilli(), m.GetGauge().GetValue()})
		}
	}
	return nil
}

// show makes the gauges those of one step alone.
func (p *pastProbe) show(step *prober.StepResult) {
	for _, gauges := range p.metrics.latest {
		gauges.Reset()
	}
	p.metrics.showLatest(step)
}

// keyOf tells the series of a family apart.
func keyOf(m *dto.Metric) string {
	var b strings.Builder
	for _, l := range m.GetLabel() {
		b.WriteString(l.GetName() + "\xff" + l.GetValue() + "\xff")
	}
	return b.String()
}
