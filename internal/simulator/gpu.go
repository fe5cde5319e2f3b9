package simulator

import "fmt"

// GPUUUID is what the simulated GPU of the replica is called that is the i-th of
// those given to GPUs.
func GPUUUID(i int) string { return fmt.Sprintf("GPU-00000000-0000-4000-8000-%012d", i) }
