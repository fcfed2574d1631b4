package cria

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Module is a program or a part of one: anything that makes an Out from an In. A
// [Predict] is one, and so is a struct of the user's own with a method Call that calls
// others; [Map], [BestOfN] and the like take modules and most are modules themselves. What a
// call carries (model, budget, trace and so on) is in its context, so that a module has
// no settings for it. Modules are safe for concurrent use.
type Module[In, Out any] interface {
	Call(ctx context.Context, in In) (Out, error)
}

// Func is a Go function as a [Module]. Predictors that it uses are not found by
// [NewProgram]: a struct with a method Call shows its own.
type Func[In, Out any] func(ctx context.Context, in In) (Out, error)

// Call calls the function.
func (f Func[In, Out]) Call(ctx context.Context, in In) (Out, error) { return f(ctx, in) }

// PanicError is a panic in a function or a module of the user's that was called by one of
// this package's: the others go on.
type PanicError struct {
	What  string // what panicked, such as "the reward function"
	Value any    // what it panicked with
	Stack []byte // as [debug.Stack] writes it
}

func (e *PanicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.What, e.Value) }

// ErrGoexit is the error of a module, a tool or a language model that ended its goroutine, by
// [runtime.Goexit] or a test's FailNow, where that was one of this package's: the others go
// on. In a goroutine of the caller's nothing holds it up.
var ErrGoexit = errors.New("it ended its goroutine before it had a result, by runtime.Goexit or a test's FailNow")

// recovered turns a panic into an error of the function that defers it.
func recovered(what string, err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{what, v, debug.Stack()}
	}
}

// safely calls a module that must not end the process.
func safely[In, Out any](ctx context.Context, m Module[In, Out], in In) (out Out, err error) {
	defer recovered("the module", &err)
	return m.Call(ctx, in)
}
