package cria

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrNoLM is returned by a call for which no language model is set.
var ErrNoLM = errors.New("no language model: pass one with cria.With(ctx, cria.Scope{LM: lm}) or set one with cria.Configure")

// ErrStopped is how a call ended, for traces and events, whose reader broke out of its
// stream. It is a [context.Canceled] too.
var ErrStopped = fmt.Errorf("the reader of the stream left: %w", context.Canceled)

// SyntaxError reports where a string signature is malformed.
type SyntaxError struct {
	Signature string
	Offset    int // in bytes
	Msg       string
}

func (e *SyntaxError) Error() string {
	rest := e.Signature[e.Offset:]
	where := "at the end"
	if rest != "" {
		if runes := []rune(rest); len(runes) > 20 {
			rest = string(runes[:20]) + "..."
		}
		where = fmt.Sprintf("at character %d, %q", len([]rune(e.Signature[:e.Offset]))+1, rest)
	}
	return fmt.Sprintf("signature %q: %s: %s", e.Signature, where, e.Msg)
}

// InputError reports all inputs of a call that do not fit its signature.
type InputError struct {
	Errs []error // one for each missing, unknown or malformed input
}

func (e *InputError) Error() string { return "inputs do not fit the signature: " + joinErrors(e.Errs) }

// Unwrap returns the single errors.
func (e *InputError) Unwrap() []error { return e.Errs }

// ErrMissing is the cause of a [FieldError] for a field that a reply does not
// have.
var ErrMissing = errors.New("missing")

// ErrTruncated is the cause of a [FieldError] for a value that was cut off at the
// reply's token limit.
var ErrTruncated = errors.New("cut off")

// FieldError says why one output field could not be read from a reply.
type FieldError struct {
	Field string
	Text  string // what the reply had for the field; empty if nothing
	Err   error
}

func (e *FieldError) Error() string { return fmt.Sprintf("field %q: %v", e.Field, e.Err) }

// Unwrap returns the cause.
func (e *FieldError) Unwrap() error { return e.Err }

// ParseError reports every output field that could not be read from a reply,
// with what could be.
type ParseError struct {
	Fields    []*FieldError // in the signature's order
	Partial   Example       // the fields that could be read
	Raw       string        // the assistant's whole turn
	Truncated bool          // the reply was cut off at its token limit
	Usage     Usage         // what the call has cost, earlier requests included; zero if the error is of [Adapter.Parse] itself
}

func (e *ParseError) Error() string {
	errs := make([]error, len(e.Fields))
	for i, f := range e.Fields {
		errs[i] = f
	}
	msg := "parsing the reply: " + joinErrors(errs)
	if e.Truncated {
		msg += " (the reply was cut off: raise the limit on its tokens)"
	}
	return fmt.Sprintf("%s; the reply was %s", msg, abbreviate(e.Raw, 200))
}

// Unwrap returns the errors of the fields.
func (e *ParseError) Unwrap() []error {
	errs := make([]error, len(e.Fields))
	for i, f := range e.Fields {
		errs[i] = f
	}
	return errs
}

func joinErrors(errs []error) string {
	parts := make([]string, len(errs))
	for i, err := range errs {
		parts[i] = err.Error()
	}
	return strings.Join(parts, "; ")
}

// abbreviate quotes s on one line, cut to about limit characters.
func abbreviate(s string, limit int) string {
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit]) + "..."
	}
	return fmt.Sprintf("%q", s)
}
