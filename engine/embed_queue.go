package engine

import (
	"slices"
	"sync"

	"github.com/cria-lm/cria/llama"
)

// embedCall is one call of [Embedder.Embed]. The queue's mutex guards it until
// it is over.
type embedCall struct {
	inputs [][]Token
	next   int // the first input that was in no batch yet
	left   int // inputs without an embedding
	out    [][]float32
	err    error
	over   bool
	done   chan struct{} // closed when it is over
}

func newEmbedCall(inputs [][]Token) *embedCall {
	return &embedCall{inputs: inputs, left: len(inputs), out: make([][]float32, len(inputs)), done: make(chan struct{})}
}

// embedItem is an input of a batch.
type embedItem struct {
	call  *embedCall
	index int
}

func (i embedItem) tokens() []Token { return i.call.inputs[i.index] }

// embedQueue holds the calls that are not over, in the order of their arrival.
// Only within its methods does the owner look at what a call was given, so that
// one that is cancelled returns at once.
type embedQueue struct {
	limit int    // calls
	most  int    // inputs of a batch
	abort func() // interrupts the computation under way; called with mu held
	clear func() // lets computation go on

	mu     sync.Mutex
	ready  sync.Cond
	calls  []*embedCall
	batch  []embedItem // under way
	turn   int         // which call comes first in the next batch
	closed bool
	why    error // then: what calls get
}

func newEmbedQueue(limit, most int, abort, clear func()) *embedQueue {
	q := &embedQueue{limit: limit, most: most, abort: abort, clear: clear}
	q.ready.L = &q.mu
	return q
}

// push adds a call.
func (q *embedQueue) push(c *embedCall) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return q.why
	}
	if len(q.calls) >= q.limit {
		return ErrOverloaded
	}
	q.calls = append(q.calls, c)
	q.ready.Signal()
	return nil
}

// take waits for inputs and puts as many into the batch as fit, those of the
// call whose turn it is first. There are none when the queue is closed. The
// items are valid until the next take or retake.
func (q *embedQueue) take(b *llama.Batch) []embedItem {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.batch = q.batch[:0]
	b.Clear()
	for len(q.calls) == 0 && !q.closed {
		q.ready.Wait()
	}
	if q.closed {
		return nil
	}
	q.clear()
	q.turn++
	for i := range q.calls {
		c := q.calls[(q.turn+i)%len(q.calls)]
		for c.next < len(c.inputs) && len(q.batch) < q.most && len(c.inputs[c.next]) <= b.Cap()-b.Len() {
			q.add(b, embedItem{c, c.next})
			c.next++
		}
	}
	return q.batch
}

// retake puts one input alone into the batch, unless its call is over.
func (q *embedQueue) retake(b *llama.Batch, item embedItem) []embedItem {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.batch = q.batch[:0]
	b.Clear()
	if item.call.over {
		return nil
	}
	q.clear()
	q.add(b, item)
	return q.batch
}

// add appends an input to the batch, as a sequence of its own.
func (q *embedQueue) add(b *llama.Batch, item embedItem) {
	for pos, t := range item.tokens() {
		b.Add(t, llama.Pos(pos), llama.SeqID(len(q.batch)), true)
	}
	q.batch = append(q.batch, item)
}

// deliver gives the calls of a batch their embeddings.
func (q *embedQueue) deliver(items []embedItem, embeddings [][]float32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, item := range items {
		c := item.call
		if c.over {
			continue
		}
		c.out[item.index] = embeddings[i]
		if c.left--; c.left == 0 {
			q.finish(c, nil)
		}
	}
}

// end ends a call with an error, and reports whether it was not over. What is
// computed for nobody is interrupted.
func (q *embedQueue) end(c *embedCall, err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.over {
		return false
	}
	q.finish(c, err)
	if !slices.ContainsFunc(q.batch, func(i embedItem) bool { return !i.call.over }) {
		q.abort()
	}
	return true
}

// finish is called with mu held.
func (q *embedQueue) finish(c *embedCall, err error) {
	c.over, c.err = true, err
	q.calls = slices.DeleteFunc(q.calls, func(other *embedCall) bool { return other == c })
	close(c.done)
}

// close refuses further calls and ends all others. A second call does nothing.
func (q *embedQueue) close(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed, q.why = true, why
	for len(q.calls) > 0 {
		q.finish(q.calls[0], why)
	}
	q.abort()
	q.ready.Broadcast()
}
