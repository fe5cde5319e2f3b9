//go:build !linux

package alarm

import "context"

// New returns the most punctual alarm that there is on this system.
func New(ctx context.Context) Alarm { return NewTimer(ctx) }
