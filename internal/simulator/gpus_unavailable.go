//go:build !linux || !cgo

package simulator

import "vllm_prober/internal/gpu"

// GPUs says that this binary can simulate no GPUs: it lacks the code that reads
// them.
func GPUs([]*Replica) (gpu.Source, error) { return nil, gpu.ErrUnavailable }
