package report

import (
	"fmt"

	"vllm_prober/prober"
)

// ArmName is a name that tells an arm from all others: its target, and what else
// it takes.
func ArmName(a prober.Arm, all []prober.Arm) string {
	sizes, gpus := false, false
	for _, other := range all {
		if other.Target == a.Target {
			sizes = sizes || other.BatchSize != a.BatchSize
			gpus = gpus || other.GPUs != a.GPUs
		}
	}
	name := a.Target
	if gpus {
		name += " on " + Count(a.GPUs, "GPU")
	}
	if sizes {
		name += fmt.Sprintf(" with batch %d", a.BatchSize)
	}
	return name
}
