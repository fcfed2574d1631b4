package engine

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBusyTicks(t *testing.T) {
	const stat = "cpu  1000 1000 1000 1000 1000 1000 1000 1000 0 0\n" +
		"cpu0 1 2 4 8 16 32 64 128 256 512\n" +
		"cpu1 100 0 0 0 0 0 0 0 0 0\n" +
		"cpu10 1000 0 0 0 0 0 0 0 0 0\n" +
		"intr 5 6 7\n"
	for _, tt := range []struct {
		cpus []int
		want int64
		ok   bool
	}{
		{[]int{0}, 1 + 4 + 32 + 64 + 128, true},
		{[]int{1, 10}, 1100, true},
		{[]int{7}, 0, false},
	} {
		var set unix.CPUSet
		for _, cpu := range tt.cpus {
			set.Set(cpu)
		}
		if got, ok := busyTicks([]byte(stat), &set); got != tt.want || ok != tt.ok {
			t.Errorf("CPUs %v: %d, %v, want %d, %v", tt.cpus, got, ok, tt.want, tt.ok)
		}
	}
	if _, ok := busyTicks(nil, new(unix.CPUSet)); ok {
		t.Error("an empty file was read")
	}
}

func TestProcStat(t *testing.T) {
	m := newCPUTime()
	defer m.close()
	busy, own, ok := m.read()
	if !ok || busy <= 0 || own <= 0 || m.cpus() < 1 {
		t.Fatalf("busy %v, own %v, %d CPUs, %v", busy, own, m.cpus(), ok)
	}
	// Work until it shows: how long that takes is up to who else works.
	for {
		later, ownLater, ok := m.read()
		if !ok || later < busy || ownLater < own {
			t.Fatalf("busy %v and own %v after %v and %v, %v", later, ownLater, busy, own, ok)
		}
		if later-busy > 50*time.Millisecond && ownLater-own > 50*time.Millisecond {
			break
		}
	}
	if n := testing.AllocsPerRun(10, func() { m.read() }); n > 0 {
		t.Errorf("a reading allocates %v times", n)
	}
}
