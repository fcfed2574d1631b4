package engine

import (
	"testing"
	"time"
)

func TestThreadsFor(t *testing.T) {
	start := time.Now()
	after := func(busy, own time.Duration) int {
		from := sample{start, 10 * time.Second, 3 * time.Second}
		return threadsFor(2, 2, from, sample{start.Add(time.Second), from.busy + busy, from.own + own})
	}
	const s = time.Second
	for _, tt := range []struct {
		name      string
		busy, own time.Duration
		want      int
	}{
		{"nobody works", 0, 0, 2},
		{"only we work", 2 * s, 2 * s, 2},
		{"another works a little", 2 * s, 2*s - s/3, 2},
		{"another has a core", 2 * s, s, 1},
		{"others have all cores", 2 * s, 0, 1},
		{"the kernel counted late", s, 2 * s, 2},
	} {
		if got := after(tt.busy, tt.own); got != tt.want {
			t.Errorf("%s: %d threads, want %d", tt.name, got, tt.want)
		}
	}
}

// meter is CPU time that a test sets.
type meter struct {
	busy, own time.Duration
	bad       bool
}

func (m *meter) read() (busy, own time.Duration, ok bool) { return m.busy, m.own, !m.bad }
func (*meter) cpus() int                                  { return 4 }
func (*meter) close()                                     {}

func TestGovernor(t *testing.T) {
	m := &meter{}
	g := newGovernor(threads{decode: 3, prefill: 4}, true)
	g.meter, g.last = m, sample{at: time.Now().Add(-time.Second)}
	m.busy = 2 * time.Second // of the second since then, by others
	if !g.update(interval) || g.now() != (threads{2, 2}) {
		t.Errorf("%d threads beside two busy cores, want 2", g.now())
	}
	if g.update(interval) {
		t.Error("it looked again at once")
	}
	g.last.at = time.Now().Add(-time.Second)
	m.bad = true
	if g.update(interval) || g.now() != (threads{2, 2}) {
		t.Error("a failed reading changed the threads")
	}
	m.bad = false
	m.busy += time.Second // by another, which leaves three
	if !g.update(interval) || g.now() != (threads{3, 3}) {
		t.Errorf("%d threads beside one busy core, want 3", g.now())
	}
	g.last.at = time.Now().Add(-time.Second)
	if !g.update(interval) || g.now() != (threads{3, 4}) {
		t.Errorf("%d threads when others are idle again, want 3 and 4", g.now())
	}
	if fixed := newGovernor(threads{4, 4}, true); fixed.update(0) || fixed.now() != (threads{4, 4}) {
		t.Error("a fixed number of threads changed")
	}
}
