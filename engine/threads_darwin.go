package engine

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// physicalCores counts the performance cores, or all cores where there is one
// kind. The efficiency cores would hold the others up.
func physicalCores() int {
	for _, name := range []string{"hw.perflevel0.physicalcpu", "hw.physicalcpu"} {
		if n, err := unix.SysctlUint32(name); err == nil && n > 0 {
			return int(n)
		}
	}
	return runtime.NumCPU()
}
