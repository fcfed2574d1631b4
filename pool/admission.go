package pool

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"
	"time"
)

// waiter is somebody who asks for a model.
type waiter[M io.Closer] struct {
	ctx    context.Context // its values are for the load that it causes
	name   string
	need   Memory
	since  time.Time
	served chan struct{} // closed when one of the following is set
	model  *model[M]     // lent to the waiter
	err    error
}

func (w *waiter[M]) grant(m *model[M]) {
	w.model = m
	close(w.served)
}

func (w *waiter[M]) fail(err error) {
	w.err = err
	close(w.served)
}

// ask makes a waiter, who may be served already.
func (p *Pool[M]) ask(ctx context.Context, name string) (*waiter[M], error) {
	w := &waiter[M]{ctx: ctx, name: name, since: time.Now(), served: make(chan struct{})}
	if served, err := p.hit(w); served || err != nil {
		return w, err
	}
	// The files of a model that is not in memory may have changed since it was.
	need, err := p.source.Need(ctx, name)
	if err != nil {
		return nil, &LoadError{name, err}
	}
	w.need = maps.Clone(need)
	if len(p.opts.Budget.short(nil, w.need)) > 0 {
		return nil, &TooLargeError{name, w.need, p.opts.Budget}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	p.waiting = append(p.waiting, w)
	p.advance()
	select {
	case <-w.served:
	default:
		if _, loads := p.models[name]; !loads {
			p.counts.Waited++
		}
	}
	return w, nil
}

// hit serves a waiter whose model is ready, unless others have waited too long for its
// memory.
func (p *Pool[M]) hit(w *waiter[M]) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false, ErrClosed
	}
	m := p.models[w.name]
	if !p.lendable(m) {
		return false, nil
	}
	first := slices.IndexFunc(p.waiting, func(w *waiter[M]) bool { return p.models[w.name] == nil })
	if first >= 0 && p.impatient(p.waiting[first], m) {
		return false, nil
	}
	p.counts.Shared++
	w.grant(p.lend(m))
	return true, nil
}

// impatient reports whether one who waits for memory has done so for too long to let
// others share a model, which had its time.
func (p *Pool[M]) impatient(w *waiter[M], m *model[M]) bool {
	return time.Since(w.since) > p.opts.Patience && time.Since(m.loaded) > p.opts.Patience
}

// leave ends the waiting of one whose context has ended, unless it was served meanwhile:
// then the model goes back.
func (p *Pool[M]) leave(ctx context.Context, w *waiter[M]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-w.served:
		if w.err == nil {
			if w.model.users--; w.model.idle() {
				p.rest(w.model)
			}
			w.err = context.Cause(ctx)
		}
		p.advance()
		return
	default:
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(other *waiter[M]) bool { return other == w })
	w.err = context.Cause(ctx)
	if m := p.models[w.name]; m == nil || m.state != loading {
		w.err = &BusyError{w.name, w.need, p.held(), w.err}
	} else if !slices.ContainsFunc(p.waiting, func(other *waiter[M]) bool { return other.name == w.name }) {
		m.cancel() // nobody wants it any more
	}
	p.advance()
}

// held are the models that cannot be closed. The caller holds p.mu.
func (p *Pool[M]) held() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(p.models)) {
		if m := p.models[name]; !m.idle() || p.pinned[name] {
			names = append(names, name)
		}
	}
	return names
}

// fail tells those who wait for a model why they do not get it. The caller holds p.mu.
func (p *Pool[M]) fail(name string, err error) {
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter[M]) bool {
		if w.name == name {
			w.fail(err)
		}
		return w.name == name
	})
}

// advance serves those who wait, in their order, as far as that is possible: with models
// that are ready, and with memory that is free or held by idle models. Nobody takes memory
// from one who came before. The caller holds p.mu.
func (p *Pool[M]) advance() {
	if p.closed {
		return
	}
	var first *waiter[M] // who waits for memory
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter[M]) bool {
		m := p.models[w.name]
		switch {
		case p.lendable(m) && (first == nil || !p.impatient(first, m)):
			w.grant(p.lend(m))
			return true
		case m == nil && first == nil && p.makeRoom(w.need):
			p.load(w.ctx, w.name, w.need)
		case m == nil && first == nil:
			first = w
		}
		return false
	})
}

// makeRoom reports whether there is memory for a need. If not, it begins to close idle
// models, the least recently used first, provided that this will make enough.
func (p *Pool[M]) makeRoom(need Memory) bool {
	missing := p.opts.Budget.short(p.used, need)
	if len(missing) == 0 {
		return true
	}
	later := maps.Clone(p.used) // what will be in use
	var idle []*model[M]
	for _, m := range p.models {
		switch {
		case m.state == closing:
			later.subtract(m.need)
		case m.idle() && !p.pinned[m.name]:
			idle = append(idle, m)
		}
	}
	slices.SortFunc(idle, func(a, b *model[M]) int {
		return cmp.Or(a.lastUsed.Compare(b.lastUsed), cmp.Compare(a.name, b.name))
	})
	var victims []*model[M]
	for _, m := range idle {
		if missing = p.opts.Budget.short(later, need); m.need.on(missing) {
			later.subtract(m.need)
			victims = append(victims, m)
		}
	}
	if len(p.opts.Budget.short(later, need)) == 0 {
		for _, m := range victims {
			p.counts.Evicted++
			p.close(m)
		}
	}
	return false
}
