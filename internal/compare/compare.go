// Package compare holds two sides against each other, arms or runs, and says of each
// figure what part of the difference is chance. It decides and does nothing else.
package compare

import (
	"cmp"
	"math"
	"reflect"
	"slices"

	"vllm_prober/internal/stats"
)

// Side is what one side of a comparison has measured.
type Side struct {
	Name  string
	Steps []Step
	// Answers are what the searches of its runs have found, each as a step without a
	// request rate: see OfAnswer.
	Answers []Step
	// Findings are what has to be known of it before it is compared.
	Findings []Finding
}

// The error that is allowed, and what is to be found.
const (
	// Confidence is that of each interval; a table claims a difference that is not
	// there with 1 − Confidence.
	Confidence = 0.95
	// Power is how often the repeats that are asked for find a difference by the
	// effect.
	Power = 0.80
	// Effect is the smallest difference that matters, as a share, unless told otherwise.
	Effect = 0.05
)

// Table is one side held against the other.
type Table struct {
	Base  string `json:"base"`
	Other string `json:"other"`
	// Effect is the smallest difference that matters, as a share of the base.
	Effect   float64   `json:"effect"`
	Cells    []Cell    `json:"cells"`
	Findings []Finding `json:"findings,omitempty"`
}

// Cell is one metric at one request rate, or of the searches.
type Cell struct {
	// RequestRate is in requests per second; 0 of what searches have found.
	RequestRate float64 `json:"request_rate,omitempty"`
	Metric      Metric  `json:"metric"`
	// Base and Other are the sides' figures, the geometric means of their steps, or of
	// those of them that are compared in pairs; 0 where a side has none.
	Base  float64 `json:"base"`
	Other float64 `json:"other"`
	// BaseSteps and OtherSteps are how many valid steps they are from, or how many
	// searches, of which a run has one.
	BaseSteps  int `json:"base_steps"`
	OtherSteps int `json:"other_steps"`
	// Change is by what share of the base the other side is more; 0 where a side has no
	// figure.
	Change float64 `json:"change"`
	// Interval is where the true change lies with 95% confidence, by itself and not
	// together with the other cells, and Method where it comes from. It is nil where
	// nothing is known of chance.
	Interval *Interval    `json:"interval,omitempty"`
	Method   stats.Method `json:"method,omitempty"`
	Word     stats.Word   `json:"word"`
	// Beyond is, where there is no difference, how large one may be all the same.
	Beyond float64 `json:"beyond,omitempty"`
	// Reason is why a cell is undetermined, and NeededRepeats how many steps of each
	// side would tell, or how many runs of what searches find; 0 where that is unknown or
	// too many.
	Reason        Reason `json:"-"` // package report puts it into words
	NeededRepeats int    `json:"needed_repeats,omitempty"`

	change stats.Change
}

// Interval is one of changes, as shares of the base.
type Interval struct {
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
}

// Between compares a side with a base at each request rate that both have, and then what
// their searches have found. effect is the smallest difference that matters, as a share
// above 0.
func Between(base, other Side, effect float64) *Table {
	t := &Table{Base: base.Name, Other: other.Name, Effect: effect, Cells: []Cell{}}
	for _, rate := range commonRates(base, other) {
		t.compare(rate, base.at(rate), other.at(rate))
	}
	if len(base.Answers) > 0 && len(other.Answers) > 0 {
		t.compare(0, base.Answers, other.Answers)
	}
	t.judge(base, other)
	for _, f := range slices.Concat(base.Findings, other.Findings, Findings(slices.Concat(base.Steps, other.Steps)), unbound(base, other)) {
		if !slices.ContainsFunc(t.Findings, func(other Finding) bool { return reflect.DeepEqual(f, other) }) { // of many files it is the same
			t.Findings = append(t.Findings, f)
		}
	}
	return t
}

// compare adds the cells of steps at one rate, or of answers.
func (t *Table) compare(rate float64, base, other []Step) {
	for _, metric := range Metrics() {
		if metric == Goodput && isThroughput(base) && isThroughput(other) {
			continue
		}
		if cell, has := cellOf(metric, base, other); has {
			cell.RequestRate = rate
			t.Cells = append(t.Cells, cell)
		}
	}
}

func (s Side) at(rate float64) (steps []Step) {
	for _, step := range s.Steps {
		if step.RequestRate == rate {
			steps = append(steps, step)
		}
	}
	return steps
}

// Typical is the geometric mean of a metric at a request rate, and of how many steps; 0
// where the side has none.
func (s Side) Typical(m Metric, rate float64) (figure float64, steps int) {
	all, _ := figures(m, s.at(rate))
	return typical(all), len(all)
}

