package pool

import (
	"context"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"time"
)

type state int

const (
	loading state = iota
	ready
	closing
)

// model is one that holds memory, or is about to. Its fields belong to the pool's lock;
// name, need and of never change, and value and err not once it is settled.
type model[M io.Closer] struct {
	name    string
	need    Memory
	of      *model[M] // the model that this is a context of, and a user of; nil: none
	state   state
	settled chan struct{} // closed when the load is over, one way or the other
	left    chan struct{} // closed when it has left the pool
	value   M
	err     error // of the load
	users   int   // leases and contexts
	cancel  context.CancelFunc
	givenUp bool // nobody wants the load any more
	leaving bool // to be closed when its contexts, which are being closed, are gone

	uses     int
	loadTook time.Duration
	loaded   time.Time
	lastUsed time.Time
	expiry   *time.Timer // while it is idle and idle models are closed
}

// failed reports whether a model that was ready serves nobody any more, which is so for the
// contexts of one that has failed.
func (m *model[M]) failed() bool {
	if m.state == loading {
		return false
	}
	if m.of != nil && m.of.failed() {
		return true
	}
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
		p.discard(m)
		return false
	}
	return true
}

// discard closes a failed model and its contexts, as far as nobody uses them: what is left
// is closed as it is released. Of a context whose model has failed it closes that too. The
// caller holds p.mu.
func (p *Pool[M]) discard(m *model[M]) {
	if m.of != nil && m.of.failed() {
		m = m.of
	}
	for _, c := range p.contextsOf(m) {
		if c.idle() {
			p.close(c)
		}
	}
	if m.idle() {
		p.close(m)
	}
}

func (m *model[M]) idle() bool { return m.state == ready && m.users == 0 }

// giveUp cancels a load.
func (m *model[M]) giveUp() {
	m.givenUp = true
	m.cancel()
}

// ending reports whether a model is on its way out, so that nobody gets it any more.
func (m *model[M]) ending() bool { return m.state == closing || m.givenUp }

// lend makes a lease of a model, or a context of it. The caller holds p.mu.
func (p *Pool[M]) lend(m *model[M]) *model[M] {
	if m.expiry != nil {
		m.expiry.Stop()
		m.expiry = nil
	}
	m.leaving = false
	m.users++
	m.uses++
	m.lastUsed = time.Now()
	return m
}

// release ends one use of a model. The caller holds p.mu.
func (p *Pool[M]) release(m *model[M], since time.Time) {
	if m.users--; m.idle() || m.failed() {
		p.rest(m, since)
	}
}

