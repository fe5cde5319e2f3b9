package report

import (
	"fmt"

	"vllm_prober/internal/compare"
	"vllm_prober/internal/config"
	"vllm_prober/internal/stats"
	"vllm_prober/prober"
)

// spoken is a value that is not said alike in all languages.
type spoken interface{ in(s speaker) string }

// quote is a text as it was recorded, in English: in other languages it is quoted.
type quote string

func (x quote) in(s speaker) string {
	if s.language == English || x == "" {
		return string(x)
	}
	return "“" + string(x) + "”"
}

// requests is a number of them, with the noun.
type requests int

func (x requests) in(s speaker) string {
	if s.language == Korean {
		return fmt.Sprintf("요청 %d건", int(x))
	}
	return Count(int(x), "request")
}

// tally is how often something was.
type tally struct {
	of any
	n  int
}

func (x tally) in(s speaker) string { return s.say("tally", values{"of": x.of, "n": x.n}) }

func (x runsBefore) in(s speaker) string {
	if x == 1 {
		return s.say("before.one", nil)
	}
	return s.say("before.several", values{"runs": int(x)})
}

func (x reference) in(s speaker) string {
	if _, isRuns := x.side.(runsBefore); isRuns {
		return s.say("than.before", values{"base": x.side})
	}
	return s.say("than.arm", values{"base": x.side})
}

// code is a code as a word, and any other value as it is.
func (s speaker) code(x any) string {
	switch x := x.(type) {
	case compare.Metric:
		return s.called("metric", string(x))
	case stats.Word:
		return s.called("word", string(x))
	case prober.Promise:
		return s.called("promise", string(x))
	case prober.Outcome:
		return s.called("outcome", string(x))
	case prober.RunOutcome:
		return s.called("ending", string(x))
	case prober.Saturation:
		return s.called("verdict", string(x))
	case prober.InForceVerdict:
		return s.called("verdict", string(x))
	case config.Process:
		return s.called("process", string(x))
	default:
		return fmt.Sprint(x)
	}
}

// called is what a code that records hold is called. One that is not known, as of a later
// release, stands for itself.
func (s speaker) called(area, code string) string {
	key := area + "." + code
	if _, known := catalogue[key]; !known {
		return code
	}
	return s.say(key, nil)
}
