//go:build !linux

package engine

// newCPUTime returns nil: only Linux is asked so far.
func newCPUTime() cpuTime { return nil }