func commonRates(a, b Side) (rates []float64) {
	for _, step := range a.Steps {
		if len(b.at(step.RequestRate)) > 0 {
			rates = append(rates, step.RequestRate)
		}
	}
	slices.Sort(rates)
	return slices.Compact(rates)
}

// isThroughput says whether all that completed was good: there is no SLO, or nothing
// missed it, and goodput tells what throughput has told.
func isThroughput(steps []Step) bool {
	for _, s := range steps {
		good, has := s.Figures[Goodput]
		if has && good.Value != s.Figures[Throughput].Value {
			return false
		}
	}
	return true
}

// figures are a metric's over steps that have it.
func figures(metric Metric, steps []Step) (all []Figure, of []Step) {
	for _, s := range steps {
		if f, has := s.Figures[metric]; has && f.Value > 0 {
			all, of = append(all, f), append(of, s)
		}
	}
	return all, of
}

// hasNone says whether a step has a throughput or goodput of 0.
func hasNone(metric Metric, steps []Step) bool {
	return (metric == Throughput || metric == Goodput) && slices.ContainsFunc(steps, func(s Step) bool {
		f, has := s.Figures[metric]
		return has && f.Value == 0
	})
}

// cellOf compares a metric at one rate. It says false where neither side has it.
func cellOf(metric Metric, base, other []Step) (Cell, bool) {
	a, stepsA := figures(metric, base)
	b, stepsB := figures(metric, other)
	c := Cell{
		Metric: metric, Base: typical(a), Other: typical(b), BaseSteps: len(a), OtherSteps: len(b), Word: stats.Undetermined,
	}
	if len(a) > 0 && len(b) > 0 {
		c.Change = c.Other/c.Base - 1
	}
	lacking, none := missing(metric, base, other), hasNone(metric, base) || hasNone(metric, other)
	switch {
	case metric == Throughput && none: // of which nothing at all comes, that is to be seen
		c.Reason = Reason{Code: NoRequest}
	case len(a)+len(b) == 0 && (lacking == (Reason{}) || metric == SLORate): // which is not sought where there is no SLO
		return c, false
	case lacking != (Reason{}):
		c.Reason = lacking
	case none:
		c.Reason = Reason{Code: NoRequest}
	case len(a) == 0:
		c.Reason = Reason{Code: NotInBase}
	case len(b) == 0:
		c.Reason = Reason{Code: OnlyInBase}
	default:
		c.reckon(a, b, stepsA, stepsB)
	}
	return c, true
}

// reckon finds by how much the sides differ, and how sure that is, or why nobody can say.
func (c *Cell) reckon(a, b []Figure, stepsA, stepsB []Step) {
	if c.Reason = unlike(c.Metric, stepsA, stepsB); c.Reason != (Reason{}) {
		return
	}
	change, unknown := changeOf(c.Metric, a, b, stepsA, stepsB)
	if unknown != (Reason{}) {
		c.Reason = unknown
		return
	}
	if change.Method == stats.Pairs { // steps without a partner have no part in the change
		a, b = pairsOf(a, b, stepsA, stepsB)
		c.Base, c.Other, c.BaseSteps, c.OtherSteps = typical(a), typical(b), len(a), len(b)
	}
	if fewest := fewestCounted(a, b); fewest > 0 {
		// A request that ends just within the window or just after it.
		change = change.AtLeast(0.5 / float64(fewest))
	}
	lessA, moreA := grain(a)
	lessB, moreB := grain(b)
	change = change.NoFinerThan(lessB+moreA, moreB+lessA)
	c.change, c.Method = change, change.Method
	ratio := change.Ratio(Confidence)
	c.Change, c.Interval = ratio.Value-1, &Interval{ratio.Lower - 1, ratio.Upper - 1}
}

// unlike says why the steps of the sides are none to compare a metric of; it is none where
// they are.
func unlike(metric Metric, stepsA, stepsB []Step) Reason {
	if !metric.IsLatency() {
		if drains := func(s Step) bool { return s.WithDrain }; slices.ContainsFunc(stepsA, drains) != slices.ContainsFunc(stepsB, drains) {
			return Reason{Code: DrainCounted}
		}
		return Reason{}
	}
	saturated := func(s Step) bool { return s.Saturated }
	if !slices.ContainsFunc(stepsA, saturated) && !slices.ContainsFunc(stepsB, saturated) {
		return Reason{}
	}
	for _, s := range slices.Concat(stepsA, stepsB) {
		if s.Loaded != stepsA[0].Loaded {
			return Reason{Code: LoadDiffered}
		}
	}
	return Reason{}
}

