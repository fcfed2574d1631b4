package cria

import (
	"context"
	"sync"
	"sync/atomic"
)

// Outcome is what became of one of several inputs.
type Outcome[Out any] struct {
	Value Out // the zero value if there is an error
	Err   error
}

// MapOptions are the settings of [Map] and [NewParallel]. Nil and zero fields mean the
// defaults.
type MapOptions struct {
	// Concurrency is how many inputs are worked on at once; 0 is
	// [DefaultConcurrency].
	Concurrency int
	// Progress is told how many inputs are done after each, in increasing order and by
	// one goroutine at a time. It must not panic.
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
// the order of the inputs. An input that fails, or panics (a *[PanicError]), fails alone.
// When ctx ends, those that have not begun fail with its cause. Map returns when no call
// runs any more.
func Map[In, Out any](ctx context.Context, m Module[In, Out], inputs []In, opts *MapOptions) []Outcome[Out] {
	outcomes := make([]Outcome[Out], len(inputs))
	var next atomic.Int64
	var workers sync.WaitGroup
	var mu sync.Mutex // of done and of Progress
	done := 0
	for range min(opts.concurrency(), len(inputs)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(inputs); i = next.Add(1) - 1 {
				outcomes[i] = outcome(ctx, m, inputs[i])
				if opts == nil || opts.Progress == nil {
					continue
				}
				mu.Lock()
				done++
				opts.Progress(done, len(inputs))
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return outcomes
}

func outcome[In, Out any](ctx context.Context, m Module[In, Out], in In) Outcome[Out] {
	if ctx.Err() != nil {
		return Outcome[Out]{Err: outOfTime(ctx, context.Cause(ctx))}
	}
	out, err := safely(ctx, m, in)
	if err != nil {
		return Outcome[Out]{Err: err}
	}
	return Outcome[Out]{Value: out}
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
