package pool

import (
	"io"
	"maps"
	"slices"
	"time"
)

// line is those who wait for memory, in the order in which they asked, and what is to be
// left to them. It holds while the pool's lock is held in which it was made.
type line[M io.Closer] struct {
	pool    *Pool[M]
	waiters []inLine[M]
	claims  map[string]Memory // the needs of what is to be loaded for them
	models  map[string]bool   // of which they wait for contexts
}

// inLine is one who waits, and what is missing of the budget for that one when all that is
// being closed is closed.
type inLine[M io.Closer] struct {
	*waiter[M]
	short Memory
}

func (p *Pool[M]) newLine() *line[M] {
	return &line[M]{p, nil, map[string]Memory{}, map[string]bool{}}
}

// ahead is the line before a waiter, all of it for one who is not in it. The caller holds
// p.mu.
func (p *Pool[M]) ahead(w *waiter[M]) *line[M] {
	l := p.newLine()
	for _, other := range p.waiting {
		if other == w {
			break
		}
		if p.models[other.name] == nil {
			l.join(other)
		}
	}
	return l
}

// join adds a waiter, unless what it asks for is to be loaded for another one anyway.
func (l *line[M]) join(w *waiter[M]) {
	if l.claims[w.name] != nil {
		return
	}
	p := l.pool
	l.waiters = append(l.waiters, inLine[M]{w, p.opts.Budget.short(p.later(l.besides(w)), p.missing(w))})
	maps.Copy(l.claims, p.loads(w))
	if w.need.context {
		l.models[w.need.model] = true
	}
}

// besides is what those in the line need besides what is to be loaded for a waiter too.
func (l *line[M]) besides(w *waiter[M]) Memory {
	sum, loads := Memory{}, l.pool.loads(w)
	for name, need := range l.claims {
		if loads[name] == nil {
			sum.add(need)
		}
	}
	return sum
}

// bars returns those who have waited for too long to let others share a model that had its
// time, and whom closing it would help.
func (l *line[M]) bars(m *model[M]) (names []string) {
	p := l.pool
	if time.Since(m.loaded) <= p.opts.Patience {
		return nil
	}
	for _, w := range l.waiters {
		if time.Since(w.since) > p.opts.Patience && p.gives(m, w) && p.possible(w.waiter) {
			names = append(names, w.name)
		}
	}
	return names
}

// gives reports whether one who waits would get some of what is short if a model were
// closed, or that which it is a context of. The caller holds p.mu.
func (p *Pool[M]) gives(m *model[M], w inLine[M]) bool {
	if p.kept(m) || w.isContextOf(m) {
		return false
	}
	return m.need.on(w.short) || m.of != nil && p.gives(m.of, w)
}

// possible reports whether there would be room for one who waits if all were closed that is
// not kept. The caller holds p.mu.
func (p *Pool[M]) possible(w *waiter[M]) bool {
	stays := Memory{}
	for _, m := range p.models {
		if !m.ending() && !m.failed() && (p.kept(m) || w.isContextOf(m)) {
			stays.add(m.need)
		}
	}
	return len(p.opts.Budget.short(stays, p.missing(w))) == 0
}

// kept reports whether a model, or a context of it, is pinned. The caller holds p.mu.
func (p *Pool[M]) kept(m *model[M]) bool {
	return p.pinned[m.name] || slices.ContainsFunc(p.contextsOf(m), func(c *model[M]) bool {
		return p.pinned[c.name] && !c.ending()
	})
}

// later is what will be in use, with some more, when all that is being closed is closed. The
// caller holds p.mu.
func (p *Pool[M]) later(more Memory) Memory {
	later := maps.Clone(p.used)
	later.add(more)
	for _, m := range p.models {
		if m.state == closing {
			later.subtract(m.need)
		}
	}
	return later
}
