package chart

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vllm_prober/internal/golden"
)

// ttft is the field report's: one GPU explodes where four do not.
func ttft() Curves {
	return Curves{
		Title: "Time to first token", Description: "1 GPU rises from 90 ms to 6.71 s, 4 GPUs from 65 ms to 121 ms.",
		X: Axis{Label: "request rate (req/s)"}, Y: Axis{Label: "TTFT, mean", Unit: Seconds},
		Series: []Series{
			{Name: "1 GPU", Points: []Point{{X: 10, Y: 0.090}, {X: 20, Y: 6.714, Note: "saturated"}}},
			{Name: "4 GPUs, batch 16", Points: []Point{
				{X: 10, Y: 0.06512, Lower: 0.064, Upper: 0.067},
				{X: 20, Y: 0.08338},
				{X: 30, Y: 0.09009},
				{X: 40, Y: 0.09759},
				{X: 50, Y: 0.10522},
				{X: 60, Y: 0.12067, Lower: 0.110, Upper: 0.132},
			}},
			{Name: "4 GPUs, batch 32", Points: []Point{
				{X: 10, Y: 0.06624},
				{X: 20, Y: 0.08283},
				{X: 30, Y: math.NaN()},
				{X: 40, Y: 0.09704},
				{X: 50, Y: 0.10625},
				{X: 60, Y: 0.11546, Lower: 0.105, Upper: 0.127},
			}},
		},
		Lines: []Line{{At: 0.5, OnY: true, Label: "SLO 500 ms", Series: -1}, {At: 16.6, Label: "capacity", Series: 0}},
	}
}

func throughput() Curves {
	return Curves{
		Title: "Throughput", Description: "All but one GPU keep up.",
		X: Axis{Label: "request rate (req/s)"}, Y: Axis{Label: "completed per second"},
		Series: []Series{
			{Name: "offered", Reference: true, Points: []Point{{X: 0, Y: 0}, {X: 60, Y: 60}}},
			{Name: "1 GPU", Points: []Point{{X: 10, Y: 10}, {X: 20, Y: 15.7}}},
			{Name: "4 GPUs", Points: []Point{{X: 10, Y: 10}, {X: 20, Y: 20.3}, {X: 40, Y: 40}, {X: 60, Y: 57.4}}},
		},
	}
}

func breakdown() Bars {
	return Bars{
		Title: "Where the time goes", Description: "Queue, prefill and decode.", Label: "mean time of a request", Unit: Seconds,
		Parts: []string{"queue", "rest of TTFT", "decode"},
		Rows: []Bar{
			{"1 GPU at 10 req/s", []float64{0.01, 0.08, 1.63}},
			{"1 GPU at 20 req/s", []float64{6.5, 0.2, 2.9}},
			{"4 GPUs at 60 req/s", []float64{0.02, 0.1, 2.0}},
		},
	}
}

func history() History {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	h := History{Title: "Capacity", Description: "It fell by a fifth on 7 November.", Y: Axis{Label: "req/s", Tight: true}, Changes: []int{6}}
	for i, v := range []float64{66, 67, 65, 66, math.NaN(), 66, 53, 52, 54, 53} {
		h.Moments = append(h.Moments, Moment{At: at.AddDate(0, 0, i), Value: v, Lower: v - 1, Upper: v + 1, Link: fmt.Sprintf("/runs/%d", i)})
	}
	return h
}

func TestGolden(t *testing.T) {
	for name, svg := range map[string]string{
		"ttft": ttft().SVG(), "throughput": throughput().SVG(), "breakdown": breakdown().SVG(), "history": history().SVG(),
		"sparkline": Sparkline{Title: "TTFT lately", Values: []float64{1, 2, math.NaN(), 2, 5, 4}}.SVG(),
	} {
		t.Run(name, func(t *testing.T) {
			wellFormed(t, svg)
			golden.Check(t, name+".svg", svg+"\n")
		})
	}
}

