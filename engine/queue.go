package engine

import (
	"slices"
	"sync"
)

// queue holds the requests that wait, in the order of their priority and then of
// their arrival, and knows those that run.
type queue struct {
	limit int
	abort func() // interrupts the decoding under way; called with mu held
	clear func() // lets decoding go on

	mu      sync.Mutex
	ready   sync.Cond
	waiting []*job
	running map[*job]bool // taken by the owner; true when they have started
	held    int           // of those, the ones that have not: they wait too
	closed  bool
}

func newQueue(limit int, abort, clear func()) *queue {
	q := &queue{limit: limit, abort: abort, clear: clear, running: map[*job]bool{}}
	q.ready.L = &q.mu
	return q
}

// push adds a request.
func (q *queue) push(j *job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if len(q.waiting)+q.held >= q.limit {
		return ErrOverloaded
	}
	i := len(q.waiting)
	for i > 0 && q.waiting[i-1].req.Priority < j.req.Priority {
		i--
	}
	q.waiting = slices.Insert(q.waiting, i, j)
	q.ready.Signal()
	return nil
}

// wait blocks until a request waits or the queue is closed, which it reports.
func (q *queue) wait() (closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closed {
		q.ready.Wait()
	}
	return q.closed
}

// take hands the first waiting request to the owner; nil if none waits.
func (q *queue) take() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	j := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
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
}

// cancel takes a waiting request out, and reports that, or makes a running one
// stop: at once if it runs alone, else after the step under way, which is short
// and computes for others too. A request that is neither is over.
func (q *queue) cancel(j *job) (removed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, j); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		return true
	}
	if _, taken := q.running[j]; taken {
		j.stopped.Store(true)
		if len(q.running) == 1 {
			q.abort()
		}
	}
	return false
}

// close refuses further requests, makes the running ones stop and returns those
// that waited.
func (q *queue) close() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	waiting := q.waiting
	q.waiting = nil
	for j := range q.running {
		j.closed.Store(true)
		j.stopped.Store(true)
	}
	if len(q.running) > 0 {
		q.abort()
	}
	q.ready.Broadcast()
	return waiting
}
