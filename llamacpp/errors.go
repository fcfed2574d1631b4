package llamacpp

import (
	"context"
	"errors"
	"fmt"

	"github.com/cria-lm/cria/engine"
)

// The kinds of error that a model or an adapter returns, for use with errors.Is.
// Cancelled calls return the context's own error instead.
//
// What to do about each, by the specification's "Error Recovery Strategy":
// [ErrInference] is retried with exponential backoff by an [Adapter]; the others
// are returned at once, because the same request would fail again.
var (
	ErrInference        = errors.New("inference failed")
	ErrTokenization     = errors.New("tokenization failed")
	ErrContextTooLong   = errors.New("the context is too long")      // see [ContextTooLongError]
	ErrTokenBudget      = errors.New("the token budget is used up")  // see [TokenBudgetError]
	ErrRateLimit        = errors.New("the rate limit is exceeded")   // the context ends before the next request may start
	ErrModelNotLoaded   = errors.New("the model is not loaded")      // not found, not fetched, not readable, or closed
	ErrBackend          = errors.New("the llama.cpp backend failed") // libraries missing, of another release, or refused
	ErrConfig           = errors.New("the configuration is invalid")
	ErrInvalidParameter = errors.New("a parameter is invalid")
	ErrOther            = errors.New("llamacpp failed") // none of the above; the cause is wrapped
)

// kindError gives a cause one of the kinds above.
type kindError struct {
	kind, cause error
}

func (e *kindError) Error() string {
	if e.kind == ErrOther {
		return e.cause.Error()
	}
	return e.kind.Error() + ": " + e.cause.Error()
}

func (e *kindError) Unwrap() []error { return []error{e.kind, e.cause} }

func wrap(kind, cause error) error { return &kindError{kind, cause} }

// ContextTooLongError is an [ErrContextTooLong] with its figures, in tokens.
type ContextTooLongError struct {
	Length int // of the prompt
	Limit  int // for the prompt and at least one generated token
}

func (e *ContextTooLongError) Error() string {
	return fmt.Sprintf("%v: the prompt has %d tokens, which leaves no room in a context of %d; shorten it by at least %d, or load the model with a longer context",
		ErrContextTooLong, e.Length, e.Limit, e.Length+1-e.Limit)
}

// Is makes the error an [ErrContextTooLong].
func (e *ContextTooLongError) Is(target error) bool { return target == ErrContextTooLong }

// TokenBudgetError is an [ErrTokenBudget] with its figures, in tokens.
type TokenBudgetError struct {
	Used  int // what the request would have brought the total to, without generating
	Limit int
}

func (e *TokenBudgetError) Error() string {
	return fmt.Sprintf("%v: %d of %d tokens", ErrTokenBudget, e.Used, e.Limit)
}

// Is makes the error an [ErrTokenBudget].
func (e *TokenBudgetError) Is(target error) bool { return target == ErrTokenBudget }

// classify gives an engine's error its kind. An error that has one, and that of
// a cancelled context, stay as they are.
func classify(err error) error {
	var tooLong *engine.ContextTooLongError
	var decode *engine.DecodeError
	var invalid *engine.RequestError
	var matcher *engine.MatcherError
	var known *kindError
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &tooLong):
		return &ContextTooLongError{Length: tooLong.Length, Limit: tooLong.Limit}
	case errors.As(err, &decode), errors.Is(err, engine.ErrOverloaded):
		return wrap(ErrInference, err)
	case errors.As(err, &invalid):
		return wrap(ErrInvalidParameter, err)
	case errors.As(err, &matcher):
		return wrap(ErrTokenization, err)
	case errors.Is(err, engine.ErrClosed):
		return wrap(ErrModelNotLoaded, err)
	default:
		return wrap(ErrOther, err)
	}
}

// retryable reports whether the same request can succeed when it is sent again.
func retryable(err error) bool { return errors.Is(err, ErrInference) }
