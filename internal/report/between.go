package report

import (
	"vllm_prober/internal/compare"
	"vllm_prober/internal/document"
	"vllm_prober/prober"
)

// ArmTable is an arm of one run against the same arm of another.
type ArmTable struct {
	Arm   prober.Arm
	Table *compare.Table
}

// Between has a section for each arm that two runs have in common: what has to be
// known first, the means of both, and all figures. base and other are the names of the
// runs. Its texts are English.
func Between(all []ArmTable, base, other string) (sections []document.Section) {
	w := &writer{speaker: speaker{language: English}}
	for _, c := range all {
		w.arms = append(w.arms, c.Arm)
	}
	for _, c := range all {
		section := document.Section{Title: w.arm(c.Arm)}
		var known []document.Sentence
		for _, f := range c.Table.Findings {
			known = append(known, document.Sentence{Rule: string(f.Kind), Text: sentence(f)})
		}
		if len(known) > 0 {
			section.Blocks = append(section.Blocks, document.Block{Sentences: known})
		}
		if len(c.Table.Cells) == 0 {
			none := document.Paragraph("The runs have no valid step at the same request rate, nor does each have a search.")
			section.Blocks = append(section.Blocks, none)
		} else {
			section.Blocks = append(section.Blocks, w.contrast(contrast{base, other, c.Table})...)
		}
		sections = append(sections, section)
	}
	return sections
}
