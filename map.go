package cria

import (
	"context"
	"sync"
	"sync/atomic"
)

// Outcome is what became of one of several inputs.
type Outcome[Out any] struct {
	Value Out // the zero value if there is an error of the module
	Err   error
}

// MapOptions are the settings of [Map] and [NewParallel]. Nil and zero fields mean the
// defaults.
type MapOptions struct {
	// Concurrency is how many inputs are worked on at once; 0 is
	// [DefaultConcurrency].
	Concurrency int
	// Progress is told how many inputs are done after each, in increasing order and by
	// one goroutine at a time. If it panics, the outcome of the input that was done has a
	// *[PanicError] besides its value, and it is told of the next all the same.
	Progress func(done, total int)
}

// DefaultConcurrency is how many inputs are worked on at once unless something else is
// said: as many as package engine computes in one batch by default.
const DefaultConcurrency = 8

func (o *MapOptions) concurrency() int {
	if o == nil || o.Concurrency <= 0 {
		return DefaultConcurrency
	}
	return o.Concurrency
}

// Map calls a module for each input, several at once, and returns as many outcomes in
// the order of the inputs. An input that fails, or panics (a *[PanicError]), or ends its
// goroutine ([ErrGoexit]), fails alone. When ctx ends, those that have not begun fail with
// its cause. Map returns when no call runs any more.
func Map[In, Out any](ctx context.Context, m Module[In, Out], inputs []In, opts *MapOptions) []Outcome[Out] {
	outcomes := make([]Outcome[Out], len(inputs))
	progress := &progress{total: len(inputs)}
	if opts != nil {
		progress.tell = opts.Progress
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	var work func()
	work = func() {
		returns := false
		defer func() {
			if !returns { // what it called has ended it: another one takes its place
				workers.Go(work)
			}
		}()
		for i := next.Add(1) - 1; int(i) < len(inputs); i = next.Add(1) - 1 {
			become(ctx, &outcomes[i], m, inputs[i], progress)
		}
		returns = true
	}
	for range min(opts.concurrency(), len(inputs)) {
		workers.Go(work)
	}
	workers.Wait()
	return outcomes
}

// become is what becomes of an input; progress is told.
func become[In, Out any](ctx context.Context, o *Outcome[Out], m Module[In, Out], in In, progress *progress) {
	defer func() {
		if err := progress.add(); o.Err == nil {
			o.Err = err
		}
	}()
	if ctx.Err() != nil {
		o.Err = outOfTime(ctx, context.Cause(ctx))
		return
	}
	o.Err = ErrGoexit // unless the module returns
	out, err := safely(ctx, m, in)
	if o.Err = err; err == nil {
		o.Value = out
	}
}

// progress counts the inputs that are done.
type progress struct {
	tell  func(done, total int) // may be nil
	total int
	mu    sync.Mutex
	done  int
}

func (p *progress) add() (err error) {
	if p.tell == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	defer recovered("the progress function", &err)
	p.tell(p.done, p.total)
	return nil
}

// Parallel is [Map] as a module.
type Parallel[In, Out any] struct {
	Module Module[In, Out]
	opts   *MapOptions
}

// NewParallel makes a module that calls another one for each of its inputs. opts may be
// nil.
func NewParallel[In, Out any](m Module[In, Out], opts *MapOptions) *Parallel[In, Out] {
	return &Parallel[In, Out]{m, opts}
}

// Call implements [Module]. It has no error of its own: the outcomes have theirs.
func (p *Parallel[In, Out]) Call(ctx context.Context, inputs []In) ([]Outcome[Out], error) {
	return Map(ctx, p.Module, inputs, p.opts), nil
}
