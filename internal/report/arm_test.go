package report

import (
	"testing"

	"vllm_prober/prober"
)

func TestArmName(t *testing.T) {
	one, four := prober.Arm{Target: "a", GPUs: 1, BatchSize: 16}, prober.Arm{Target: "a", GPUs: 4, BatchSize: 16}
	large, other := prober.Arm{Target: "a", GPUs: 1, BatchSize: 64}, prober.Arm{Target: "b", GPUs: 4, BatchSize: 64}
	for _, c := range []struct {
		all  []prober.Arm
		want string // of one
	}{
		{[]prober.Arm{one, other}, "a"},
		{[]prober.Arm{four, one}, "a on 1 GPU"},
		{[]prober.Arm{one, large, other}, "a with batch 16"},
		{[]prober.Arm{one, large, four}, "a on 1 GPU with batch 16"},
	} {
		if got := ArmName(one, c.all); got != c.want {
			t.Errorf("among %v it is %q, want %q", c.all, got, c.want)
		}
	}
}
