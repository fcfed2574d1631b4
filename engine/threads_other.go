//go:build !linux && !darwin

package engine

import "runtime"

func physicalCores() int { return runtime.NumCPU() }
