package cria

import (
	"errors"
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// DeclarationError reports a mistake in a [Signature].
type DeclarationError struct {
	Field string // the name of the input or output that has it; "" if it is of none
	Path  string // where it is, as in the signature's JSON: "outputs[1].type.elem"; "" if it is nowhere in particular
	Err   error
}

func (e *DeclarationError) Error() string {
	msg := e.Err.Error()
	if e.Path != "" {
		msg = e.Path + ": " + msg
	}
	if e.Field != "" {
		msg = fmt.Sprintf("field %q: %s", e.Field, msg)
	}
	return msg
}

// Unwrap returns the cause.
func (e *DeclarationError) Unwrap() error { return e.Err }

// at adds to an error where it is; the path of one that has a path already goes on.
func at(path string, err error) error {
	var inner *DeclarationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &inner):
		return &DeclarationError{Field: inner.Field, Path: path + inner.Path, Err: inner.Err}
	default:
		return &DeclarationError{Path: path, Err: err}
	}
}

// inField says of an error of [at] which field has the mistake; of fields within fields
// the outermost counts.
func inField(f Field, err error) error {
	var inner *DeclarationError
	if errors.As(err, &inner) {
		return &DeclarationError{Field: f.Name, Path: inner.Path, Err: inner.Err}
	}
	return err
}

// DemoError reports a demonstration that does not fit its [Signature].
type DemoError struct {
	Demo int // counted from 1
	Err  error
}

func (e *DemoError) Error() string { return fmt.Sprintf("demo %d: %v", e.Demo, e.Err) }

// Unwrap returns the cause.
func (e *DemoError) Unwrap() error { return e.Err }

// nearest returns the word that is meant by a misspelt one, "" if none is near: one
// edit is near, two are in words of six letters or more.
func nearest(word string, words []string) string {
	best, distance := "", 2
	if len(word) >= 6 {
		distance = 3
	}
	for _, w := range words {
		if d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(w)); d < distance {
			best, distance = w, d
		}
	}
	return best
}

// didYouMean is how an error ends that is about a word which is not among some.
func didYouMean(word string, words []string) string {
	if near := nearest(word, words); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return "; there are " + strings.Join(words, ", ")
}
