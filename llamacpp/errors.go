package llamacpp

import (
	"context"
	"errors"
	"fmt"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/hub"
)

// The kinds of error that a model or an adapter returns, for use with errors.Is.
// Cancelled calls return the context's own error instead.
//
// What is done about each, by the specification's "Error Recovery Strategy": an
// [Adapter] retries an [ErrInference] with exponential backoff where the cause
// can pass (no room in the cache, too many requests); an [ErrBackend] is logged
// and returned; the others are returned, because the same request would fail
// again.
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
	ErrOther            = errors.New("llamacpp failed") // none of the above, such as a cache directory that cannot be written
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

// wrapFetch is wrap for what the hub could not get: that the disk is full says
// nothing about the model or the libraries.
func wrapFetch(kind, cause error) error {
	if disk := (*hub.DiskError)(nil); errors.As(cause, &disk) {
		kind = ErrOther
	}
	return wrap(kind, cause)
}

// ContextTooLongError is an [ErrContextTooLong] with its figures, in tokens.
type ContextTooLongError struct {
	Length  int  // of the prompt
	AtLeast bool // Length is a lower bound: the prompt is so long that it was not tokenized
	Limit   int  // for the prompt and at least one generated token
}

func (e *ContextTooLongError) Error() string {
	least := ""
	if e.AtLeast {
		least = "at least "
	}
	return fmt.Sprintf("%v: the prompt has %s%d tokens, which leaves no room in a context of %d; shorten it by at least %d, or load the model with a longer context",
		ErrContextTooLong, least, e.Length, e.Limit, e.Length+1-e.Limit)
}

// Is makes the error an [ErrContextTooLong].
func (e *ContextTooLongError) Is(target error) bool { return target == ErrContextTooLong }

// TokenBudgetError is an [ErrTokenBudget] with its figures, in tokens.
type TokenBudgetError struct {
	Used   int // by earlier requests
	Prompt int // of this request, which leaves no room for a reply
	Limit  int
}

func (e *TokenBudgetError) Error() string {
	return fmt.Sprintf("%v: %d of %d tokens are used, and the prompt has %d", ErrTokenBudget, e.Used, e.Limit, e.Prompt)
}

// Is makes the error an [ErrTokenBudget].
func (e *TokenBudgetError) Is(target error) bool { return target == ErrTokenBudget }

// classify gives an engine's error its kind. An error that has one, and that of
// a cancelled context, stay as they are.
func classify(err error) error {
	var tooLong *engine.ContextTooLongError
	var decode *engine.DecodeError
	var invalid *engine.RequestError
	var option *engine.OptionError
	var matcher *engine.MatcherError
	var known *kindError
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &tooLong):
		return &ContextTooLongError{Length: tooLong.Length, Limit: tooLong.Limit}
	case errors.As(err, &decode) && !passing(decode):
		return wrap(ErrBackend, err)
	case errors.As(err, &invalid):
		return wrap(ErrInvalidParameter, err)
	case errors.As(err, &option):
		return wrap(ErrConfig, err)
	case errors.As(err, &matcher):
		return wrap(ErrTokenization, err)
	case errors.Is(err, engine.ErrClosed):
		return wrap(ErrModelNotLoaded, err)
	default: // overloaded, no room in the cache, NaN logits
		return wrap(ErrInference, err)
	}
}

// passing reports whether decoding failed for a reason that can pass: no room in
// the KV cache (1) or an abort (2). Other codes mean an invalid batch or a
// backend that failed.
func passing(err *engine.DecodeError) bool { return err.Code == 1 || err.Code == 2 }

// retryable reports whether the same request can succeed when it is sent again.
func retryable(err error) bool {
	var decode *engine.DecodeError
	return errors.Is(err, engine.ErrOverloaded) || errors.As(err, &decode) && passing(decode)
}
