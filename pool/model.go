package pool

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"time"
)

type state int

const (
	loading state = iota
	ready
	closing
)

// model is one that holds memory, or is about to. Its fields belong to the pool's lock;
// need and name never change, and value not once it is ready.
type model[M io.Closer] struct {
	name   string
	need   Memory
	state  state
	value  M
	users  int // leases
	cancel context.CancelFunc

	uses     int
	loadTook time.Duration
	loaded   time.Time
	lastUsed time.Time
	expiry   *time.Timer // while it is idle and idle models are closed
}

// failed reports whether a model that was ready serves nobody any more.
func (m *model[M]) failed() bool {
	f, ok := any(m.value).(interface{ Err() error })
	return ok && f.Err() != nil
}

// lendable reports whether there is a model to lend. One that has failed is closed when
// nobody uses it, pinned or not. The caller holds p.mu.
func (p *Pool[M]) lendable(m *model[M]) bool {
	if m == nil || m.state != ready {
		return false
	}
	if m.failed() {
		if m.idle() {
			p.close(m)
		}
		return false
	}
	return true
}

func (m *model[M]) idle() bool { return m.state == ready && m.users == 0 }

// lend makes a lease of a model that is ready. The caller holds p.mu.
func (p *Pool[M]) lend(m *model[M]) *model[M] {
	if m.expiry != nil {
		m.expiry.Stop()
		m.expiry = nil
	}
	m.users++
	m.uses++
	m.lastUsed = time.Now()
	return m
}

// rest is what becomes of a model that nobody uses any more. The caller holds p.mu.
func (p *Pool[M]) rest(m *model[M]) {
	m.lastUsed = time.Now()
	if p.closed || m.failed() {
		p.close(m)
		return
	}
	if p.opts.IdleTimeout <= 0 || p.pinned[m.name] || m.expiry != nil {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(p.opts.IdleTimeout, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if m.expiry != timer {
			return
		}
		m.expiry = nil
		if m.idle() && !p.pinned[m.name] {
			p.counts.Expired++
			p.close(m)
		}
	})
	m.expiry = timer
}

// load begins to load a model, whose memory is reserved from now on. What ctx carries is
// kept, but not its end: others may wait for the model too. The caller holds p.mu.
func (p *Pool[M]) load(ctx context.Context, name string, need Memory) {
	m := &model[M]{name: name, need: need}
	ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.models[name] = m
	p.used.add(need)
	go func() {
		defer m.cancel()
		start := time.Now()
		value, err := p.loadSafely(ctx, name)
		p.mu.Lock()
		defer p.mu.Unlock()
		m.loadTook = time.Since(start)
		switch {
		case err != nil:
			// Who came after the load had been given up waits for another.
			if ctx.Err() == nil {
				p.counts.Failed++
				p.fail(name, &LoadError{name, err})
			}
			p.gone(m)
		default:
			p.counts.Loaded++
			m.value, m.state, m.loaded, m.lastUsed = value, ready, time.Now(), time.Now()
			p.advance()
			if m.idle() {
				p.rest(m)
			}
		}
	}()
}

// loadSafely turns a panic of the source into an error.
func (p *Pool[M]) loadSafely(ctx context.Context, name string) (value M, err error) {
	ended := false
	defer func() {
		if r := recover(); r != nil || !ended {
			err = fmt.Errorf("the source panicked: %v\n%s", r, debug.Stack())
		}
	}()
	value, err = p.source.Load(ctx, name)
	ended = true
	return value, err
}

// close closes an idle model. Its memory is free when that is done. The caller holds p.mu.
func (p *Pool[M]) close(m *model[M]) {
	m.state = closing
	if m.expiry != nil {
		m.expiry.Stop()
	}
	go func() {
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.gone(m)
		}()
		_ = m.value.Close() // nothing can be done about it, and nobody waits for it
	}()
}

// gone takes a model out of the pool. The caller holds p.mu.
func (p *Pool[M]) gone(m *model[M]) {
	p.used.subtract(m.need)
	delete(p.models, m.name)
	p.advance()
	p.checkEmptied()
}
