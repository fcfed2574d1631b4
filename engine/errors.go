package engine

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is returned for requests that [Engine.Close] ended or that came
	// after it. The error of an engine that has ended by itself is one too: see
	// [Engine.Err].
	ErrClosed = errors.New("engine: closed")

	// ErrOverloaded is returned at once when the queue is full. The same request
	// may succeed later.
	ErrOverloaded = errors.New("engine: overloaded: too many requests are waiting")
)

// RequestError says which part of a request is unusable. The same request would
// fail again.
type RequestError struct {
	Field  string // "Prompt", "Sampling.TopP"
	Reason string // "1.5 is not in 0 to 1"
}

func (e *RequestError) Error() string {
	return fmt.Sprintf("engine: invalid request: %s: %s", e.Field, e.Reason)
}

// OptionError says which field of [Options] is unusable.
type OptionError struct {
	Field  string // "Threads"
	Reason string // "1000 is not in 0 to 512"
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("engine: option %s: %s", e.Field, e.Reason)
}

// ContextTooLongError says that a prompt leaves no room in the context for a
// token to be generated.
type ContextTooLongError struct {
	Length int // of the prompt, in tokens
	Limit  int // of prompt and output together: [Engine.ContextLength]
}

func (e *ContextTooLongError) Error() string {
	return fmt.Sprintf("engine: the prompt has %d tokens and at least one is to follow, the context holds %d: %d too many",
		e.Length, e.Limit, e.Length+1-e.Limit)
}

// MatcherError says that a request's [Matcher] could not go on.
type MatcherError struct{ Err error }

func (e *MatcherError) Error() string { return "engine: steering the output: " + e.Err.Error() }

// Unwrap returns the matcher's own error.
func (e *MatcherError) Unwrap() error { return e.Err }

// DecodeError is a failure of llama_decode; Code is what it returned.
type DecodeError struct{ Code int32 }

func (e *DecodeError) Error() string {
	switch {
	case e.Code == 1:
		return "engine: decoding failed: no room in the KV cache (code 1)"
	case e.Code == 2:
		return "engine: decoding failed: aborted (code 2)"
	case e.Code == -1:
		return "engine: decoding failed: invalid batch (code -1)"
	}
	return fmt.Sprintf("engine: decoding failed: out of memory or a failed backend (code %d)", e.Code)
}

var errNoLogits = errors.New("engine: llama.cpp computed no logits")
