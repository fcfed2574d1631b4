//go:build !windows

package engine

import (
	"os"

	"golang.org/x/sys/unix"
)

// stampOf does without [os.File.Stat], which allocates.
func stampOf(f *os.File) (stamp, error) {
	var s unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &s)
	return stamp{s.Size, s.Mtim.Nano()}, err
}
