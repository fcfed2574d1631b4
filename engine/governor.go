package engine

import "time"

// governor chooses how many threads compute. ggml's threads meet at a barrier
// after every operation and spin there, so that one of them without a core to
// itself holds all up: beside one busy process, two threads on two cores are up
// to 35 times slower than one. So no more are used than other processes leave
// cores. The number of threads does not change what is computed.
type governor struct {
	threads         // when no other process is busy
	free    int     // threads that have a core now, at most those of the larger step
	meter   cpuTime // nil: this system does not say, or the numbers are fixed
	last    sample
}

// threads is how many compute a step. Of one token it waits for the memory that the
// weights are in, so more than read that as fast as it goes only hinder each other; of
// several it waits for the processor.
type threads struct{ decode, prefill int }

func (t threads) most() int { return max(t.decode, t.prefill) }

// atMost returns t with no more than n.
func (t threads) atMost(n int) threads { return threads{min(t.decode, n), min(t.prefill, n)} }

// now returns how many compute at the moment.
func (g *governor) now() threads { return g.threads.atMost(g.free) }

// cpuTime reads how long the CPUs that this process may run on have been busy,
// and how much of that was this process.
type cpuTime interface {
	read() (busy, own time.Duration, ok bool)
	cpus() int
	close()
}

type sample struct {
	at        time.Time
	busy, own time.Duration
}

// The kernel counts CPU time in steps of 10 ms, so that a shorter interval says
// little; while tokens are computed a look every quarter second costs nothing.
const (
	minInterval = 80 * time.Millisecond
	interval    = 250 * time.Millisecond
)

// newGovernor starts to observe, unless the numbers of threads are fixed.
func newGovernor(t threads, fixed bool) *governor {
	g := &governor{threads: t, free: t.most()}
	if !fixed && t.most() > 1 {
		g.meter = newCPUTime()
	}
	if g.meter != nil {
		g.last, _ = g.sample()
	}
	return g
}

func (g *governor) sample() (s sample, ok bool) {
	s.at = time.Now()
	s.busy, s.own, ok = g.meter.read()
	return s, ok
}

// update looks again if it is time to, and reports whether now has changed.
func (g *governor) update(after time.Duration) bool {
	if g.meter == nil || time.Since(g.last.at) < after {
		return false
	}
	now, ok := g.sample()
	if !ok {
		return false
	}
	before := g.now()
	g.free = threadsFor(g.most(), g.meter.cpus(), g.last, now)
	g.last = now
	return g.now() != before
}

// threadsFor returns how many of most threads have a core to themselves on a
// machine of cpus between two samples.
func threadsFor(most, cpus int, from, to sample) int {
	others := float64((to.busy-from.busy)-(to.own-from.own)) / float64(to.at.Sub(from.at))
	free := float64(cpus) - max(0, others)
	return max(1, min(most, int(free+0.5)))
}

func (g *governor) close() {
	if g.meter != nil {
		g.meter.close()
	}
}