// rest is what becomes of a model that nobody uses any more, since some time. The caller
// holds p.mu.
func (p *Pool[M]) rest(m *model[M], since time.Time) {
	m.lastUsed = since
	if m.failed() {
		p.discard(m)
		return
	}
	if p.closed {
		p.close(m)
		return
	}
	if p.opts.IdleTimeout <= 0 || p.pinned[m.name] || m.expiry != nil {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(p.opts.IdleTimeout-time.Since(since), func() {
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

// spare reports whether a model can be closed: it is not pinned, and nobody uses it but
// contexts of which the same is true, or that are being closed. The caller holds p.mu.
func (p *Pool[M]) spare(m *model[M]) bool {
	if m.state != ready || p.pinned[m.name] {
		return false
	}
	users := m.users
	for _, c := range p.contextsOf(m) {
		if c.state == closing || p.spare(c) {
			users--
		}
	}
	return users == 0
}

// contextsOf are the contexts of a model. The caller holds p.mu.
func (p *Pool[M]) contextsOf(m *model[M]) (list []*model[M]) {
	for _, c := range p.models {
		if c.of == m {
			list = append(list, c)
		}
	}
	return list
}

// evict closes a spare model: its contexts first, then itself. The caller holds p.mu.
func (p *Pool[M]) evict(m *model[M]) {
	for _, c := range p.contextsOf(m) {
		if c.idle() {
			p.evict(c)
		}
	}
	switch {
	case m.users > 0:
		m.leaving = true
	case m.state == ready:
		p.counts.Evicted++
		p.close(m)
	}
}

// load begins to load a model, whose memory is reserved from now on, or a context of one,
// which it uses from now on. What ctx carries is kept, but not its end: others may wait
// for the model too. The caller holds p.mu.
func (p *Pool[M]) load(ctx context.Context, name string, need Memory, of *model[M]) *model[M] {
	m := &model[M]{name: name, need: need, of: of, settled: make(chan struct{}), left: make(chan struct{})}
	ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.models[name] = m
	p.used.add(need)
	if of != nil {
		p.lend(of)
	}
	go func() {
		defer m.cancel()
		start := time.Now()
		value, err := p.loadSafely(ctx, m)
		for outOfMemory(err) && p.closeIdle(ctx, m) {
			value, err = p.loadSafely(ctx, m)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		defer close(m.settled)
		m.loadTook = time.Since(start)
		switch {
		case err != nil:
			m.err = &LoadError{name, err}
			// Who came after the load had been given up waits for another.
			if ctx.Err() == nil {
				p.counts.Failed++
				p.fail(name, m.err)
			}
			p.gone(m)
		default:
			p.counts.Loaded++
			m.value, m.state, m.loaded, m.lastUsed = value, ready, time.Now(), time.Now()
			m.givenUp = false
			p.advance()
			if m.idle() {
				p.rest(m, m.loaded)
			}
		}
	}()
	return m
}

// closeIdle closes the model that has been idle for longest, if there is one, and waits until
// it is: the machine has less memory than the budget says, or there is no budget.
func (p *Pool[M]) closeIdle(ctx context.Context, loading *model[M]) bool {
	p.mu.Lock()
	var idle []*model[M]
	for _, m := range p.models {
		if m.idle() && m != loading.of && !p.pinned[m.name] {
			idle = append(idle, m)
		}
	}
	if len(idle) == 0 {
		p.mu.Unlock()
		return false
	}
	m := p.byUse(idle)[0]
	p.counts.Evicted++
	p.close(m)
	p.mu.Unlock()
	select {
	case <-m.left:
		return true
	case <-ctx.Done():
		return false
	}
}

// loadSafely turns a panic of the source into an error.
func (p *Pool[M]) loadSafely(ctx context.Context, m *model[M]) (value M, err error) {
	ended := false
	defer func() {
		if r := recover(); r != nil || !ended {
			err = fmt.Errorf("the source panicked: %v\n%s", r, debug.Stack())
		}
	}()
	value, err = p.loadNow(ctx, m)
	ended = true
	return value, err
}

// loadNow loads a model, or a context as soon as its model is loaded.
func (p *Pool[M]) loadNow(ctx context.Context, m *model[M]) (value M, err error) {
	if m.of == nil {
		return p.source.Load(ctx, m.name, maps.Clone(m.need))
	}
	select {
	case <-m.of.settled:
	case <-ctx.Done():
		return value, ctx.Err()
	}
	if m.of.err != nil {
		return value, m.of.err
	}
	return p.contexts.NewContext(ctx, m.name, m.of.value)
}

// close closes an idle model. Its memory is free when that is done, well or not. The caller
// holds p.mu.
func (p *Pool[M]) close(m *model[M]) {
	m.state = closing
	if m.expiry != nil {
		m.expiry.Stop()
	}
	go func() {
		defer func() {
			_ = recover() // nothing can be done about it, and nobody waits for it
			p.mu.Lock()
			defer p.mu.Unlock()
			p.gone(m)
		}()
		_ = m.value.Close() // nor about an error
	}()
}

// gone takes a model out of the pool. The caller holds p.mu.
func (p *Pool[M]) gone(m *model[M]) {
	p.used.subtract(m.need)
	delete(p.models, m.name)
	close(m.left)
	if m.of != nil {
		p.lose(m.of, m)
	}
	p.advance()
	p.checkEmptied()
}

// lose is what becomes of a model that has lost a context: it was last used when the
// context was. The caller holds p.mu.
func (p *Pool[M]) lose(m, context *model[M]) {
	if context.lastUsed.After(m.lastUsed) {
		m.lastUsed = context.lastUsed
	}
	p.release(m, m.lastUsed)
	switch {
	case m.idle() && m.leaving:
		p.evict(m)
	case m.state == loading:
		p.giveUpUnwanted(m)
	}
}

// giveUpUnwanted ends a load that nobody waits for. The caller holds p.mu.
func (p *Pool[M]) giveUpUnwanted(m *model[M]) {
	wanted := slices.ContainsFunc(p.waiting, func(w *waiter[M]) bool { return w.name == m.name })
	if !wanted && m.users == 0 {
		m.giveUp()
	}
}
