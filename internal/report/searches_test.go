package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vllm_prober/internal/results"
	"vllm_prober/prober"
)

// searching is a run that has found a capacity and an SLO rate between two others. Its steps
// have a rate of their own, so that nothing else is compared.
func searching(number int, capacity float64, sloRate *prober.Estimate) *results.Record {
	step := made(single, float64(100+number), no)
	return changed(recorded(step), func(r *results.Record) {
		r.ID = fmt.Sprint("run-", number)
		r.Answers = []prober.Answer{{
			Arm: single, Capacity: &prober.Estimate{Value: capacity, Lower: 0.96 * capacity, Upper: 1.06 * capacity}, SLORate: sloRate,
		}}
	})
}

// former are runs in which those capacities were found.
func former(capacities ...float64) (all []*results.Record) {
	for i, c := range capacities {
		all = append(all, searching(i, c, &prober.Estimate{Value: 12, Lower: 12 / 1.05, Upper: 12 * 1.05}))
	}
	return all
}

type since struct {
	rule     string
	found    *reading
	text     string
	evidence string
}

// The logarithms of 20, 20.2 and 19.8 have the deviation 0.010000, that of one more √(4/3) times
// as much; with 2 degrees of freedom t is 4.3027, so that the interval is 4.97% of a logarithm to
// either side.
func sinceSearches() []since {
	now := func(capacity float64, sloRate *prober.Estimate) *reading {
		return read(searching(9, capacity, sloRate), former(20, 20.2, 19.8)...)
	}
	return []since{
		{
			"difference.answer_less", now(16, nil),
			"The capacity of a is 20.0% lower than in the 3 runs before (−23.9%, −15.9%): 16 requests a second against 20.",
			"capacity: 20, 16; word: worse",
		},
		{
			"difference.answer_more", now(24, nil),
			"The capacity of a is 20.0% higher than in the 3 runs before (+14.2%, +26.1%): 24 requests a second against 20.",
			"capacity: 20, 24; word: better",
		},
		{
			// of 5 runs that are the same but for a per mille: t is 2.776, and √(6/5)·0.00079·2.776 is 0.24%
			"difference.answer_same", read(searching(9, 20, nil), former(20, 20.02, 19.98, 20, 20)...),
			"The capacity of a is the same as in the 5 runs before: no difference beyond ±0.3%.",
			"capacity: 20, 20; word: no difference",
		},
		{
			// The spread of a run of each is 2.117·√2·0.01: with 8 degrees of freedom (2.306 + 0.889)/√5
			// of that are 4.3%, less than ln 1.05, and with 6 of them, for 4 runs, 5.0%.
			"difference.answer_runs", now(20.6, nil),
			"Whether the capacity of a is higher or lower than in the 3 runs before is undetermined: +3.0% (−2.0%, +8.3%); chance may do as much, and more than the effect is not excluded; 5 runs of each would tell.",
			"capacity: 20, 20.6; word: undetermined",
		},
		{
			// 5% to either side of each
			"difference.answer_open", now(20, &prober.Estimate{Value: 12.12, Lower: 12.12 / 1.05, Upper: 12.12 * 1.05}),
			"Whether the SLO rate of a is higher or lower than in the 3 runs before is undetermined: +1.0% (−8.4%, +11.4%); if the difference is what it seems, the rates that the searches tried lie too far apart to tell it from none, however many runs there are.",
			"slo_rate: 12, 12.12; word: undetermined",
		},
	}
}

// What searches found is said beside what the steps tell and not among it, and of one run of
// each, of which nothing is known, only the table tells.
func TestSearchesAreToldBesideTheSteps(t *testing.T) {
	answers := []prober.Answer{
		{Arm: single, Capacity: &prober.Estimate{Value: 20, Lower: 19, Upper: 21}},
		{Arm: other, Capacity: &prober.Estimate{Value: 30, Lower: 29, Upper: 31}},
	}
	var steps []prober.StepResult
	for range 2 {
		steps = append(steps, made(single, 10, no), made(other, 10, no))
	}
	for i := range steps {
		steps[i].Seed = uint64(i / 2)
	}
	w := writing(changed(recorded(steps...), func(r *results.Record) { r.Answers = answers }))
	found := betweenArms(w.d)
	if len(found) != 1 || found[0].rule != "difference.none" || found[0].values["cells"] != 8 {
		t.Errorf("%+v", found)
	}
	rows := rowsOf(t, w.armsSideBySide())
	last := rows[len(rows)-1]
	want := []string{"–", "capacity", "20", "30", "+50.0%", "–", "undetermined", "1 / 1", "there is one run of each, and one search tells nothing of chance"}
	if !slices.Equal(last, want) {
		t.Errorf("%q, want %q", last, want)
	}
}

