package cria

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// query is what a cache is asked.
type query struct {
	key  cacheKey
	disk bool // the folder is asked too
	keep bool // the answer is to be kept

	// compute makes the answer and hands out its pieces. It ends soon when emit returns
	// false or the context ends. A nil entry is an answer that is not to be kept.
	compute func(ctx context.Context, emit func(Chunk) bool) (*cacheEntry, error)
}

// flight is a computation that identical queries share. It has a goroutine of its own, so
// that nobody depends on how fast, or how long, another one reads; it is cancelled when
// the last reader leaves, who waits for its end.
type flight struct {
	cache  *Cache
	query  query
	parent *flight // whose computation asked for this one; nil: none
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has nothing left to do

	mu      sync.Mutex
	readers []*reader
	keep    bool // one of the readers wants the answer kept
	chunks  []Chunk
	ended   bool // the following are final, and chunks is
	entry   *cacheEntry
	err     error
}

// reader is one of those who wait for a flight.
type reader struct {
	*flight
	first bool          // for whom the flight was begun
	wake  chan struct{} // holds one value while there is news
}

// panicError carries a panic of a computation to those who read it.
type panicError struct{ value any }

func (e *panicError) Error() string { return "the computation panicked" }

// answer returns the answer to a query, which was kept, is being computed, or is computed
// now, and hands out its pieces. Its usage says if it was computed for others.
func (c *Cache) answer(ctx context.Context, q query, yield func(Chunk) bool) (*cacheEntry, error) {
	for retried := false; ; retried = true {
		if e := c.get(q.key, q.disk); e != nil {
			return e.hit(yield), nil
		}
		if within(ctx, c, q.key) { // to wait for it would be to wait for oneself
			return q.compute(ctx, yield)
		}
		r, e := c.join(ctx, q)
		if e != nil {
			return e.hit(yield), nil
		}
		e, again, err := r.read(ctx, yield)
		if again && !retried {
			continue
		}
		if p := (*panicError)(nil); errors.As(err, &p) {
			panic(p.value)
		}
		return e, err
	}
}

// hit hands out an entry.
func (e *cacheEntry) hit(yield func(Chunk) bool) *cacheEntry {
	found := *e
	found.usage = e.cachedUsage()
	yield(Chunk{Text: e.text, Finish: FinishStop, Usage: found.usage})
	return &found
}

type flightKey struct{}

// within reports whether ctx is of the computation of a key.
func within(ctx context.Context, c *Cache, key cacheKey) bool {
	f, _ := ctx.Value(flightKey{}).(*flight)
	for ; f != nil; f = f.parent {
		if f.cache == c && f.query.key == key {
			return true
		}
	}
	return false
}

// join makes a reader of the flight of a query, which begins if there is none, or returns
// the entry if it was made meanwhile.
func (c *Cache) join(ctx context.Context, q query) (*reader, *cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, flies := c.flights[q.key]
	if !flies {
		if item := c.memory.Get(q.key); item != nil {
			return nil, item.Value()
		}
		parent, _ := ctx.Value(flightKey{}).(*flight)
		f = &flight{cache: c, query: q, parent: parent, done: make(chan struct{})}
		// It carries the values of the one for whom it begins, but does not end with it.
		ctx, f.cancel = context.WithCancel(context.WithValue(context.WithoutCancel(ctx), flightKey{}, f))
		c.flights[q.key] = f
	}
	r := &reader{flight: f, first: !flies, wake: make(chan struct{}, 1)}
	f.mu.Lock()
	f.readers = append(f.readers, r)
	f.keep = f.keep || q.keep
	f.mu.Unlock()
	if !flies {
		go f.fly(ctx)
	}
	return r, nil
}

// fly computes the answer. Whatever the computation does, the readers hear of its end.
func (f *flight) fly(ctx context.Context) {
	entry, err := (*cacheEntry)(nil), ErrGoexit
	defer func() { f.land(entry, err) }()
	entry, err = f.compute(ctx)
}

// land keeps the answer and hands it out. Whoever asks from then on finds it or begins anew.
func (f *flight) land(entry *cacheEntry, err error) {
	defer close(f.done)
	defer f.cancel()
	c := f.cache
	c.mu.Lock()
	f.mu.Lock()
	keep := f.keep && entry != nil
	if keep {
		c.remember(f.query.key, entry)
	}
	if c.flights[f.query.key] == f {
		delete(c.flights, f.query.key)
	}
	f.entry, f.err, f.ended = entry, err, true
	f.wakeAll()
	f.mu.Unlock()
	c.mu.Unlock()
	if keep && f.query.disk {
		c.write(f.query.key, entry)
	}
}

// compute turns a panic into an error.
func (f *flight) compute(ctx context.Context) (entry *cacheEntry, err error) {
	defer func() {
		if p := recover(); p != nil {
			entry, err = nil, &panicError{p}
		}
	}()
	return f.query.compute(ctx, func(c Chunk) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.chunks = append(f.chunks, c)
		f.wakeAll()
		return ctx.Err() == nil
	})
}

// wakeAll says that there is news. The caller holds f.mu.
func (f *flight) wakeAll() {
	for _, r := range f.readers {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// read hands out the pieces as they come and returns the answer, or its error. If again,
// the flight failed and the reader, for whom it was not begun, has seen nothing of it.
func (r *reader) read(ctx context.Context, yield func(Chunk) bool) (e *cacheEntry, again bool, err error) {
	defer r.leave()
	for n := 0; ; {
		r.mu.Lock()
		news, ended, entry, err := r.chunks[n:], r.ended, r.entry, r.err // which are never written again
		r.mu.Unlock()
		for _, c := range news {
			if c.Finish != "" && !r.first {
				c.Usage.Cached = true
			}
			if !yield(c) {
				return nil, false, nil
			}
		}
		switch n += len(news); {
		case ended && err != nil:
			return nil, !r.first && n == 0, err
		case ended && entry != nil && !r.first:
			shared := *entry
			shared.usage = entry.cachedUsage()
			return &shared, false, nil
		case ended:
			return entry, false, nil
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// leave ends the flight if nobody reads it any more.
func (r *reader) leave() {
	c := r.cache
	c.mu.Lock()
	r.mu.Lock()
	r.readers = slices.DeleteFunc(r.readers, func(other *reader) bool { return other == r })
	last := len(r.readers) == 0
	r.mu.Unlock()
	if last && c.flights[r.query.key] == r.flight {
		delete(c.flights, r.query.key)
	}
	c.mu.Unlock()
	if last {
		r.cancel()
		<-r.done
	}
}
