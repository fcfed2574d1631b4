package pool

import (
	"io"
	"sync"
	"time"
)

// Lease is the use of a model, which is not closed before the lease is released.
type Lease[M io.Closer] struct {
	pool  *Pool[M]
	model *model[M]
	once  sync.Once
}

// Model returns the model. It must not be used after [Lease.Release], nor be closed.
func (l *Lease[M]) Model() M { return l.model.value }

// Release ends the use. It may be called more than once.
func (l *Lease[M]) Release() {
	l.once.Do(func() {
		p := l.pool
		p.mu.Lock()
		defer p.mu.Unlock()
		p.release(l.model, time.Now())
		p.advance()
	})
}
