package engine

import (
	"slices"
	"sync"
)

// queue holds the requests that wait and knows the one that runs.
type queue struct {
	limit int
	abort func() // interrupts the decoding under way; called with mu held
	clear func() // lets decoding go on

	mu      sync.Mutex
	ready   sync.Cond
	waiting []*job
	running *job
	closed  bool
}

func newQueue(limit int, abort, clear func()) *queue {
	q := &queue{limit: limit, abort: abort, clear: clear}
	q.ready.L = &q.mu
	return q
}

// push adds a request at the end.
func (q *queue) push(j *job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if len(q.waiting) >= q.limit {
		return ErrOverloaded
	}
	q.waiting = append(q.waiting, j)
	q.ready.Signal()
	return nil
}

// next waits for a request and makes it the running one; nil when closed.
func (q *queue) next() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closed {
		q.ready.Wait()
	}
	if q.closed {
		return nil
	}
	q.running = q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	return q.running
}

// release says that the running request is over.
func (q *queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = nil
	if !q.closed {
		q.clear()
	}
}

// cancel takes a waiting request out, and reports that, or makes the running one
// stop. A request that is neither is over.
func (q *queue) cancel(j *job) (removed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, j); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		return true
	}
	if q.running == j {
		j.stopped.Store(true)
		q.abort()
	}
	return false
}

// close refuses further requests, makes the running one stop and returns those
// that waited.
func (q *queue) close() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	waiting := q.waiting
	q.waiting = nil
	if q.running != nil {
		q.running.stopped.Store(true)
		q.running.closed.Store(true)
		q.abort()
	}
	q.ready.Broadcast()
	return waiting
}
