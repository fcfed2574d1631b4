package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// loadAverage is the system's load over one, five and fifteen minutes, or
// "unknown" where there is no /proc.
func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return firstFields(string(data), 3)
}

func firstFields(text string, n int) string {
	fields := strings.Fields(text)
	return strings.Join(fields[:min(n, len(fields))], " ")
}

// idleLoad is the load up to which a machine counts as idle: a shell and its
// like.
const idleLoad = 0.3

// busy says why the machine is not fit to measure on, "" if it is.
func busy(load string) string {
	first, err := strconv.ParseFloat(firstFields(load, 1), 64)
	if err != nil {
		return "the load of this machine is not known: make sure that it is idle"
	}
	if first > idleLoad {
		return fmt.Sprintf("the machine is not idle (load average %.2f): the figures say little", first)
	}
	return ""
}

// peakMemory is the most memory that a process has had resident, in bytes.
// What wait4 reports of a child will not do: Linux counts there what the parent
// had when it forked.
func peakMemory(pid string) (int64, error) {
	data, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, fmt.Errorf("peak memory is read from /proc, which only Linux has: %w", err)
	}
	return parsePeakMemory(string(data))
}

func parsePeakMemory(status string) (int64, error) {
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, "VmHWM:")
		if !ok {
			continue
		}
		kib, unit, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, err := strconv.ParseInt(kib, 10, 64)
		if err != nil || unit != "kB" {
			return 0, fmt.Errorf("the process's status has an odd line %q", line)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("the process's status has no VmHWM")
}