func TestTable(t *testing.T) {
	for _, c := range []struct {
		got  Table
		want string
	}{
		{ttft().Table(), `request rate (req/s)|1 GPU|4 GPUs, batch 16|4 GPUs, batch 32
10|90 ms|65.1 ms (64 ms–67 ms)|66.2 ms
20|6.71 s|83.4 ms|82.8 ms
30|–|90.1 ms|–
40|–|97.6 ms|97 ms
50|–|105 ms|106 ms
60|–|121 ms (110 ms–132 ms)|115 ms (105 ms–127 ms)`},
		{breakdown().Table("E2E"), `|queue|rest of TTFT|decode|E2E
1 GPU at 10 req/s|10 ms|80 ms|1.63 s|1.72 s
1 GPU at 20 req/s|6.5 s|200 ms|2.9 s|9.6 s
4 GPUs at 60 req/s|20 ms|100 ms|2 s|2.12 s`},
		{History{Y: Axis{Label: "req/s"}, Moments: history().Moments[:1]}.Table("run", "note"), "run|req/s|note\n2026-11-01 12:00:00|66 (65–67)|"},
	} {
		lines := []string{strings.Join(c.got.Head, "|")}
		for _, row := range c.got.Rows {
			lines = append(lines, strings.Join(row, "|"))
		}
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	texts := func(s scale) string {
		var all []string
		for _, each := range s.ticks {
			all = append(all, each.text)
		}
		return strings.Join(all, " ")
	}
	for name, c := range map[string]struct {
		axis   Axis
		values []float64
		log    bool
		want   string
	}{
		"from 0":                  {Axis{}, []float64{10, 60}, false, "0 20 40 60"},
		"no sum of roundings":     {Axis{}, []float64{0.3}, false, "0 0.1 0.2 0.3"},
		"tight":                   {Axis{Tight: true}, []float64{52, 67}, false, "50 55 60 65 70"},
		"below 0":                 {Axis{}, []float64{-3, 8}, false, "-5 0 5 10"},
		"seconds":                 {Axis{Unit: Seconds}, []float64{0.065, 0.121}, false, "0 s 50 ms 100 ms 150 ms"},
		"from ms to s":            {Axis{Unit: Seconds}, []float64{0.4, 1.4}, false, "0 s 500 ms 1 s 1.5 s"},
		"share":                   {Axis{Unit: Share}, []float64{0.2, 1}, false, "0% 20% 40% 60% 80% 100%"},
		"two decades":             {Axis{Unit: Seconds}, []float64{0.065, 6.714}, true, "50 ms 100 ms 200 ms 500 ms 1 s 2 s 5 s 10 s"},
		"many decades":            {Axis{}, []float64{1, 1e6}, true, "1 10 100 1000 10000 100000 1000000"},
		"20 times is not enough":  {Axis{}, []float64{1, 20}, false, "0 5 10 15 20"},
		"0 has no logarithm":      {Axis{}, []float64{0, 1, 1000}, false, "0 200 400 600 800 1000"},
		"log forbidden":           {Axis{Linear: true}, []float64{1, 1000}, false, "0 200 400 600 800 1000"},
		"one value":               {Axis{Tight: true}, []float64{7}, false, "6 6.5 7 7.5 8"},
		"nothing":                 {Axis{}, nil, false, "0 0.2 0.4 0.6 0.8 1"},
		"nothing finite":          {Axis{}, []float64{math.NaN(), math.Inf(1)}, false, "0 0.2 0.4 0.6 0.8 1"},
		"all 0":                   {Axis{}, []float64{0, 0}, false, "-1 -0.5 0 0.5 1"},
		"what differs by nothing": {Axis{Tight: true}, []float64{1e16, 1e16 + 2}, false, "9.7e+15 9.8e+15 9.9e+15 1e+16 1.01e+16 1.02e+16 1.03e+16"},
		"what differs by little":  {Axis{Tight: true}, []float64{99, 101}, false, "96 98 100 102 104"},
	} {
		s := c.axis.scaled(c.values, 0, 100, 5)
		if got := texts(s); got != c.want || s.log != c.log {
			t.Errorf("%s: %s (logarithmic %t), want %s (%t)", name, got, s.log, c.want, c.log)
		}
		for _, v := range c.values {
			if finite(v) && (v < s.least || v > s.most) {
				t.Errorf("%s: %g is outside of %g to %g", name, v, s.least, s.most)
			}
		}
	}
}

func TestTimeTicks(t *testing.T) {
	from := time.Date(2026, 11, 28, 9, 47, 0, 0, time.FixedZone("", 9*3600)) // 00:47 UTC
	for length, want := range map[time.Duration]string{
		40 * time.Second:       "00:47:00 00:47:10 00:47:20 00:47:30 00:47:40",
		4 * time.Minute:        "00:47 00:48 00:49 00:50 00:51",
		4 * time.Hour:          "01:00 02:00 03:00 04:00",
		3 * 24 * time.Hour:     "11-28 12:00 11-29 00:00 11-29 12:00 11-30 00:00 11-30 12:00 12-01 00:00",
		90 * 24 * time.Hour:    "2026-12-01 2027-01-01 2027-02-01",
		50 * 365 * 24 * 3600e9: "2030 2040 2050 2060 2070",
	} {
		var got []string
		for _, each := range timeTicks(from, from.Add(length), 6) {
			got = append(got, each.text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", length, strings.Join(got, " "), want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		unit Unit
		x    float64
		want string
	}{
		{Number, 0, "0"},
		{Number, 16.573, "16.6"},
		{Number, 40, "40"},
		{Number, 12345.6, "12346"},
		{Number, -0.0561, "-0.0561"},
		{Number, 1e9, "1e+09"},
		{Number, math.NaN(), "–"},
		{Number, math.Inf(-1), "–"},
		{Seconds, 0, "0 s"},
		{Seconds, 0.0000204, "20.4 µs"},
		{Seconds, 0.0349, "34.9 ms"},
		{Seconds, 0.9996, "1 s"}, // and not 1000 ms
		{Seconds, 6.714, "6.71 s"},
		{Share, 0.955, "95.5%"},
	} {
		if got := c.unit.Format(c.x); got != c.want {
			t.Errorf("%g is %q, want %q", c.x, got, c.want)
		}
	}
}

// On a logarithmic axis as on a linear one, the ends of the axis are its pixels'.
func TestPlaces(t *testing.T) {
	log := Axis{}.scaled([]float64{1, 100}, 200, 0, 5)
	linear := Axis{}.scaled([]float64{100}, 200, 0, 5)
	for _, c := range []struct {
		scale scale
		x     float64
		want  float64
	}{{log, 1, 200}, {log, 10, 100}, {log, 100, 0}, {linear, 0, 200}, {linear, 25, 150}, {linear, 100, 0}, {linear, 1e9, 0}} {
		if got, has := c.scale.at(c.x); !has || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%g is at %g, want %g", c.x, got, c.want)
		}
	}
	for _, x := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if at, has := log.at(x); has {
			t.Errorf("%g is at %g", x, at)
		}
	}
}

// No two of seven series look the same in black and white.
func TestSeriesDifferWithoutColour(t *testing.T) {
	seen := map[string]bool{}
	for i := range 7 {
		path, filled := marker(i, 0, 0)
		look := fmt.Sprint(path, filled)
		if seen[look] {
			t.Errorf("series %d looks like one before", i)
		}
		seen[look] = true
	}
}

// The colours have a contrast of at least 4.5 to white in light and to black-ish in
// dark (the formula is WCAG 2.1's).
func TestContrast(t *testing.T) {
	light, dark, _ := strings.Cut(Stylesheet, "@media")
	for text, paper := range map[string]string{light: "#ffffff", dark: "#16181c"} {
		for _, m := range regexp.MustCompile(`--chart-(\d|paper): (#[0-9a-f]+);`).FindAllStringSubmatch(text, -1) {
			hex := m[2]
			if m[1] == "paper" {
				if hex != paper && hex+hex[1:] != paper {
					t.Errorf("the paper is %s, want %s", hex, paper)
				}
				continue
			}
			a, b := luminance(t, hex), luminance(t, paper)
			if c := (max(a, b) + 0.05) / (min(a, b) + 0.05); c < 4.5 {
				t.Errorf("%s on %s has a contrast of %.2f", hex, paper, c)
			}
		}
	}
	for i, c := range colours {
		if !strings.Contains(light, fmt.Sprintf("--chart-%d: %s;", i, c)) {
			t.Errorf("the stylesheet's colour %d is not %s", i, c)
		}
	}
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	var rgb [3]int
	if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(rgb[i]) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

const hostile = "<script>alert('1')</script>\"&\x00\x1b\xff\u202e]]>"

func TestHostileLabels(t *testing.T) {
	c := ttft()
	c.Title, c.Description, c.X.Label, c.Y.Label = hostile, hostile, hostile, hostile
	c.Series[0].Name, c.Series[0].Points[0].Note, c.Lines[0].Label = hostile, hostile, hostile
	b := breakdown()
	b.Title, b.Label, b.Parts[0], b.Rows[0].Label = hostile, hostile, hostile, hostile
	h := history()
	h.Y.Label, h.Moments[0].Note, h.Moments[0].Link = hostile, hostile, "javascript:alert(1)"
	h.Moments[1].Link = `/runs/"><script>`
	for _, svg := range []string{c.SVG(), b.SVG(), h.SVG(), Sparkline{Title: hostile}.SVG()} {
		wellFormed(t, svg)
		if strings.Contains(svg, "<script") || strings.Contains(svg, "javascript:") {
			t.Errorf("hostile text came through:\n%s", svg)
		}
	}
	for link, want := range map[string]bool{
		"": false, "/runs/a": true, "runs/20:30": true, "?a=b:c": true, "https://a": true, "HTTP://a": true,
		"data:text/html,x": false, "javascript:x": false, "vbscript:x": false, "java\tscript:x": false,
	} {
		if leads(link) != want {
			t.Errorf("leads(%q) is %t", link, !want)
		}
	}
}

// wellFormed fails the test where text is no XML, or has a coordinate that is none.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
	for _, bad := range []string{"NaN", "Inf", "e+"} {
		for part := range strings.SplitSeq(text, `"`) {
			if strings.HasPrefix(part, "M") && strings.Contains(part, bad) {
				t.Fatalf("a path has %s: %s", bad, part)
			}
		}
	}
}

// Whatever the figures, a chart is well-formed, and the same each time.
func FuzzSVG(f *testing.F) {
	for _, x := range []float64{0, 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-300} {
		f.Add(x, 1.0, 0.5, 2.0, "a", int64(0))
		f.Add(1.0, x, x, x, "<", int64(math.MaxInt64))
	}
	f.Fuzz(func(t *testing.T, a, b, c, d float64, name string, nanoseconds int64) {
		series := []Series{{Name: name, Points: []Point{{X: a, Y: b, Lower: c, Upper: d, Note: name}, {X: b, Y: a}, {X: c, Y: d}}}, {Name: name}}
		at := time.Unix(0, nanoseconds)
		draw := func() []string {
			return []string{
				Curves{Title: name, X: Axis{Label: name}, Series: series, Lines: []Line{{At: a, OnY: true}, {At: d, Label: name, Series: 1}}, Width: c, Height: d}.SVG(),
				Curves{Y: Axis{Unit: Seconds, Tight: true}, Series: series}.SVG(),
				Bars{Label: name, Parts: []string{name, "b"}, Rows: []Bar{{name, []float64{a, b, c}}, {"", []float64{d}}}}.SVG(),
				History{Y: Axis{Tight: true, Unit: Share}, Moments: []Moment{{At: at, Value: a, Lower: b, Upper: c}, {At: at.Add(time.Duration(nanoseconds / 3)), Value: d}}, Changes: []int{1, 0, 7}}.SVG(),
				Sparkline{Title: name, Values: []float64{a, b, c, d}, Width: a, Height: b}.SVG(),
			}
		}
		once := draw()
		for _, svg := range once {
			wellFormed(t, svg)
		}
		if !slices.Equal(once, draw()) {
			t.Error("the same figures gave another chart")
		}
	})
}

func TestEmpty(t *testing.T) {
	for _, svg := range []string{Curves{}.SVG(), Bars{}.SVG(), History{}.SVG(), Sparkline{}.SVG()} {
		wellFormed(t, svg)
	}
}

// The label of a line at the top of a chart does not lie on the legend above it.
func TestALabelKeepsOffTheLegend(t *testing.T) {
	heights := func(at float64) (line, label float64) {
		svg := Curves{
			Y: Axis{Linear: true}, Series: []Series{{Name: "s", Points: []Point{{X: 1, Y: 10}, {X: 2, Y: 100}}}}, Lines: []Line{{At: at, OnY: true, Label: "limit", Series: -1}},
		}.SVG()
		dashed := regexp.MustCompile(`<path d="M[\d.]+ ([\d.]+)L[^"]*" stroke="currentColor" stroke-dasharray="4 3"`).FindStringSubmatch(svg)
		text := regexp.MustCompile(`<text [^>]*y="([\d.]+)"[^>]*>limit</text>`).FindStringSubmatch(svg)
		if dashed == nil || text == nil {
			t.Fatalf("no line with its label in\n%s", svg)
		}
		line, _ = strconv.ParseFloat(dashed[1], 64)
		label, _ = strconv.ParseFloat(text[1], 64)
		return line, label
	}
	if line, label := heights(50); label >= line {
		t.Errorf("in the middle the label is at %g, not above its line at %g", label, line)
	}
	if line, label := heights(100); label <= line {
		t.Errorf("at the top the label is at %g, not below its line at %g", label, line)
	}
}

// Labels of limits that are near each other do not lie on one another.
func TestLabelsOfLines(t *testing.T) {
	c := Curves{
		Y: Axis{}, Series: []Series{{Name: "a", Points: []Point{{X: 1, Y: 10}, {X: 2, Y: 40}}}},
		Lines: []Line{{At: 32.8, OnY: true, Label: "first", Series: -1}, {At: 33.3, OnY: true, Label: "second", Series: -1}, {At: 10, OnY: true, Label: "third", Series: -1}},
	}
	at := func(label string) (x, y float64) {
		t.Helper()
		m := regexp.MustCompile(`<text x="([\d.]+)" y="([\d.]+)">` + label + `</text>`).FindStringSubmatch(c.SVG())
		if m == nil {
			t.Fatalf("no label %q", label)
		}
		x, errX := strconv.ParseFloat(m[1], 64)
		y, errY := strconv.ParseFloat(m[2], 64)
		if errX != nil || errY != nil {
			t.Fatal(m)
		}
		return x, y
	}
	x1, y1 := at("first")
	x2, y2 := at("second")
	x3, _ := at("third")
	if y1 != y2 || x1 < x2+widthOf("second") { // both above the upper line
		t.Errorf("the labels lie on one another: at %g, %g and %g, %g", x1, y1, x2, y2)
	}
	if x3 != x2 {
		t.Errorf("a label that is alone begins at %g, that of the topmost at %g", x3, x2)
	}
}

// A history that hardly moves looks so, and no two ticks say the same.
func TestALevelHistory(t *testing.T) {
	h := History{Y: Axis{Unit: Seconds, Tight: true}}
	for i, ms := range []float64{27.66, 27.74, 27.72} {
		h.Moments = append(h.Moments, Moment{At: time.Unix(int64(i)*60, 0), Value: ms / 1000})
	}
	ticks := regexp.MustCompile(`>([\d.]+) ms</text>`).FindAllStringSubmatch(h.SVG(), -1)
	seen := map[string]bool{}
	for _, m := range ticks {
		if seen[m[1]] {
			t.Errorf("two ticks say %s ms", m[1])
		}
		seen[m[1]] = true
	}
	if len(ticks) < 3 || !seen["27"] || !seen["28.5"] { // 1.4 ms around 27.7, in steps of 0.5
		t.Errorf("the ticks are %v, want 27 to 28.5", ticks)
	}
}

// Shares are from nothing to all, however small some are.
func TestSharesAreLinear(t *testing.T) {
	c := Curves{Y: Axis{Unit: Share}, Series: []Series{{Name: "a", Points: []Point{{X: 1, Y: 1}, {X: 2, Y: 0.008}}}}}
	if svg := c.SVG(); !strings.Contains(svg, ">0%</text>") || !strings.Contains(svg, ">40%</text>") {
		t.Errorf("the axis does not go from 0 to 100%% in equal steps:\n%s", svg)
	}
}

// An interval that is far wider than what was measured, or reaches to 0, flattens
// nothing: the axis stays logarithmic, and the whisker leaves the chart without a cap.
func TestAWideInterval(t *testing.T) {
	c := Curves{Y: Axis{Unit: Seconds}, Series: []Series{{Name: "a", Points: []Point{
		{X: 1, Y: 0.1, Lower: 0.09, Upper: 0.11}, {X: 2, Y: 0.2, Lower: 0, Upper: 0.3}, {X: 3, Y: 4, Lower: 0.5, Upper: 400},
	}}}}
	svg := c.SVG()
	if !strings.Contains(svg, ">10 s</text>") || strings.Contains(svg, ">20 s</text>") || !strings.Contains(svg, ">50 ms</text>") {
		t.Errorf("the axis is not that of 0.09 s to 8 s:\n%s", svg)
	}
	caps := regexp.MustCompile(`h([\d.]+)m-?[\d.]+ 0V[\d.]+m-?[\d.]+ 0h([\d.]+)"`).FindAllStringSubmatch(svg, -1)
	if len(caps) != 3 {
		t.Fatalf("%d whiskers, want 3:\n%s", len(caps), svg)
	}
	for i, want := range [][2]bool{{true, true}, {true, false}, {false, true}} {
		if got := [2]bool{caps[i][1] != "0", caps[i][2] != "0"}; got != want {
			t.Errorf("whisker %d has caps above and below: %v, want %v", i, got, want)
		}
	}
	if !strings.Contains(svg, "4 s (500 ms–400 s)") {
		t.Error("the interval is not said whole")
	}
	h := History{Y: Axis{Unit: Seconds}}
	for _, p := range c.Series[0].Points {
		h.Moments = append(h.Moments, Moment{At: time.Unix(int64(p.X)*60, 0), Value: p.Y, Lower: p.Lower, Upper: p.Upper})
	}
	if svg := h.SVG(); !strings.Contains(svg, ">10 s</text>") || strings.Contains(svg, ">20 s</text>") || !strings.Contains(svg, ">50 ms</text>") {
		t.Errorf("the axis of a history is not that of 0.09 s to 8 s:\n%s", svg)
	}
}
