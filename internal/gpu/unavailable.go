//go:build !linux || !cgo

package gpu

// NVML says that this binary cannot read GPUs.
func NVML() (Source, error) { return nil, ErrUnavailable }
