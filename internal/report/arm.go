package report

import (
	"fmt"

	"vllm_prober/prober"
)

// ArmName is a name that tells an arm from all others: its target, and what else
// it takes.
func ArmName(a prober.Arm, all []prober.Arm) string {
	gpus, sizes := tellingApart(a, all)
	name := a.Target
	if gpus {
		name += " on " + Count(a.GPUs, "GPU")
	}
	if sizes {
		name += fmt.Sprintf(" with batch %d", a.BatchSize)
	}
	return name
}

// tellingApart says what beside its target tells an arm from all others.
func tellingApart(a prober.Arm, all []prober.Arm) (gpus, sizes bool) {
	for _, other := range all {
		if other.Target == a.Target {
			sizes = sizes || other.BatchSize != a.BatchSize
			gpus = gpus || other.GPUs != a.GPUs
		}
	}
	return gpus, sizes
}
