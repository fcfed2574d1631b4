package pool

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// waiter is somebody who asks for a model.
type waiter[M io.Closer] struct {
	ctx    context.Context // its values are for the load that it causes
	name   string
	need   need
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

// need is the memory that a model takes, and if it is a context, that of its model.
type need struct {
	own     Memory
	context bool
	model   string // of which it is a context
	models  Memory // the need of that model
}

// all is what a model takes together with the one that it is a context of.
func (n need) all() Memory {
	all := maps.Clone(n.own)
	if n.context {
		all.add(n.models)
	}
	return all
}

// needs says what a model takes; the files of one that is not in memory may have changed
// since it was.
func (p *Pool[M]) needs(ctx context.Context, name string) (n need, err error) {
	if p.contexts != nil {
		n.model, n.context = p.contexts.ContextOf(name)
	}
	if n.context {
		if other, ok := p.contexts.ContextOf(n.model); ok {
			return n, &LoadError{name, fmt.Errorf("it is a context of %s, which is one of %s: name that instead", n.model, other)}
		}
		if n.models, err = p.needOf(ctx, n.model); err != nil {
			return n, err
		}
	}
	n.own, err = p.needOf(ctx, name)
	return n, err
}

// needOf is what a model takes: that of one in memory is known.
func (p *Pool[M]) needOf(ctx context.Context, name string) (Memory, error) {
	p.mu.Lock()
	m := p.models[name]
	here := m != nil && !m.ending() && !m.failed()
	room := Room{maps.Clone(p.opts.Budget), maps.Clone(p.used)}
	p.mu.Unlock()
	if here {
		return m.need, nil
	}
	need, err := p.source.Need(ctx, name, room)
	if err != nil {
		return nil, &LoadError{name, err}
	}
	need = maps.Clone(need)
	if need == nil {
		need = Memory{}
	}
	return need, nil
}

// ask makes a waiter, who may be served already.
func (p *Pool[M]) ask(ctx context.Context, name string) (*waiter[M], error) {
	w := &waiter[M]{ctx: ctx, name: name, since: time.Now(), served: make(chan struct{})}
	if served, err := p.hit(w); served || err != nil {
		return w, err
	}
	var err error
	if w.need, err = p.needs(ctx, name); err != nil {
		return nil, err
	}
	if all := w.need.all(); len(p.opts.Budget.short(nil, all)) > 0 {
		return nil, &TooLargeError{name, all, p.opts.Budget}
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
// others share a model, which had its time, and which is not the one that a context is
// waited for of.
func (p *Pool[M]) impatient(w *waiter[M], m *model[M]) bool {
	if w.need.context && w.need.model == m.name {
		return false
	}
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
			p.release(w.model, time.Now())
			w.err = context.Cause(ctx)
		}
		p.advance()
		return
	default:
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(other *waiter[M]) bool { return other == w })
	w.err = context.Cause(ctx)
	if m := p.models[w.name]; m == nil || m.state != loading {
		w.err = &BusyError{w.name, p.missing(w), p.held(), w.err}
	} else {
		p.giveUpUnwanted(m)
	}
	p.advance()
}

// missing is the need of what a waiter asks for and is not in memory. The caller holds
// p.mu.
func (p *Pool[M]) missing(w *waiter[M]) Memory {
	if w.need.context && p.models[w.need.model] == nil {
		return w.need.all()
	}
	return w.need.own
}

// held are the models that cannot be closed. The caller holds p.mu.
func (p *Pool[M]) held() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(p.models)) {
		if !p.spare(p.models[name]) {
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
		case m == nil && first == nil && !p.begin(w):
			first = w
		}
		return false
	})
}

// begin loads what a waiter asks for, and reports whether there is memory for that. A
// context and its model are begun together or not at all, so that none who waits holds
// memory. The caller holds p.mu.
func (p *Pool[M]) begin(w *waiter[M]) bool {
	var of *model[M]
	if w.need.context {
		of = p.models[w.need.model]
	}
	switch {
	case of != nil && of.ending(): // it is loaded anew when it is gone
		return false
	case of != nil && of.failed():
		p.discard(of)
		return false
	case !p.makeRoom(p.missing(w), of):
		return false
	case w.need.context && of == nil:
		of = p.load(w.ctx, w.need.model, w.need.models, nil)
	}
	p.load(w.ctx, w.name, w.need.own, of)
	return true
}

// makeRoom reports whether there is memory for a need. If not, it begins to close idle
// models but one, the least recently used first, provided that this will make enough. The
// caller holds p.mu.
func (p *Pool[M]) makeRoom(need Memory, but *model[M]) bool {
	if len(p.opts.Budget.short(p.used, need)) == 0 {
		return true
	}
	later := maps.Clone(p.used) // what will be in use
	var idle []*model[M]
	for _, m := range p.models {
		switch {
		case m.state == closing:
			later.subtract(m.need)
		case m != but && p.spare(m):
			idle = append(idle, m)
		}
	}
	var victims []*model[M]
	for _, m := range p.byUse(idle) {
		if m.need.on(p.opts.Budget.short(later, need)) {
			victims = append(victims, m)
			later.subtract(m.need)
		}
	}
	if len(p.opts.Budget.short(later, need)) == 0 {
		for _, m := range victims {
			p.evict(m)
		}
	}
	return false
}

// byUse sorts models by when they, or contexts of them, were last used. The caller holds
// p.mu.
func (p *Pool[M]) byUse(models []*model[M]) []*model[M] {
	used := map[*model[M]]time.Time{}
	for _, m := range models {
		used[m] = m.lastUsed
		for _, c := range p.contextsOf(m) {
			if c.lastUsed.After(used[m]) {
				used[m] = c.lastUsed
			}
		}
	}
	order := func(m *model[M]) int { // which go before their model
		if m.of != nil {
			return 0
		}
		return 1
	}
	slices.SortFunc(models, func(a, b *model[M]) int {
		return cmp.Or(used[a].Compare(used[b]), cmp.Compare(order(a), order(b)), cmp.Compare(a.name, b.name))
	})
	return models
}