// changeOf takes the best that there is: steps that were made beside each other,
// several runs of a side, several steps of a run, or the parts of single steps. It
// says why there is none.
func changeOf(metric Metric, a, b []Figure, stepsA, stepsB []Step) (stats.Change, Reason) {
	x, y := pairsOf(a, b, stepsA, stepsB)
	if change, ok := stats.OfPairs(values(x), values(y)); ok {
		return change, Reason{}
	}
	if change, ok := stats.OfRepeats(units(a, stepsA), units(b, stepsB)); ok {
		return change, Reason{}
	}
	if len(a) > 1 || len(b) > 1 { // of one run each
		if change, ok := stats.OfRepeats(values(a), values(b)); ok {
			return change, Reason{}
		}
	}
	for _, f := range []Figure{a[0], b[0]} {
		if f.Sure == nil {
			return stats.Change{}, f.Why
		}
	}
	if metric == Throughput && isPaired(stepsA, stepsB) {
		return stats.OfSameArrivals(*a[0].Sure, *b[0].Sure), Reason{}
	}
	return stats.OfSteps(*a[0].Sure, *b[0].Sure), Reason{}
}

// pairsOf are the figures of the steps that have a partner.
func pairsOf(a, b []Figure, stepsA, stepsB []Step) (x, y []Figure) {
	for i, s := range stepsA {
		partner := slices.IndexFunc(stepsB, s.isBeside)
		if partner >= 0 {
			x, y = append(x, a[i]), append(y, b[partner])
		}
	}
	return x, y
}

func isPaired(a, b []Step) bool {
	return slices.ContainsFunc(a, func(s Step) bool { return slices.ContainsFunc(b, s.isBeside) })
}

// units are a figure by run: what makes one run unlike the next makes all of its steps
// alike, so that they are not independent.
func units(figures []Figure, steps []Step) (means []float64) {
	var runs []string
	byRun := map[string][]Figure{}
	for i, s := range steps {
		if byRun[s.Run] == nil {
			runs = append(runs, s.Run)
		}
		byRun[s.Run] = append(byRun[s.Run], figures[i])
	}
	for _, run := range runs {
		means = append(means, typical(byRun[run]))
	}
	return means
}

func values(figures []Figure) (all []float64) {
	for _, f := range figures {
		all = append(all, f.Value)
	}
	return all
}

// typical is the geometric mean, 0 of none.
func typical(figures []Figure) float64 {
	if len(figures) == 0 {
		return 0
	}
	if len(figures) == 1 {
		return figures[0].Value
	}
	sum := 0.0
	for _, f := range figures {
		sum += math.Log(f.Value)
	}
	return math.Exp(sum / float64(len(figures)))
}

// fewestCounted is the smallest count; 0 where the figures are no counts.
func fewestCounted(a, b []Figure) int {
	return slices.MinFunc(slices.Concat(a, b), func(x, y Figure) int { return cmp.Compare(x.Count, y.Count) }).Count
}

// judge finds the words, for all cells together.
func (t *Table) judge(base, other Side) {
	var tested []*Cell
	var p []float64
	for i := range t.Cells {
		if c := &t.Cells[i]; c.Method != "" {
			tested, p = append(tested, c), append(p, c.change.P())
		}
	}
	stepsPaired, answersPaired := isPaired(base.Steps, other.Steps), isPaired(base.Answers, other.Answers)
	significant := stats.Holm(p, 1-Confidence)
	for i, c := range tested {
		c.Word, c.Beyond = c.change.Say(significant[i], !c.Metric.IsLatency(), t.Effect)
		if c.Word != stats.Undetermined {
			continue
		}
		paired, tooVaried := stepsPaired, TooVaried
		if c.Metric.IsAnswer() {
			paired, tooVaried = answersPaired, RunsTooVaried
		}
		needed, canTell := c.change.Needed(t.Effect, (1-Confidence)/float64(len(tested)), Power, paired)
		switch {
		case c.Interval.Lower > 0 || c.Interval.Upper < 0:
			c.Reason, c.NeededRepeats = Reason{Code: OneOfMany, Count: len(tested)}, needed
		case c.change.TooCoarse(t.Effect):
			c.Reason = Reason{Code: TooCoarse}
		case !canTell:
			c.Reason = Reason{Code: tooVaried, Count: stats.MostRepeats}
		default:
			c.Reason, c.NeededRepeats = Reason{Code: Chance}, needed
		}
	}
}
