package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrClosed is the error of a pool that was closed.
var ErrClosed = errors.New("the pool is closed")

// DefaultPatience is how long who waits for memory lets others go on sharing the models
// that hold it.
const DefaultPatience = time.Second

// Source says what models there are and loads them. It is safe for concurrent use.
type Source[M io.Closer] interface {
	// Need returns what memory a model takes, before it is loaded. The room that the pool
	// has may say where it goes.
	Need(ctx context.Context, name string, room Room) (Memory, error)

	// Load loads a model in the memory that it was admitted for, as Need said. If it fails, or ctx ends, it leaves nothing behind; a panic is a
	// failure. A model that may stop serving by itself says so by a method Err() error, which
	// is not to wait: it is then lent to nobody, closed when its leases have ended, and loaded
	// anew when it is asked for. If the Close of a model fails or panics, its memory counts as
	// free all the same.
	Load(ctx context.Context, name string, need Memory) (M, error)
}

// ContextSource is a [Source] some of whose models are contexts of others: they use the
// weights of those, which are in memory once. What [Source.Need] says of a context is what
// it takes beside its model. A context whose model serves nobody any more (see [Source.Load])
// is not lent either, and is closed before it; one that stops serving by itself leaves its
// model alone.
type ContextSource[M io.Closer] interface {
	Source[M]

	// ContextOf returns the model that name is a context of, and false if it has weights
	// of its own. It says the same at all times. A context's model is not one itself.
	ContextOf(name string) (model string, ok bool)

	// NewContext is Load for a context, whose model is there until the context has been
	// closed.
	NewContext(ctx context.Context, name string, model M) (M, error)
}

// Options are the settings of a [Pool]. Nil and zero fields mean the defaults.
type Options struct {
	// Budget is the most that all models may take together, by their needs. Devices
	// that it does not name have no limit.
	Budget Memory

	// IdleTimeout is after how long a model that nobody uses is closed; 0: never.
	IdleTimeout time.Duration

	// Patience is how long who waits for memory lets others go on sharing the models
	// that hold it: after that they wait behind, so that those models become idle. A
	// model that was loaded is shared for as long in any case: where more models are
	// asked for than there is room for, they take turns. Models whose closing would not
	// help, and those that a pin keeps, are shared at all times. 0 is [DefaultPatience].
	Patience time.Duration
}

// Pool shares models. It is safe for concurrent use. At every moment:
//
//   - The needs of the models that are loading, ready or being closed are together no more
//     than the budget, each counted once.
//   - A context is a user of its model from before it is made until it has been closed. So
//     its model is in memory, is not idle, and goes after it.
//   - Who waits for memory holds none: a context and a model that is not there are admitted
//     together, for the sum of their needs, or both wait. So nobody waits for one who waits,
//     and what is admitted waits for loads only.
//   - Nobody takes memory of a device from one who waits longer for memory of that device:
//     what is loaded leaves free, or to be freed, what all need who asked before.
type Pool[M io.Closer] struct {
	source   Source[M]
	contexts ContextSource[M] // the source, if it has contexts; else nil
	opts     Options

	mu      sync.Mutex
	models  map[string]*model[M] // that hold memory
	used    Memory
	pinned  map[string]bool
	waiting []*waiter[M] // in the order in which they asked
	closed  bool
	counts  Counts
	emptied chan struct{} // closed when a closed pool has no models left
}

// New makes a pool. opts may be nil. A source that is a [ContextSource] has its contexts
// loaded as such.
func New[M io.Closer](source Source[M], opts *Options) *Pool[M] {
	p := &Pool[M]{source: source, models: map[string]*model[M]{}, used: Memory{}, pinned: map[string]bool{}, emptied: make(chan struct{})}
	p.contexts, _ = source.(ContextSource[M])
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.Patience <= 0 {
		p.opts.Patience = DefaultPatience
	}
	p.opts.Budget = maps.Clone(p.opts.Budget)
	return p
}

