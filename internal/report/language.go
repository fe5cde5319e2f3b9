package report

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/compare"
	"vllm_prober/prober"
)

// Language is one that reports are written in.
type Language string

// The languages.
const (
	English Language = "en"
	Korean  Language = "ko"
)

// Languages names all languages.
func Languages() []string { return []string{string(English), string(Korean)} }

// message is a text in each language. Words in braces stand for values.
type message struct{ en, ko string }

// values are what the words in braces of a message stand for.
type values map[string]any

var inBraces = regexp.MustCompile(`\{(\w+)\}`)

// speaker writes messages in a language, about some arms.
type speaker struct {
	language Language
	arms     []prober.Arm // that names have to tell apart
}

// english writes for programs, and for the commands that know no other language.
var english = speaker{language: English}

// say is a message of the catalogue.
func (s speaker) say(key string, v values) string {
	m, known := catalogue[key]
	if !known {
		return key
	}
	text := m.en
	if s.language == Korean {
		text = m.ko
	}
	return inBraces.ReplaceAllStringFunc(text, func(word string) string { return s.show(v[word[1:len(word)-1]]) })
}

// seconds, share and margin are figures that are shown with their unit.
type (
	seconds float64
	share   float64 // of 1
	margin  float64 // of 1, to the next tenth of a percent upwards
)

func (x seconds) String() string { return chart.Seconds.Format(float64(x)) }
func (x share) String() string   { return chart.Share.Format(float64(x)) }
func (x margin) String() string {
	return fmt.Sprintf("%.1f%%", x.percent())
}

func (x margin) percent() float64 { return max(math.Ceil(float64(x)*1000)/10, 0.1) }

// show is a value as text.
func (s speaker) show(x any) string {
	switch x := x.(type) {
	case prober.Arm:
		return s.arm(x)
	case spoken:
		return x.in(s)
	case compare.Reason:
		return s.reason(x)
	case compare.Finding:
		return s.detail(x)
	case []prober.Arm:
		return s.list(texts(s, x))
	case []string:
		return s.list(x)
	case []float64:
		return s.list(texts(s, x))
	case []tally:
		return s.list(texts(s, x))
	case float64:
		return chart.Number.Format(x)
	default:
		return s.code(x)
	}
}

// texts are values in words.
func texts[T any](s speaker, values []T) []string {
	all := make([]string, len(values))
	for i, x := range values {
		all[i] = s.show(x)
	}
	return all
}

// signed is a change in percent.
func signed(x float64) string { return strings.ReplaceAll(percent(1+x), "-", "−") }

// fromTo is an interval of changes, in percent.
func fromTo(lower, upper float64) string { return signed(lower) + ", " + signed(upper) }

// arm is the name of one: its target, and what else tells it from the others.
func (s speaker) arm(a prober.Arm) string {
	if s.language != Korean {
		return ArmName(a, s.arms)
	}
	var more []string
	gpus, sizes := tellingApart(a, s.arms)
	if gpus {
		more = append(more, fmt.Sprintf("GPU %d개", a.GPUs))
	}
	if sizes {
		more = append(more, fmt.Sprintf("배치 %d", a.BatchSize))
	}
	if len(more) == 0 {
		return a.Target
	}
	return fmt.Sprintf("%s(%s)", a.Target, strings.Join(more, ", "))
}

// list joins names.
func (s speaker) list(names []string) string {
	last := len(names) - 1
	switch {
	case last < 1 || s.language == Korean:
		return strings.Join(names, ", ")
	default:
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
}
