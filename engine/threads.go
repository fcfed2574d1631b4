package engine

import "runtime"

// DefaultThreads is the number of threads an engine computes with unless told
// otherwise: the physical cores that this process may run on, but no more than
// GOMAXPROCS, which follows the CPU limit of a container. Two threads on one
// core hinder each other in matrix products. Where the cores cannot be told
// from hardware threads, it is the number of hardware threads.
func DefaultThreads() int {
	return max(1, min(physicalCores(), runtime.GOMAXPROCS(0)))
}
