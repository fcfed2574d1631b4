package engine

import (
	"cmp"
	"container/heap"
	"sync"
	"time"
)

// queue holds the requests that wait, in the order of their priority and then of
// their arrival, and knows those that run.
type queue struct {
	limit int

	mu       sync.Mutex
	ready    sync.Cond // there is news for the owner
	news     bool
	abort    func() // interrupts the decoding under way; called with mu held
	clear    func() // lets decoding go on
	waiting  waiting
	arrived  uint64
	running  map[*job]bool // taken by the owner; true when they have started
	held     int           // of those, the ones that have not: they wait too
	calls    []func()      // for the owner, between steps
	until    time.Time     // when the decoding under way is expected to end, if it may be stopped
	draining bool          // no more are taken in
	closed   bool
	why      error // if the engine ended by itself
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit, running: map[*job]bool{}}
	q.ready.L = &q.mu
	return q
}

// interrupt says how the decoding under way is interrupted from now on, and how
// it is let go on.
func (q *queue) interrupt(abort, clear func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.abort, q.clear = abort, clear
	if q.closed {
		q.abort()
	}
}

// waiting is a heap: the first is the next to run.
type waiting []*job

func (w waiting) Len() int { return len(w) }
func (w waiting) Less(i, k int) bool {
	if w[i].req.Priority != w[k].req.Priority {
		return w[i].req.Priority > w[k].req.Priority
	}
	return w[i].arrival < w[k].arrival
}
func (w waiting) Swap(i, k int) {
	w[i], w[k] = w[k], w[i]
	w[i].place, w[k].place = i+1, k+1
}
func (w *waiting) Push(j any) {
	*w = append(*w, j.(*job))
	j.(*job).place = len(*w)
}
func (w *waiting) Pop() any {
	last := len(*w) - 1
	j := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	j.place = 0
	return j
}

// push adds requests, all or none.
func (q *queue) push(jobs ...*job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.draining {
		return cmp.Or(q.why, ErrClosed)
	}
	if len(q.waiting)+q.held+len(jobs) > q.limit {
		return ErrOverloaded
	}
	for _, j := range jobs {
		q.arrived++
		j.arrival = q.arrived
		heap.Push(&q.waiting, j)
	}
	q.notify()
	return nil
}

// notify wakes the owner; mu is held.
func (q *queue) notify() {
	q.news = true
	q.ready.Signal()
}

// call has the owner run f, between steps; false if the queue is closed.
func (q *queue) call(f func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.calls = append(q.calls, f)
	q.notify()
	return true
}

// takeCalls hands what [queue.call] was given to the owner.
func (q *queue) takeCalls() []func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	calls := q.calls
	q.calls = nil
	return calls
}

// wake makes the owner look again.
func (q *queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.notify()
}

// wait blocks until there is news since the last call or the queue is closed,
// which it reports. An idle owner does not wait while requests do.
func (q *queue) wait(idle bool) (closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.news && !q.closed && !(idle && len(q.waiting) > 0) {
		q.ready.Wait()
	}
	q.news = false
	return q.closed
}

// waits reports whether a request of at least this priority waits.
func (q *queue) waits(priority int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0 && q.waiting[0].req.Priority >= priority
}

// take hands the first waiting request to the owner; nil if none waits.
func (q *queue) take() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	j := heap.Pop(&q.waiting).(*job)
	q.running[j] = false
	q.held++
	return j
}

// started says that a request that was taken computes, or, false, that it waits
// for room again.
func (q *queue) started(j *job, yes bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running[j] == yes {
		return
	}
	q.running[j] = yes
	if yes {
		q.held--
	} else {
		q.held++
	}
}

// release says that a running request is over.
func (q *queue) release(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.running[j] {
		q.held--
	}
	delete(q.running, j)
	if !q.closed {
		q.clear()
	}
	if q.draining && len(q.running)+len(q.waiting) == 0 {
		q.close()
	}
}

// decoding says until when a step will probably take. One that is long is stopped
// for a request that was cancelled just before.
func (q *queue) decoding(until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.until = until
	if time.Until(until) <= stepLeft {
		return
	}
	for j, started := range q.running {
		if started && j.stopped.Load() {
			q.abort()
		}
	}
}

// stepLeft is how much longer a step may take that computes for others, too, when
// one of its requests is cancelled.
const stepLeft = 100 * time.Millisecond

// cancel takes a waiting request out, and reports that, or makes a running one
// stop: after the step under way, or at once if that computes for nobody else or
// takes long. A request that is neither is over.
func (q *queue) cancel(j *job) (removed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.place > 0 {
		heap.Remove(&q.waiting, j.place-1)
		if q.draining && len(q.running)+len(q.waiting) == 0 {
			q.close()
		}
		return true
	}
	if _, taken := q.running[j]; taken {
		j.stopped.Store(true)
		if time.Until(q.until) > stepLeft || q.allStopped() {
			q.abort()
		}
		q.notify() // the owner may be waiting for its reader
	}
	return false
}

// allStopped reports whether all running requests were stopped; mu is held.
func (q *queue) allStopped() bool {
	for j, started := range q.running {
		if started && !j.stopped.Load() {
			return false
		}
	}
	return true
}

// drain refuses further requests; when those that are there are over, the queue
// is closed.
func (q *queue) drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.draining = true
	if len(q.running)+len(q.waiting) == 0 {
		q.close()
	}
}

// close ends the queue; mu is held.
func (q *queue) close() {
	q.draining, q.closed = true, true
	q.notify()
}

// failure is why the engine ended by itself; nil if it has not.
func (q *queue) failure() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.why
}

// doom refuses further requests of an engine that is to end by itself, and has the owner
// run end between steps. The owner need not be started yet. A closed queue is left alone.
func (q *queue) doom(why error, end func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.why != nil {
		return
	}
	q.why, q.draining = why, true
	if len(q.running) > 0 {
		q.abort()
	}
	q.calls = append(q.calls, end)
	q.notify()
}

// fail is stop for an engine that ends by itself.
func (q *queue) fail(why error) []*job {
	q.mu.Lock()
	q.why = why
	q.mu.Unlock()
	return q.stop()
}

// stop refuses further requests, makes the running ones stop and returns those
// that waited.
func (q *queue) stop() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	jobs := q.waiting
	q.waiting = nil
	for _, j := range jobs {
		j.place = 0
	}
	for j := range q.running {
		j.closed.Store(true)
		j.stopped.Store(true)
	}
	if len(q.running) > 0 {
		q.abort()
	}
	q.close()
	return jobs
}
