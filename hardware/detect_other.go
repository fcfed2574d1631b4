//go:build !linux && !darwin && !windows

package hardware

// native knows of no tables to read.
func native() Machine { return Machine{} }

func nativeCPU() CPU { return CPU{} }