// Get returns a lease of a model, which is loaded if it is not yet, in the place of idle
// ones if need be. If there is no room it waits until ctx ends. Errors are a
// [*TooLargeError], a [*BusyError], a [*LoadError], [ErrClosed] or, while it is loaded, the
// context's cause. Who holds a lease of a model and asks for the same again may wait for
// itself: see [Pool.Use].
func (p *Pool[M]) Get(ctx context.Context, name string) (*Lease[M], error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	w, err := p.ask(ctx, name)
	if err != nil {
		return nil, err
	}
	select {
	case <-w.served:
	case <-ctx.Done():
		p.leave(ctx, w)
	}
	if w.err != nil {
		return nil, w.err
	}
	return &Lease[M]{pool: p, model: w.model}, nil
}

// Use calls f with a model, and with a context in which Use of the same model takes the
// same lease.
func (p *Pool[M]) Use(ctx context.Context, name string, f func(context.Context, M) error) error {
	key := useKey[M]{p, name}
	if m, ok := ctx.Value(key).(M); ok {
		return f(ctx, m)
	}
	lease, err := p.Get(ctx, name)
	if err != nil {
		return err
	}
	defer lease.Release()
	return f(context.WithValue(ctx, key, lease.Model()), lease.Model())
}

type useKey[M io.Closer] struct {
	pool *Pool[M]
	name string
}

// Preload loads models one after the other. One that does not fit beside those before it
// is a [*TooLargeError]; the errors of all are joined.
func (p *Pool[M]) Preload(ctx context.Context, names ...string) error {
	var errs []error
	all := kept{models: map[string]bool{}, need: Memory{}}
	for _, name := range names {
		lease, err := p.preload(ctx, name, &all)
		errs = append(errs, err)
		if err == nil {
			defer lease.Release() // so that none is closed for the next one
		}
	}
	return errors.Join(errs...)
}

// kept are models that are to be in memory together, and what they need.
type kept struct {
	models map[string]bool
	need   Memory
}

// preload loads a model beside some that are kept, and adds it to them.
func (p *Pool[M]) preload(ctx context.Context, name string, all *kept) (*Lease[M], error) {
	need, err := p.needs(ctx, name)
	if err != nil {
		return nil, err
	}
	more := Memory{}
	if !all.models[name] {
		more.add(need.own)
	}
	if need.context && !all.models[need.model] {
		more.add(need.models)
	}
	if len(p.opts.Budget.short(all.need, more)) > 0 {
		more.add(all.need)
		return nil, &TooLargeError{name, slices.Sorted(maps.Keys(all.models)), more, p.opts.Budget}
	}
	lease, err := p.Get(ctx, name)
	if err == nil {
		all.need.add(more)
		all.models[name] = true
		if need.context {
			all.models[need.model] = true
		}
	}
	return lease, err
}

// Pin keeps a model from being closed once it is loaded; it does not load it.
func (p *Pool[M]) Pin(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pinned[name] = true
	if m := p.models[name]; m != nil {
		m.leaving = false
	}
	p.advance() // it is kept back from nobody any more
}

// Unpin takes a pin away.
func (p *Pool[M]) Unpin(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pinned, name)
	if m := p.models[name]; m != nil && m.idle() {
		p.rest(m, time.Now())
	}
	p.advance()
}

// Evict closes the models that nobody uses and that are not pinned.
func (p *Pool[M]) Evict() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range slices.Collect(maps.Values(p.models)) {
		if p.spare(m) {
			p.evict(m)
		}
	}
}

// Close closes the pool: who waits gets [ErrClosed], loads are given up and models are
// closed when their leases end. It waits for that until ctx ends; the error then says who
// is still in use. It may be called more than once.
func (p *Pool[M]) Close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		for _, w := range p.waiting {
			w.fail(ErrClosed)
		}
		p.waiting = nil
		for _, m := range p.models {
			switch {
			case m.state == loading:
				m.giveUp()
			case m.idle():
				p.close(m)
			}
		}
		p.checkEmptied()
	}
	p.mu.Unlock()
	select {
	case <-p.emptied:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		return fmt.Errorf("closing the pool: %s not closed yet: %w", strings.Join(slices.Sorted(maps.Keys(p.models)), ", "), context.Cause(ctx))
	}
}

// checkEmptied says that a closed pool has no models left. The caller holds p.mu.
func (p *Pool[M]) checkEmptied() {
	if p.closed && len(p.models) == 0 {
		select {
		case <-p.emptied:
		default:
			close(p.emptied)
		}
	}
}
