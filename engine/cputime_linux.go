package engine

import (
	"bytes"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// procStat reads /proc/stat (proc_stat(5)). It does not allocate.
type procStat struct {
	file *os.File
	set  unix.CPUSet
	buf  []byte
}

// userHz is the unit of /proc/stat; sysconf(_SC_CLK_TCK) is 100 on every
// architecture that llama.cpp is built for.
const userHz = 100

// newCPUTime returns nil if the kernel does not tell.
func newCPUTime() cpuTime {
	p := &procStat{buf: make([]byte, 64<<10)}
	if unix.SchedGetaffinity(0, &p.set) != nil {
		return nil
	}
	file, err := os.Open("/proc/stat")
	if err != nil {
		return nil
	}
	p.file = file
	return p
}

func (p *procStat) cpus() int { return p.set.Count() }

func (p *procStat) close() { _ = p.file.Close() }

func (p *procStat) read() (busy, own time.Duration, ok bool) {
	n, _ := p.file.ReadAt(p.buf, 0)
	ticks, ok := busyTicks(p.buf[:n], &p.set)
	var usage unix.Rusage
	if !ok || unix.Getrusage(unix.RUSAGE_SELF, &usage) != nil {
		return 0, 0, false
	}
	own = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return time.Duration(ticks) * (time.Second / userHz), own, true
}

// busyTicks adds up the time that the CPUs of the set were neither idle nor
// working for processes of low priority, which give way to us.
func busyTicks(stat []byte, set *unix.CPUSet) (ticks int64, ok bool) {
	for {
		line, rest, found := bytes.Cut(stat, []byte("\n"))
		if !bytes.HasPrefix(line, []byte("cpu")) {
			return ticks, ok
		}
		line = line[len("cpu"):]
		if line[0] != ' ' { // not the sum of all
			cpu, fields := number(line)
			if set.IsSet(int(cpu)) {
				ticks += busyFields(fields)
				ok = true
			}
		}
		if !found {
			return ticks, ok
		}
		stat = rest
	}
}

// busyFields adds up the fields user, system, irq, softirq and steal; nice, idle
// and iowait are left out, and guest is part of user.
func busyFields(fields []byte) (ticks int64) {
	for i := range 8 {
		var n int64
		n, fields = number(bytes.TrimLeft(fields, " "))
		if i != 1 && i != 3 && i != 4 {
			ticks += n
		}
	}
	return ticks
}

// number reads the decimal digits that b begins with.
func number(b []byte) (n int64, rest []byte) {
	for len(b) > 0 && '0' <= b[0] && b[0] <= '9' {
		n = 10*n + int64(b[0]-'0')
		b = b[1:]
	}
	return n, b
}
