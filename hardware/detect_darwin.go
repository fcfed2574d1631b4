package hardware

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// native asks the kernel. A Mac has one processor and one kind of memory, and no
// affinities or control groups. Those of Apple have a GPU in the same memory.
func native() Machine {
	c := nativeCPU()
	total, _ := unix.SysctlUint64("hw.memsize")
	m := Machine{CPU: c, Memory: Memory{Total: total, Available: available(total)}}
	if runtime.GOARCH == "arm64" {
		m.GPUs = []GPU{{Vendor: Apple, Name: c.Model}}
	}
	return m
}

func nativeCPU() CPU {
	model, _ := unix.Sysctl("machdep.cpu.brand_string")
	return CPU{
		Model:            model,
		Logical:          sysctl("hw.logicalcpu"),
		Cores:            sysctl("hw.physicalcpu"),
		PerformanceCores: sysctl("hw.perflevel0.physicalcpu"),
	}
}

// available is what can be had without swapping: pages that are free, or hold files or
// what their owners said may go.
func available(total uint64) uint64 {
	pages := 0
	for _, name := range []string{"vm.page_free_count", "vm.page_speculative_count", "vm.page_pageable_external_count", "vm.page_purgeable_count"} {
		pages += sysctl(name)
	}
	if pages == 0 {
		return total
	}
	return min(total, uint64(pages)*uint64(unix.Getpagesize()))
}

func sysctl(name string) int {
	n, err := unix.SysctlUint32(name)
	if err != nil {
		return 0
	}
	return int(n)
}
