//go:build !linux || !cgo

package gpu

// NVML says that this binary cannot read GPUs.
func NVML() (Read, error) { return nil, ErrUnavailable }
