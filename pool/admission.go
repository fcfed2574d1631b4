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

// isContextOf reports whether a context of m is waited for.
func (w *waiter[M]) isContextOf(m *model[M]) bool {
	return w.need.context && w.need.model == m.name
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
		return nil, &TooLargeError{Name: name, Need: all, Budget: p.opts.Budget}
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
	if p.ahead(w).bars(m) != nil {
		return false, nil
	}
	p.counts.Shared++
	w.grant(p.lend(m))
	return true, nil
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
	w.err = context.Cause(ctx)
	m := p.models[w.name]
	if m == nil || m.state != loading {
		w.err = p.busy(w, w.err)
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(other *waiter[M]) bool { return other == w })
	if m != nil && m.state == loading {
		p.giveUpUnwanted(m)
	}
	p.advance()
}

// loads is what is to be loaded for a waiter, with its needs: a context whose model serves
// nobody any more waits for another one. The caller holds p.mu.
func (p *Pool[M]) loads(w *waiter[M]) map[string]Memory {
	loads := map[string]Memory{w.name: w.need.own}
	if w.need.context {
		if of := p.models[w.need.model]; of == nil || of.ending() || of.failed() {
			loads[w.need.model] = w.need.models
		}
	}
	return loads
}

// missing is the need of all that is to be loaded for a waiter. The caller holds p.mu.
func (p *Pool[M]) missing(w *waiter[M]) Memory {
	sum := Memory{}
	for _, need := range p.loads(w) {
		sum.add(need)
	}
	return sum
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
// that are ready, and with memory that is free or held by idle models. Who came later takes
// only what is left when all before have what they need. The caller holds p.mu.
func (p *Pool[M]) advance() {
	if p.closed {
		return
	}
	before := p.newLine()
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter[M]) bool {
		m := p.models[w.name]
		switch {
		case p.lendable(m) && before.bars(m) == nil:
			w.grant(p.lend(m))
			return true
		case m == nil && !p.begin(w, before):
			before.join(w)
		}
		return false
	})
}

// begin loads what a waiter asks for, and reports whether there is memory for that beside
// what those before need. A context and its model are begun together or not at all, so that
// none who waits holds memory. The caller holds p.mu.
func (p *Pool[M]) begin(w *waiter[M], before *line[M]) bool {
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
	case !p.makeRoom(w, before):
		return false
	case w.need.context && of == nil:
		of = p.load(w.ctx, w.need.model, w.need.models, nil)
		delete(before.claims, of.name) // which is in use now
	}
	p.load(w.ctx, w.name, w.need.own, of)
	delete(before.claims, w.name)
	return true
}

// makeRoom reports whether there is memory for what a waiter asks for beside what those
// before need. If not, it begins to close idle models, the least recently used first,
// provided that this will make enough, but none that one of them waits for a context of. The
// caller holds p.mu.
func (p *Pool[M]) makeRoom(w *waiter[M], before *line[M]) bool {
	need, others := p.missing(w), before.besides(w)
	now := maps.Clone(p.used)
	now.add(others)
	if len(p.opts.Budget.short(now, need)) == 0 {
		return true
	}
	later := p.later(others)
	var idle []*model[M]
	for _, m := range p.models {
		if p.spare(m) && !w.isContextOf(m) && !before.models[m.name] {
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