// A report of runs that have no rate in common has no empty table of means.
func TestSearchesAlone(t *testing.T) {
	d := read(searching(9, 16, nil), former(20, 20.2, 19.8)...)
	if len(d.since) != 1 {
		t.Fatalf("%+v", d.since)
	}
	w := &writer{speaker{English, d.arms}, d}
	blocks := w.sinceBefore()
	if len(blocks) != 2 || len(blocks[1].Table.Rows) != 2 {
		t.Errorf("%+v", blocks)
	}
	if said := w.sentences(sinceBefore(d)); len(said) != 1 {
		t.Errorf("%+v", said)
	}
	korean := (speaker{Korean, d.arms}).sentences(sinceBefore(d))
	if want := "a의 처리 용량: 이전 실행 3회 대비 20.0% 낮습니다(−23.9%, −15.9%). 초당 20건 → 16건."; korean[0].Text != want {
		t.Errorf("%s, want %s", korean[0].Text, want)
	}
	doc := Since([]*results.Record{d.Record}, map[string][]*results.Record{d.ID: former(20, 20.2, 19.8)}, English).Markdown()
	if !strings.Contains(doc, "| – | capacity | 20 | 16 | −20.0% | −23.9%, −15.9% | worse | 3 / 1 |  |") {
		t.Errorf("%s", doc)
	}
}

// Why a capacity or an SLO rate is undetermined is said with it, in Korean, too.
func TestAnswersSayWhyTheyAreUndetermined(t *testing.T) {
	now := read(searching(9, 20.6, &prober.Estimate{Value: 12.12, Lower: 12.12 / 1.05, Upper: 12.12 * 1.05}), former(20, 20.2, 19.8)...)
	want := []string{
		"a의 처리 용량: 이전 실행 3회 대비 높은지 낮은지 판정할 수 없습니다. +3.0%(−2.0%, +8.3%). " +
			"이유: 우연으로도 이만큼 달라질 수 있고, 의미 있는 차이가 없다고도 할 수 없음. 양쪽을 5회씩 실행하면 판정할 수 있습니다.",
		"a의 SLO 유지 요청률: 이전 실행 3회 대비 높은지 낮은지 판정할 수 없습니다. +1.0%(−8.4%, +11.4%). " +
			"이유: 차이가 지금 보이는 정도라면, 탐색이 시험한 요청률의 간격이 너무 넓어 실행을 아무리 반복해도 의미 있는 차이가 있는지 없는지 구별할 수 없음.",
	}
	said := (speaker{Korean, now.arms}).sentences(sinceBefore(now))
	if len(said) != len(want) {
		t.Fatalf("%+v", said)
	}
	for i := range want {
		if said[i].Text != want[i] {
			t.Errorf("%s, want %s", said[i].Text, want[i])
		}
	}
}

// A run that was stopped in the middle of its search did not end before it.
func TestASearchThatWasCut(t *testing.T) {
	cut := changed(searching(9, 20, nil), func(r *results.Record) {
		r.Outcome, r.Answers[0].Capacity.Lower = prober.RunAborted, 10
	})
	for language, want := range map[Language]string{
		English: "run run-9 ended before its search had found this",
		Korean:  "실행 run-9: 탐색이 이 값을 찾기 전에 끝남",
	} {
		d := read(cut, former(20, 20.2, 19.8)...)
		w := &writer{speaker{language, d.arms}, d}
		if rows := rowsOf(t, w.sinceBefore()); len(rows) == 0 || rows[0][len(rows[0])-1] != want {
			t.Errorf("%q, want %s", rows, want)
		}
	}
}

// A run before that made no search is none of those that an answer is held against: by hand as
// for three runs, of which it is one more.
func TestAnswersCountTheRunsThatSearched(t *testing.T) {
	without := changed(searching(7, 20, nil), func(r *results.Record) { r.Answers = nil })
	d := read(searching(9, 16, nil), append(former(20, 20.2, 19.8), without)...)
	found := sinceBefore(d)
	if len(found) != 1 {
		t.Fatalf("%+v", found)
	}
	said := (speaker{English, d.arms}).sentences(found)
	if want := "The capacity of a is 20.0% lower than in the 3 runs before (−23.9%, −15.9%): 16 requests a second against 20."; said[0].Text != want {
		t.Errorf("%s, want %s", said[0].Text, want)
	}
}
