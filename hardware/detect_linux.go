package hardware

import (
	"os"

	"golang.org/x/sys/unix"
)

// native reads this machine's tables.
func native() Machine { return here().machine() }

func nativeCPU() CPU { return here().cpu() }

func here() *linux {
	l := &linux{root: os.DirFS("/"), getenv: os.Getenv, usable: usable}
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) == nil {
		for cpu := range len(set) * 64 {
			if set.IsSet(cpu) {
				l.allowed = append(l.allowed, cpu)
			}
		}
	}
	return l
}

func usable(path string) bool { return unix.Access(path, unix.R_OK|unix.W_OK) == nil }
