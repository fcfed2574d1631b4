package cria

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Trace keeps what the calls of a context did, in the order in which they ended. It grows
// with each call, for as long as somebody holds it. It is safe for concurrent use.
type Trace struct {
	outer *Trace
	mu    sync.Mutex
	steps []Step
}

// Step is one call of a predictor.
type Step struct {
	Predictor  *Predictor // as declared, without what the context changed of it
	Name       string     // in the context's [Program]; empty if there is none
	Inputs     Example
	Prediction *Prediction // nil if the call failed
	Err        error
	Request    *Request // what was asked first; nil if the call failed before
	Usage      Usage    // of all its requests; of one that failed or was stopped, the tokens that came
	Begun      time.Time
	Took       time.Duration
}

type traceKey struct{}

// WithTrace returns a context that keeps a trace of its calls. Traces nest: the outer one
// keeps what the inner one does.
func WithTrace(ctx context.Context) (context.Context, *Trace) {
	t := &Trace{outer: traceOf(ctx)}
	return context.WithValue(ctx, traceKey{}, t), t
}

func traceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

// Steps returns the calls that have ended.
func (t *Trace) Steps() []Step {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.steps)
}

// Usage is what all calls used together, those that failed too.
func (t *Trace) Usage() (sum Usage) {
	sum.Cached = true
	counted := false
	for _, s := range t.Steps() {
		if s.Usage != (Usage{}) {
			sum, counted = sum.Add(s.Usage), true
		}
	}
	sum.Cached = sum.Cached && counted
	return sum
}

func (t *Trace) add(s Step) {
	for ; t != nil; t = t.outer {
		t.mu.Lock()
		t.steps = append(t.steps, s)
		t.mu.Unlock()
	}
}
