package document

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"vllm_prober/internal/chart"
	"vllm_prober/internal/golden"
)

const hostile = "<script>alert('1')</script> | \"a\" & `b` *c* [d](javascript:e) _f_ </details>\n\n# g"

func small() *Document {
	curve := chart.Curves{Title: "Throughput", X: chart.Axis{Label: "req/s"}, Series: []chart.Series{{Name: "one", Points: []chart.Point{{X: 10, Y: 9}, {X: 20, Y: 13}}}}}
	data := curve.Table()
	figure := Block{Figure: &Figure{Caption: "Throughput", SVG: curve.SVG(), Data: Table{Head: data.Head, Rows: data.Rows}}}
	return &Document{
		Language: "en", Title: "A report", Words: Words{Contents: "Contents", Data: "As a table", Evidence: "from"},
		Sections: []Section{
			{Title: "Summary", Sections: []Section{{Title: "Load", Blocks: []Block{
				{Sentences: []Sentence{{Rule: "saturation.none", Text: "one kept up.", Evidence: "saturated: no"}, {Rule: "run.success", Text: "All is well."}}},
			}}}},
			{Title: "Figures", Blocks: []Block{
				Paragraph("What was measured."), figure, figure,
				{Table: &Table{Caption: "Steps", Head: []string{"arm", "req/s", "done/s", "note"}, Rows: [][]string{
					{"one", "10", "9.2", ""}, {"one", "20", "–", "withheld"}, {"two", "30", "+0.1%", "?"},
				}}},
				{Table: &Table{Caption: "All", Folded: true, Head: []string{"a"}, Rows: [][]string{{"1"}}}},
			}},
			{Title: "How", Blocks: []Block{{Code: "seed: 1\n```\n"}}},
		},
	}
}

func TestForms(t *testing.T) {
	golden.Check(t, "small.md", small().Markdown())
	html, err := small().HTML()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "small.html", string(html))
	text, err := small().JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "small.json", string(text)+"\n")
}

// hostileDocument has the text in each of its places.
func hostileDocument() *Document {
	table := Table{Caption: hostile, Head: []string{hostile}, Rows: [][]string{{hostile}}}
	svg := chart.Curves{Title: hostile, Series: []chart.Series{{Name: hostile}}}.SVG()
	return &Document{
		Language: "en", Title: hostile, Words: Words{hostile, hostile, hostile},
		Sections: []Section{{Title: hostile, Blocks: []Block{
			Paragraph(hostile),
			{Sentences: []Sentence{{Rule: hostile, Text: hostile, Evidence: hostile}}},
			{Table: &table},
			{Figure: &Figure{Caption: hostile, SVG: svg, Data: table}},
			{Code: hostile},
		}, Sections: []Section{{Title: hostile}}}},
	}
}

func TestHTMLEscapesHostileTexts(t *testing.T) {
	html, err := hostileDocument().HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"<script", "</script", "</details", "<h1"} { // the page's own
		if got := strings.Count(string(html), tag); got != 1 {
			t.Errorf("%d times %s", got, tag)
		}
	}
	if regexp.MustCompile(`="[^"#]*javascript:`).Match(html) {
		t.Error("an attribute names a script")
	}
}

// What asks for anything has to name it: no attribute and no style of the file names
// anything but a place in itself, and its policy lets the browser ask for nothing.
func TestHTMLAsksForNothing(t *testing.T) {
	html, err := small().HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?i)\b(src|href|action|srcset|data|poster|background|xlink:href)="([^"]*)"`).FindAllStringSubmatch(string(html), -1) {
		if !strings.HasPrefix(m[2], "#") {
			t.Errorf("%s asks for %s", m[1], m[2])
		}
	}
	for _, bad := range []string{"url(", "@import", "<link", "<img", "<iframe", "fetch(", "XMLHttpRequest", "import(", "WebSocket", "EventSource"} {
		if strings.Contains(string(html), bad) {
			t.Errorf("it has %s", bad)
		}
	}
	policy := regexp.MustCompile(`Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src '(sha256-[^']*)'"`).FindSubmatch(html)
	inside := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindAllSubmatch(html, -1)
	if policy == nil || len(inside) != 1 {
		t.Fatalf("policy %q, %d scripts", policy, len(inside))
	}
	hash := sha256.Sum256(inside[0][1])
	allowed := strings.ReplaceAll(string(policy[1]), "&#43;", "+")
	if want := "sha256-" + base64.StdEncoding.EncodeToString(hash[:]); allowed != want {
		t.Errorf("the policy allows %s, the script is %s", allowed, want)
	}
}

// Whatever a text holds, it is one line of Markdown that shows it and does nothing.
func TestMarkdownEscapesHostileTexts(t *testing.T) {
	text := hostileDocument().Markdown()
	outside, _, _ := strings.Cut(text, "```") // a block of code shows all as it is
	if regexp.MustCompile("[^\\\\]`|[^\\\\]\\[|<script").MatchString(outside) {
		t.Errorf("it has signs of Markdown or HTML:\n%s", outside)
	}
	for line := range strings.Lines(outside) {
		if strings.HasPrefix(line, "# g") {
			t.Error("a text has made a title")
		}
	}
	for in, want := range map[string]string{
		"a_b":           "a_b",
		"_a_":           `\_a\_`,
		"a # b":         "a # b",
		"1 | 2":         `1 \| 2`,
		"a\n\nb":        "a b",
		"\xffa<b>&c":    "\ufffda&lt;b&gt;&amp;c",
		"-50 ms":        "-50 ms",
		"not_in_force.": "not_in_force.",
		"*a* ~b~ \\":    `\*a\* \~b\~ \\`,
	} {
		if got := inline(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// No paragraph is a heading, a list or a rule.
func TestParagraphs(t *testing.T) {
	for in, want := range map[string]string{"# a": `\# a`, "- a": `\- a`, "===": `\===`, "+ a": `\+ a`, "a": "a", "": "", "1. a": "1. a"} {
		if got := paragraph(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	f.Add(hostile)
	f.Add("\u2028a\r\n|")
	unescaped := regexp.MustCompile("(^|[^\\\\])(\\\\\\\\)*[`*|\\[\\]]")
	f.Fuzz(func(t *testing.T, text string) {
		if got := inline(text); strings.ContainsAny(got, "\n\r<>") || unescaped.MatchString(got) {
			t.Errorf("%q is %q", text, got)
		}
	})
}

func TestNumericColumns(t *testing.T) {
	for _, c := range []struct {
		cells []string
		want  bool
	}{
		{[]string{"1", "–", "", "?"}, true},
		{[]string{"−1.1%, +1.1%", "+3%"}, true},
		{[]string{"1", "one"}, false},
		{[]string{"+0.0% (−0.1%, +0.1%): no difference"}, false}, // a sentence
		{[]string{"–"}, true},
	} {
		table := &Table{Head: []string{"a"}}
		for _, cell := range c.cells {
			table.Rows = append(table.Rows, []string{cell})
		}
		if got := table.isNumeric(0); got != c.want {
			t.Errorf("%q: %t", c.cells, got)
		}
	}
}

func TestJSONReadsBack(t *testing.T) {
	text, err := hostileDocument().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got Document
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Sections[0].Blocks[0].Paragraph != hostile || got.Sections[0].Blocks[3].Figure.Data.Rows[0][0] != hostile {
		t.Errorf("%s", text)
	}
}

func TestFragment(t *testing.T) {
	got, err := small().Sections[0].Fragment(Words{Evidence: "from"}, "x", 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<section id="x">`, "<h3>Summary</h3>", `<section id="x-1">`, "<h4>Load</h4>", "one kept up."} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}
